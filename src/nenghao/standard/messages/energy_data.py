"""Upload and download of collected data (用能单位采集数据; 6.2.5, 6.3.5, A.5).

`downloadEnergyData` is issued by registration and left undefined by the standard; its messages
are those of docs/decisions 6. `read_upload` reads a large batch fast and agrees with `codec.read`.
What the values mean, and how they merge with what is stored, is intake's business.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, overload

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from nenghao.standard import forms, periods
from nenghao.standard.findings import Findings
from nenghao.standard.messages import energy_columns
from nenghao.standard.messages.codec import Tree, drop_bom, parse, read_tree, too_long
from nenghao.standard.messages.energy_columns import Columns, small, texts
from nenghao.standard.messages.fields import Answer, Message, optional, present, required
from nenghao.standard.periods import StatType

RECORD_LIMIT = 200_000
"""Records of the largest upload that is accepted (docs/decisions 2)."""

if TYPE_CHECKING:
    Code = int
    Flag = bool
else:
    # What msgspec may decode on the fast path; a reader leaves int and bool behind, so that is
    # what everybody else sees.
    Code = int | str
    Flag = bool | int | str


class EnergyRecord(Message, gc=False):
    """One value (采集数据) in the dictionary's unit; all eight fields are required.

    `stat_date` names the period (`periods`), `upload_date` when the batch was made.
    """

    data_code: Annotated[str, required(forms.DATA_CODE)]
    data_value: Annotated[float, required(forms.MEASURED)]
    input_type: Annotated[Code, required(forms.INPUT_TYPE)]
    stat_type: Annotated[Code, required(forms.STAT_TYPE)]
    stat_date: Annotated[str, required(forms.TIME)]
    upload_date: Annotated[str, required(forms.TIME)]
    scope: Annotated[Code, required(forms.SCOPE)]
    valid: Annotated[Flag, required(forms.BOOLEAN)]

    def contradictions(self) -> Iterator[tuple[str, str]]:
        try:
            periods.place(StatType(self.stat_type), periods.parse_time(self.stat_date))
        except periods.OffGrid as error:
            yield "statDate", str(error)


class EnergyUpload(Message):
    """A batch (本批次数据) of one device."""

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]
    data: Annotated[list[EnergyRecord], required(most=RECORD_LIMIT)]


class EnergyDownloadRequest(Message, omit_defaults=True):
    """A device asks for what it uploaded: statDate in [begin, end), for statType 0 in (begin, end].

    An empty `data_code` means all; pages count from 1.
    """

    device_id: Annotated[str, required(forms.DEVICE_ID)]
    enterprise_code: Annotated[str, required(forms.CREDIT_CODE)]
    stat_type: Annotated[int, required(forms.STAT_TYPE)]
    begin_time: Annotated[str, required(forms.TIME)]
    end_time: Annotated[str, required(forms.TIME)]
    data_code: Annotated[str, optional(forms.DATA_CODE)] = ""
    page: Annotated[int, optional(forms.integer_between(1, 10**9))] = 1

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if self.begin_time > self.end_time:
            yield "beginTime", "应不晚于 endTime"


class EnergyDownloadAnswer(Answer):
    """One page of records as uploaded; `next_page` is absent on the last."""

    data: Annotated[list[EnergyRecord], present()] = field(default_factory=list)
    next_page: Annotated[int | UnsetType, optional(forms.integer_between(1, 10**9))] = UNSET


class Records(list[EnergyRecord]):
    """The records of a batch with their columns beside them; not to be changed any more."""

    __slots__ = ("columns",)

    def __init__(self, records: Iterable[EnergyRecord], columns: Columns) -> None:
        super().__init__(records)
        self.columns = columns


class ColumnRecords(Sequence[EnergyRecord]):
    """The records of a batch that was read by column: each is made when it is looked at."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns.stat_type)

    @overload
    def __getitem__(self, index: int) -> EnergyRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[EnergyRecord]: ...

    def __getitem__(self, index: int | slice) -> EnergyRecord | list[EnergyRecord]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        columns = self.columns
        return EnergyRecord(
            data_code=columns.data_code.distinct[columns.data_code.numbers[index]],
            data_value=columns.data_value[index],
            input_type=columns.input_type[index],
            stat_type=columns.stat_type[index],
            stat_date=columns.stat_date.distinct[columns.stat_date.numbers[index]],
            upload_date=columns.upload_date.distinct[columns.upload_date.numbers[index]],
            scope=columns.scope[index],
            valid=bool(columns.valid[index]),
        )


