"""The uplink: what a national platform has, and what a province has for it."""

from __future__ import annotations

from nenghao.platform.store.migrations import national, uplink

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    national.create()
    uplink.create()


def downgrade() -> None:
    uplink.drop()
    national.drop()
