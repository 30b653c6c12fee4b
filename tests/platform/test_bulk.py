"""The bulk way to read a batch takes what machines write, and agrees with the definitive one."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nenghao.platform import bulk
from nenghao.standard.messages import energy_data, write
from nenghao.standard.messages.energy_data import ColumnRecords, EnergyRecord, EnergyUpload
from nenghao.standard.replies import Refusal
from tests.platform.energy import COAL, CODE, DEVICE_ID, ELECTRICITY, day, record

STEADY = settings(deadline=None, max_examples=150)


def batch(records: list[EnergyRecord]) -> bytes:
    return write(EnergyUpload(DEVICE_ID, CODE, records))


def outcome(reader: Any, body: bytes) -> tuple[object, ...]:
    """What a reader makes of a body: doubles to the last bit, and how small fields are typed."""
    try:
        upload = reader(body)
    except Refusal as refusal:
        return (refusal.code, refusal.text)
    return (upload.device_id, upload.enterprise_code, repr(list(upload.data)))


def read_alike(body: bytes) -> None:
    assert outcome(bulk.read_upload, body) == outcome(energy_data.read_upload, body)


def is_bulk(body: bytes) -> bool:
    return isinstance(bulk.read_upload(body).data, ColumnRecords)


DAY = day(codes=(ELECTRICITY, COAL))


def test_a_machine_written_day_is_read_by_column() -> None:
    upload = bulk.read_upload(batch(DAY))
    assert isinstance(upload.data, ColumnRecords)
    assert (upload.device_id, upload.enterprise_code) == (DEVICE_ID, CODE)
    assert list(upload.data) == upload.data[:] == DAY
    assert upload.data[-1] == DAY[-1]


def test_its_columns_are_those_of_the_records() -> None:
    records = bulk.read_upload(batch(DAY)).data
    assert isinstance(records, ColumnRecords)
    made, expected = records.columns, energy_data.columns_of(DAY)
    assert (list(made.data_value), made.data_code) == (expected.data_value, expected.data_code)
    for name in ("input_type", "stat_type", "stat_date", "upload_date", "scope", "valid"):
        assert getattr(made, name) == getattr(expected, name)


LAYOUTS = {
    "white space": lambda rows: json.dumps(rows, indent=2),
    "texts for codes": lambda rows: json.dumps(
        [{**row, "statType": "0", "inputType": "1", "scope": "1"} for row in rows]
    ),
    "another order": lambda rows: json.dumps(
        [dict(sorted(row.items(), key=lambda item: (item[0] == "valid", item[0]))) for row in rows]
    ),
    "codes before the value": lambda rows: json.dumps(
        [{"scope": 1, "uploadDate": row["uploadDate"], **row} for row in rows]
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_are_read_by_column_too(layout: str) -> None:
    rows = json.loads(batch(DAY))["data"]
    head = f'{{"deviceId":"{DEVICE_ID}","data":'
    body = f'{head}{LAYOUTS[layout](rows)},"enterpriseCode":"{CODE}"}}'.encode()
    assert is_bulk(body)
    read_alike(body)


def test_invalid_values_and_mixed_codes_are_read_by_column_too() -> None:
    records = [
        record(float(at), one.stat_date, stat_type=0, valid=at % 3 > 0, input_type=1 + at % 7)
        for at, one in enumerate(DAY[:96])
    ]
    assert is_bulk(batch(records))
    assert list(bulk.read_upload(batch(records)).data) == records


@pytest.mark.parametrize("order", ["by item", "by moment", "reversed", "with day values"])
def test_any_order_of_records_is_read_by_column(order: str) -> None:
    records = day(codes=[f"00-00-0000-02{number:04d}-11" for number in range(12)])
    if order == "by moment":
        records.sort(key=lambda one: one.stat_date)
    elif order == "reversed":
        records.reverse()
    elif order == "with day values":
        records += [record(at, code=one.data_code) for at, one in enumerate(records[::96])]
    assert is_bulk(batch(records))
    assert list(bulk.read_upload(batch(records)).data) == records


def with_values(texts: list[str]) -> bytes:
    """A day whose values are written so."""
    rows = [f'"dataValue":{text},"inputType"' for text in texts]
    parts = batch(DAY).decode().split('"dataValue":')
    whole = parts[0]
    for at, part in enumerate(parts[1:]):
        rest = part.partition(',"inputType"')[2]
        whole += (rows[at] if at < len(rows) else '"dataValue":1.5,"inputType"') + rest
    return whole.encode()


@pytest.mark.parametrize(
    "text",
    ["0", "0.0", "12", "-0.1", "-12.5", "9007199254740992", "9007199254740993", "5e-05", "1.5E+3",
     "0.1000000000000001", "-2.5e-7", "1e-400", "0e0",
     "12345678901234567890", "0.12345678901234567", "123456789.12345678", "1.7976931348623157",
     "0.30000000000000004", "-0.000000000000000000001", "100000000000000000000000"],
)  # fmt: skip
def test_plain_numbers_are_read_to_the_last_bit(text: str) -> None:
    assert is_bulk(with_values([text]))
    read_alike(with_values([text]))


@pytest.mark.parametrize(
    "text",
    ["-0", "-0.0", "-0e3", "1e", "e1", "1e+", "1e1.5", "01", "-01", "00.5", "01e2", "-1e400",
     ".5", "5.", "1..2", "1.2.3", "--1", "1-", "-",
     ".", "+1", " 1", "1 ", '"1"', "null", "true", "NaN", "1e400", "1" * 400, "", "1_0", "1,2",
     "[]", "{}"],
)  # fmt: skip
@pytest.mark.parametrize("at", [0, 7, 191])
def test_whatever_else_stands_for_a_number_is_read_as_it_always_was(text: str, at: int) -> None:
    read_alike(with_values(["1.5"] * at + [text]))


def test_a_batch_is_read_alike_however_many_records_are_looked_at_in_one_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = day(codes=[f"00-00-0000-02{number:04d}-11" for number in range(12)])
    for at, one in enumerate(records):
        one.upload_date = f"2026-11-22 01:0{at // 500}:00"
        one.valid = at % 400 > 0
    monkeypatch.setattr(bulk, "_STRETCH", 4096)
    for rows in (1, 2, 7, 1000):
        monkeypatch.setattr(bulk, "_ROWS", rows)
        assert is_bulk(batch(records))
        assert list(bulk.read_upload(batch(records)).data) == records


@STEADY
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(10**12), 10**12).map(lambda number: number / 10**6),
        min_size=192,
        max_size=192,
    )
)
def test_every_double_comes_back_bit_by_bit(values: list[float]) -> None:
    records = [
        record(value, one.stat_date, code=one.data_code, stat_type=0)
        for value, one in zip(values, DAY, strict=True)
    ]
    got = [one.data_value.hex() for one in bulk.read_upload(batch(records)).data]
    assert got == [value.hex() for value in values]


SCRAPS = st.sampled_from(
    [b'"', b"}", b"]", b"{", b",", b" ", b"\n", b"NaN", b"false", b"true", b"0", b"9", b"-", b".",
     b"\\u0064", b"[[1]]", b'"data":[', b"\xff", b"\xc3\xa9", b"\x00"]
)  # fmt: skip


@settings(deadline=None, max_examples=500)
@given(st.integers(0, 10**9), st.integers(0, 3), st.binary(max_size=3) | SCRAPS)
def test_damaged_bytes_are_read_as_the_definitive_way_reads_them(
    place: int, cut: int, scrap: bytes
) -> None:
    body = bytearray(batch(DAY))
    at = place % len(body)
    body[at : at + cut] = scrap
    read_alike(bytes(body))


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, 3, 8, -1, 1.5, 2.0, "", "1", "x", "９", [], {},
     "2026-11-21 00:00:00", "2026-11-21 00:15:00", "2026-11-21 00:07:00", "2026-02-30 00:00:00",
     "2026/11/21 00:00:00", "00-00-0000-023300-1x", "07-02-1001-023300-11"]
)  # fmt: skip


@STEADY
@given(
    st.lists(
        st.tuples(st.integers(0, 191), st.sampled_from(list(json.loads(batch(DAY[:1]))["data"][0])),
                  VALUES),
        min_size=1, max_size=3,
    ),
    st.booleans(),
)  # fmt: skip
def test_changed_fields_are_read_as_the_definitive_way_reads_them(
    changes: list[tuple[int, str, Any]], everywhere: bool
) -> None:
    decoded = json.loads(batch(DAY))
    for at, name, value in changes:
        for row in decoded["data"] if everywhere else decoded["data"][at : at + 1]:
            row[name] = value
    read_alike(json.dumps(decoded, ensure_ascii=False).encode())


@pytest.mark.parametrize("tolerance", [0, 60])
def test_dates_within_the_tolerance_are_moved(tolerance: int) -> None:
    records = [
        record(at, f"2026-{1 + at % 12:02d}-{1 + at // 12:02d} 00:00:30") for at in range(120)
    ]
    body = batch(records)
    assert outcome(lambda b: bulk.read_upload(b, statdate_tolerance=tolerance), body) == outcome(
        lambda b: energy_data.read_upload(b, statdate_tolerance=tolerance), body
    )


@pytest.mark.parametrize("limit", [191, 192])
def test_more_records_than_the_limit_are_refused_alike(limit: int) -> None:
    body = batch(DAY)
    assert outcome(lambda b: bulk.read_upload(b, record_limit=limit), body) == outcome(
        lambda b: energy_data.read_upload(b, record_limit=limit), body
    )


def test_few_records_and_other_bodies_are_read_as_they_always_were() -> None:
    assert not is_bulk(batch(day()[:5]))
    for body in (b"", b"{}", b"[]", batch([]), b'{"data":[]}', batch(DAY)[:-40], b"\xef\xbb\xbf"):
        read_alike(body)
    assert is_bulk(b"\xef\xbb\xbf" + batch(DAY))


def test_two_rows_whose_hashes_meet_are_still_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows look alike to a hash that multiplies by nothing: then the slow way answers."""
    records = sorted(day(date(2026, 11, 21), (ELECTRICITY, COAL)), key=lambda one: one.data_value)
    monkeypatch.setattr(bulk, "_MIXER", 0)
    read_alike(batch(records[::-1]))