def columns_of(records: Sequence[EnergyRecord]) -> Columns:
    """The columns of records that have the form of A.5: those they came with, or made now."""
    if isinstance(records, Records | ColumnRecords):
        return records.columns
    return energy_columns.columns_of(records)


_DATA = re.compile(rb'"data"\s*:\s*(?=\[)')
_records_decoder = msgspec.json.Decoder(list[EnergyRecord])
_one_slow_pass = threading.Lock()


class NotPlainError(ValueError):
    """A fast way of reading does not answer for this body: the definitive one decides."""


def read_upload(
    body: bytes, *, record_limit: int = RECORD_LIMIT, statdate_tolerance: int = 0
) -> EnergyUpload:
    """The batch that `body` holds; raises MissingItem or IllegalFormat with every finding.

    A plain body is decoded typed, and each distinct date, code and set of small fields is checked
    once. Anything that this stumbles over is read again the definitive way (`codec`), one body at
    a time in the process, so that a flood of bad ones does not take the memory of all.

    More than `record_limit` records are refused, more than `RECORD_LIMIT` always. A statDate of a
    day, month or year within `statdate_tolerance` seconds of a period's start becomes that start.
    """
    body = drop_bom(body)
    record_limit = min(record_limit, RECORD_LIMIT)
    try:
        return _read_fast(body, record_limit, statdate_tolerance)
    except (ValueError, RecursionError):  # forms, JSON, UTF-8 and msgspec alike
        pass  # and let go of what was decoded so far before the slow pass takes its memory
    with _one_slow_pass:
        return _read_definitively(body, record_limit, statdate_tolerance)


def _read_fast(body: bytes, record_limit: int, tolerance: int) -> EnergyUpload:
    cut = cut_records(body)
    records = _records_decoder.decode(memoryview(body)[cut.start : cut.end])
    if not 0 < len(records) <= record_limit:
        raise NotPlainError
    columns = _settle(records, tolerance)
    return EnergyUpload(cut.device_id, cut.enterprise_code, Records(records, columns))


class Cut(Struct, frozen=True):
    """A body whose array of records was found, and what stands around it."""

    device_id: str
    enterprise_code: str
    start: int
    """Where the array begins, with its bracket."""
    end: int


def cut_records(body: bytes) -> Cut:
    """Find the array of `data`, if it can be cut out and what is around it is as it should be.

    NaN is put in its place. It cannot stand in a legal body, so finding exactly that one as the
    top-level `data` shows that the cut was right; and the rest is small enough to look for keys
    that stand twice, which no typed decoder sees. Raises ValueError or RecursionError where it is
    not so; whether what was cut out is an array of records is not looked at.
    """
    if not body.isascii():
        body.decode()  # msgspec does not look into strings that it skips
    opening = _DATA.search(body)
    if opening is None:
        raise NotPlainError
    start, end = opening.end(), body.rfind(b"]") + 1
    rest = Tree()
    rest.load(b"".join((body[:start], b"NaN", body[end:])).decode())
    if rest.odd_numbers != 1 or rest.duplicates() or not isinstance(rest.value, dict):
        raise NotPlainError
    header = rest.value
    cut = header.get("data")
    if not isinstance(cut, float) or not isnan(cut):
        raise NotPlainError
    device_id = forms.DEVICE_ID.check(header.get("deviceId"))
    enterprise_code = forms.CREDIT_CODE.check(header.get("enterpriseCode"))
    return Cut(device_id, enterprise_code, start, end)


