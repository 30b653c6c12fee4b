"""How many items a unit may have (每单位数据项上限).

Form is law and membership advice: a device may upload what it never configured, and every code that
it makes up becomes a row of findings and frames of its own. What stops a broken or hostile one from
filling the disk with codes is this count. Whoever is within it pays two counted rows a batch.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, select, union

from nenghao.platform.store.schema import configured_item, finding
from nenghao.standard.findings import AdviceKind, Finding
from nenghao.standard.replies import IllegalFormat

LIMIT = "items_per_unit"


def check(conn: Connection, unit_id: int, codes: Collection[str], most: int, path: str) -> None:
    """Raise IllegalFormat naming `path` if the unit had more than `most` data codes with `codes`.

    Counted are those that were ever configured, retired or not, and those that came without.
    """
    configured = select(configured_item.c.data_code).where(configured_item.c.unit_id == unit_id)
    unconfigured = select(finding.c.subject).where(
        finding.c.unit_id == unit_id, finding.c.kind == AdviceKind.NOT_CONFIGURED.value
    )
    rows = 0
    for query in (configured, unconfigured):
        rows += conn.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    if rows + len(codes) <= most:
        return
    known = set(conn.execute(union(configured, unconfigured)).scalars())
    total = len(known.union(codes))
    if total > most and not known.issuperset(codes):
        reason = f"使本单位的数据项编码达到 {total} 个，应为至多 {most} 个"
        raise IllegalFormat([Finding(path, reason, limit=LIMIT)])
