"""The values of one item as a file (数据导出): each with all that was sent with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from sqlalchemy import Connection

from nenghao.console.views.unit_curves import Asked, stored
from nenghao.console.views.unit_items import plain
from nenghao.platform import packing, table_file
from nenghao.platform.packing import Key
from nenghao.platform.store.frames import Frame
from nenghao.standard import periods
from nenghao.standard.findings import AdviceKind
from nenghao.standard.periods import StatType
from nenghao.standard.sources import NAMES

HEADER: Final = ("统计时间", "数据项编码", "数据项", "数值", "计量单位", "是否有效", "数据采集来源",
                 "上传时间", "提示")  # fmt: skip

Told = Callable[[int, int], None]
"""Is told how many frames are done, of how many; may raise to call it off."""


def export(
    conn: Connection,
    asked: Asked,
    name: str,
    unit: str,
    suffix: str,
    told: Told = lambda done, total: None,
) -> bytes:
    """The values as a file, `.csv` or `.xlsx`, in the order of their time.

    `name` and `unit` are the item's in words. Raises replies.DatabaseFault where a stored value
    is damaged.
    """
    frames = stored(conn, asked, asked.span)
    failed: list[Exception] = []

    def rows() -> Iterator[dict[str, str]]:
        # A workbook that is left half written cannot be closed: it ends early and is dropped.
        try:
            for row in _rows(frames, asked, told):
                yield {**row, "数据项": name, "计量单位": unit}
        except Exception as error:
            failed.append(error)

    content = table_file.written(suffix, HEADER, rows(), "数据")
    if failed:
        raise failed[0]
    return content


def _rows(frames: list[tuple[Key, bytes]], asked: Asked, told: Told) -> Iterator[dict[str, str]]:
    first, size = asked.span.first, asked.span.size
    for done, (key, planes) in enumerate(frames):
        told(done, len(frames))
        frame = packing.opened(key, planes)
        for at, slot in enumerate(frame.positions()):
            if first <= asked.span.number(key.frame, slot) < first + size:
                yield _row(key, frame, at, slot)
    told(len(frames), len(frames))


def _row(key: Key, frame: Frame, at: int, slot: int) -> dict[str, str]:
    kind = StatType(key.stat_type)
    found = AdviceKind.from_bits(frame.findings[at])
    return {
        "统计时间": periods.format_time(periods.time_of(kind, key.frame, slot)),
        "数据项编码": key.data_code,
        "数值": plain(frame.value[at]),
        "是否有效": "有效" if frame.valid[at] else "无效",
        "数据采集来源": NAMES.get(str(frame.input_type[at]), str(frame.input_type[at])),
        "上传时间": periods.format_time(periods.from_seconds(frame.upload_date[at])),
        "提示": "、".join(kind.label for kind in found),
    }