def _settle(records: list[EnergyRecord], tolerance: int) -> Columns:
    """Check the records and bring them into their one shape in place; ValueError on the first bad.

    Each distinct value is checked once, and records are touched only where something is not yet
    as it should be: this is the price of an upload. The columns say what the records are then.
    """
    columns = Columns(
        data_code=texts([record.data_code for record in records]),
        data_value=[record.data_value for record in records],
        input_type=_settle_small(records, "input_type", forms.INPUT_TYPE),
        stat_type=_settle_small(records, "stat_type", forms.STAT_TYPE),
        stat_date=texts([record.stat_date for record in records]),
        upload_date=texts([record.upload_date for record in records]),
        scope=_settle_small(records, "scope", forms.SCOPE),
        valid=_settle_small(records, "valid", forms.BOOLEAN),
    )
    settled = settle_texts(columns, tolerance)
    if settled is not columns:
        for record, number in zip(records, settled.stat_date.numbers, strict=True):
            record.stat_date = settled.stat_date.distinct[number]
    return settled


def _settle_small(records: list[EnergyRecord], name: str, form: forms.Form) -> bytes:
    """The column of a small field, checked; records that have another type of it get the right."""
    column = list(map(attrgetter(name), records))
    first = column[0]
    came = {first} if column.count(first) == len(column) else set(column)
    kinds = set(map(type, column)) if name == "valid" else set(map(type, came))  # 1 equals True
    settled = {value: form.check(value) for value in came}
    kind = bool if name == "valid" else int
    if kinds == {kind} and all(value == settled[value] for value in came):
        return small(column)
    for record, value in zip(records, column, strict=True):
        setattr(record, name, settled[value])
    return small([settled[value] for value in column])


def settle_texts(columns: Columns, tolerance: int) -> Columns:
    """Check the codes and dates, each distinct one once; FormError or OffGrid on the first bad.

    The small columns are right already. Where dates are moved to the start of their period the
    columns are other ones.
    """
    for text in columns.data_code.distinct:
        forms.DATA_CODE.check(text)
    for text in columns.upload_date.distinct:
        forms.TIME.check(text)
    moved: dict[tuple[int, str], str] = {}
    for stat_type in StatType:
        kind = int(stat_type)
        for text in _dates_of(kind, columns) if kind in columns.stat_type else ():
            time = periods.parse_time(forms.TIME.check(text))
            settled = periods.snap(stat_type, time, tolerance)
            periods.place(stat_type, settled)
            if settled != time:
                moved[kind, text] = periods.format_time(settled)
    if not moved:
        return columns
    distinct = columns.stat_date.distinct
    dates = (distinct[number] for number in columns.stat_date.numbers)
    pairs = zip(columns.stat_type, dates, strict=True)
    stat_date = texts([moved.get(pair, pair[1]) for pair in pairs])
    return msgspec.structs.replace(columns, stat_date=stat_date)


def _dates_of(kind: int, columns: Columns) -> list[str]:
    """The distinct dates that records of one stat type have."""
    distinct = columns.stat_date.distinct
    if columns.stat_type.count(kind) == len(columns.stat_type):
        return distinct
    numbers = columns.stat_date.numbers
    pairs = zip(numbers, columns.stat_type, strict=True)
    return [distinct[number] for number in {number for number, its in pairs if its == kind}]


def _read_definitively(body: bytes, record_limit: int, tolerance: int) -> EnergyUpload:
    findings = Findings()
    tree = parse(body, findings)
    data = tree.value.get("data") if isinstance(tree.value, dict) else None
    if isinstance(data, list) and len(data) > record_limit:
        findings.add(too_long("data", record_limit, len(data)))
    elif isinstance(data, list) and tolerance > 0:
        _snap_dates(data, tolerance)
    return read_tree(EnergyUpload, tree, findings)


def _snap_dates(data: list[Any], tolerance: int) -> None:
    """Move the dates of raw records that are right by themselves; the reader sees to the rest."""
    for record in data:
        if not isinstance(record, dict):
            continue
        try:
            stat_type = StatType(forms.STAT_TYPE.check(record.get("statType")))
            time = periods.parse_time(forms.TIME.check(record.get("statDate")))
        except forms.FormError:
            continue
        record["statDate"] = periods.format_time(periods.snap(stat_type, time, tolerance))
