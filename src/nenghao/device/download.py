"""Reading the unit's data back from the platform (采集数据下载, downloadEnergyData).

Follows the pages and gives all records; the CSV has the wire's names as its heading. What was
asked is the caller's matter (docs/decisions 6).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec import UNSET

from nenghao.device.client import PlatformClient
from nenghao.device.events import Failure, Registration
from nenghao.device.history import plain
from nenghao.standard.messages.energy_data import EnergyDownloadRequest, EnergyRecord

COLUMNS = (
    "dataCode",
    "statDate",
    "dataValue",
    "statType",
    "inputType",
    "scope",
    "valid",
    "uploadDate",
)


class DownloadError(Exception):
    """The platform did not give what was asked for; the text says why, in Chinese."""


async def energy(
    client: PlatformClient, registration: Registration, request: EnergyDownloadRequest
) -> list[EnergyRecord]:
    """All records that `request` asks for, from its page on to the last."""
    records: list[EnergyRecord] = []
    while True:
        answer = await client.download_page(registration, request)
        if isinstance(answer, Failure):
            raise DownloadError(f"第 {request.page} 页下载失败：{answer.reason}")
        records += answer.data
        if answer.next_page is UNSET:
            return records
        if answer.next_page <= request.page:
            raise DownloadError(f"第 {request.page} 页之后平台给出第 {answer.next_page} 页")
        request = msgspec.structs.replace(request, page=answer.next_page)


def as_csv(records: Sequence[EnergyRecord]) -> str:
    """The records as CSV; values without exponent: 0.0000001, not 1e-07."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        row = msgspec.to_builtins(record)
        row["dataValue"] = plain(Decimal(repr(record.data_value)))
        row["valid"] = "true" if record.valid else "false"
        writer.writerow([row[column] for column in COLUMNS])
    return stream.getvalue()
