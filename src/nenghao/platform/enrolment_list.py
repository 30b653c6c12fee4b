"""Enrolment codes for a list of devices (批量生成注册码): from a file, all of them or none.

The list is CSV or Excel with the columns of `HEADER`; what is made is handed out once, as a file of
`MADE`. How such files are read is `table_file`'s business, what a code is `enrolment`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Connection

from nenghao.platform import enrolment, issuing, table_file
from nenghao.platform.dictionary import vocabulary
from nenghao.platform.issuing import IssuingError, Wanted
from nenghao.platform.table_file import FileError
from nenghao.security.authority import CertificateAuthority

HEADER: Final = ("统一社会信用代码", "端设备序号", "单位名称", "行政区划代码")
MADE: Final = (*HEADER, "行政区划名称", "注册码", "有效至")
MOST: Final = 5000
"""Devices of one list."""
MOST_HOURS: Final = 720
"""A code holds at most so long: a month."""
_SHOWN = 20


class Read(NamedTuple):
    """A list that can be made codes of."""

    wanted: list[Wanted]
    odd: list[str]
    """What is odd but allowed, by row, in Chinese."""


class Made(NamedTuple):
    """One code, to be shown once."""

    wanted: Wanted
    text: str
    expires_at: datetime


def read(conn: Connection, content: bytes, suffix: str) -> Read:
    """The devices of a file. Raises FileError naming every row that cannot be meant.

    A row without a device's number is about device 1.
    """
    words = vocabulary(conn)
    wanted: list[Wanted] = []
    odd: list[str] = []
    errors: list[str] = []
    first: dict[tuple[str, int], int] = {}
    lines = table_file.read(content, suffix, HEADER)
    if len(lines) > MOST:
        raise FileError(f"一次至多 {MOST} 台端设备，收到 {len(lines)} 行，请拆分")
    for number, cells in lines:
        one, found = _wanted([cell.strip() for cell in cells])
        if not found:
            earlier = first.setdefault((one.credit_code, one.device), number)
            if earlier != number:
                found = [f"与第 {earlier} 行是同一台端设备"]
        if found:
            errors.append(f"第 {number} 行：{'；'.join(found)}")
            continue
        one, told = issuing.completed(words, one)
        wanted.append(one)
        odd += [f"第 {number} 行：{each}" for each in told]
    if errors:
        raise FileError("\n".join(_cut(errors)))
    if not wanted:
        raise FileError("文件只有表头，没有端设备")
    return Read(wanted, _cut(odd))


def make(
    conn: Connection,
    authority: CertificateAuthority,
    wanted: Sequence[Wanted],
    now: datetime,
    *,
    hours: int = enrolment.DEFAULT_HOURS,
    days: int = issuing.DAYS,
) -> list[Made]:
    """A code for each; earlier ones of the same devices that nobody used are cancelled.

    Needs a write transaction. Raises IssuingError for hours and days that cannot be meant.
    """
    if not 1 <= hours <= MOST_HOURS:
        raise IssuingError(f"注册码的有效小时数应为 1 至 {MOST_HOURS}，收到 {hours}")
    issuing.check_days(days)
    made = []
    for one in wanted:
        who = {
            "credit_code": one.credit_code,
            "device_number": one.device,
            "name": one.name,
            "region": one.region,
            "region_name": one.region_name,
        }
        code = enrolment.create(conn, authority, who, now, hours=hours, days=days)
        made.append(Made(one, code.text, now + timedelta(hours=hours)))
    return made


def written(made: Sequence[Made], suffix: str) -> bytes:
    """The codes as a file, `.csv` or `.xlsx`."""
    rows = [
        dict(
            zip(
                MADE,
                (
                    one.wanted.credit_code,
                    str(one.wanted.device),
                    one.wanted.name,
                    one.wanted.region,
                    one.wanted.region_name,
                    one.text,
                    one.expires_at.strftime("%Y-%m-%d %H:%M"),
                ),
                strict=True,
            )
        )
        for one in made
    ]
    return table_file.written(suffix, MADE, rows, "注册码")


def template(suffix: str) -> bytes:
    """An empty list to be filled in."""
    return table_file.written(suffix, HEADER, [], "端设备")


def _wanted(cells: list[str]) -> tuple[Wanted, list[str]]:
    code, device, name, region = cells
    if device and not (device.isascii() and device.isdigit() and len(device) <= 6):
        rest = issuing.wrong(Wanted(code, 1, name, region))
        return Wanted(code, 0, name, region), [f"端设备序号应为数字，收到 {device!r}", *rest]
    one = Wanted(code, int(device or 1), name, region)
    return one, issuing.wrong(one)


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return lines[:_SHOWN] + ([f"另有 {more} 处"] if more > 0 else [])
