"""Runs the uplink beside the serving processes (上送进程), held by the lease in the database.

Packing and sending a backlog is work for a whole core; in a serving process it would take turns
with the intake in one interpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from nenghao.platform.children import Kind
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import lease


def kind(store: Store, clock: Callable[[], datetime]) -> Kind:
    """The uplink of the platform with that database, as `children` keeps it."""

    def is_held() -> bool:
        with store.read() as conn:
            return lease.standing(conn).is_held(clock())

    return Kind(
        "上送",
        ("platform", "uplink", "run"),
        lambda settings: settings.role == "province" and bool(settings.uplink_to),
        is_held,
        partial(lease.bury, store),
    )
