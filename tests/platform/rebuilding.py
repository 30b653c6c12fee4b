"""What the tests of rebuilding share: a unit's frames, taken away and given back."""

from __future__ import annotations

from datetime import date

from sqlalchemy import delete, select

from nenghao.platform import rebuild
from nenghao.platform.rebuild import Rebuilt
from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import Store
from nenghao.platform.store.schema import frame
from tests.platform.energy import NOW

EVERYTHING = (date(2000, 1, 1), date(2099, 12, 31))
STRANGE = "00-00-0000-999999-11"
"""An energy type that the base data do not know."""


def stored(store: Store, peer: Peer) -> dict[tuple[object, ...], bytes]:
    query = select(frame).where(frame.c.unit_id == peer.unit_id)
    with store.read() as conn:
        return {tuple(row)[:-1]: row.planes for row in conn.execute(query)}


def wipe(store: Store, peer: Peer) -> None:
    with store.write() as conn:
        conn.execute(delete(frame).where(frame.c.unit_id == peer.unit_id))


def rebuilt(
    store: Store, peer: Peer, days: tuple[date, date] = EVERYTHING, *, dry_run: bool = False
) -> Rebuilt:
    return rebuild.rebuild(store, peer.credit_code, *days, NOW, dry_run=dry_run)
