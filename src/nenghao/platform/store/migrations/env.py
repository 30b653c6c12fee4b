"""Alembic's entry: runs the migrations on the connection that `Store.upgrade()` hands over.

No alembic.ini, no logging set-up, no offline mode: the transaction is the caller's.
"""

from __future__ import annotations

from alembic import context

from nenghao.platform.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
