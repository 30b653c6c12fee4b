from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.sources.base import Sample
from nenghao.device.sources.rows import (
    BadLayout,
    BadValue,
    Layout,
    Rows,
    Times,
    close_days,
    number,
    samples,
    scalings,
)


class Point(msgspec.Struct, frozen=True):
    name: str
    field: str = ""
    scale: str = "1"
    offset: str = "0"


NINE = datetime(2026, 3, 2, 9, 0)
WIDE = Layout(time_column="time")
LONG = Layout(time_column="time", name_column="tag", value_column="value")


# --- numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (3, Decimal(3)),
        (0.1, Decimal("0.1")),
        (Decimal("1.50"), Decimal("1.50")),
        (" 1.5e3 ", Decimal("1.5e3")),
        (True, Decimal(1)),
        (None, None),
        ("", None),
        (" -- ", None),
        ("NULL", None),
    ],
)
def test_a_cell_is_an_exact_number_or_empty(cell: object, value: Decimal | None) -> None:
    assert number(cell) == value


@pytest.mark.parametrize(
    "cell",
    [
        "abc",
        "1,234",
        "１２",
        "NaN",
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("1e999"),
        b"1",
        [],
    ],
)
def test_what_is_no_number_is_named(cell: object) -> None:
    with pytest.raises(BadValue, match="不是数值"):
        number(cell)


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "form", "zone"),
    [
        ("2026-03-02 09:00:00", "", "cst"),
        ("2026/03/02 09:00", "", "cst"),
        ("2026-03-02T01:00:00Z", "", "cst"),
        ("2026-03-02T09:00:00.000+08:00", "", "utc"),
        ("2026-03-02 01:00:00", "", "utc"),
        ("20260302090000", "%Y%m%d%H%M%S", "cst"),
        (1772413200, "epoch", "cst"),
        ("1772413200", "epoch", "utc"),
        (Decimal("1772413200000"), "epoch_ms", "cst"),
        (NINE, "", "cst"),
        (NINE.replace(tzinfo=timezone(timedelta(hours=8))), "", "utc"),
        (datetime(2026, 3, 2, 1, 0, tzinfo=UTC), "", "cst"),
    ],
)
def test_times_are_read_as_china_standard_time(cell: object, form: str, zone: Any) -> None:
    assert Times(format=form, zone=zone).read(cell) == NINE


def test_a_date_is_its_midnight_and_twenty_four_oclock_the_next() -> None:
    assert Times().read(date(2026, 3, 2)) == datetime(2026, 3, 2)
    assert Times().read("2026-03-02 24:00:00") == datetime(2026, 3, 3)
    assert Times(format="%d.%m.%Y %H:%M").read("28.02.2026 24:00") == datetime(2026, 3, 1)


@pytest.mark.parametrize(
    ("cell", "form", "word"),
    [
        (None, "", "为空"),
        ("", "", "为空"),
        ("昨天", "", "不符合格式"),
        ("2026-03-02", "%d/%m/%Y", "不符合格式"),
        ("2026-03-02 24:15:00", "", "不符合格式"),
        (1772413200, "", "epoch"),
        ("x", "epoch", "秒"),
        (10**30, "epoch", "年份"),
        (Decimal("1e999"), "epoch", "年份"),
        (1772413200000, "epoch", "年份"),
        ("1999-12-31 00:00:00", "", "年份"),
        (True, "", "不是时间"),
        ([], "", "不是时间"),
    ],
)
def test_what_is_no_time_is_named(cell: object, form: str, word: str) -> None:
    with pytest.raises(BadValue, match=word):
        Times(format=form).read(cell)


@given(
    moment=st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)).map(
        lambda one: one.replace(microsecond=0)
    ),
    form=st.sampled_from(["", "epoch", "epoch_ms", "%Y/%m/%d %H:%M:%S"]),
    zone=st.sampled_from(["cst", "utc"]),
)
def test_a_bookmark_is_written_as_the_column_is_read(
    moment: datetime, form: str, zone: Any
) -> None:
    times = Times(format=form, zone=zone)
    times.check()
    assert times.read(times.write(moment)) == moment


# --- rows ----------------------------------------------------------------------------------------


def test_a_wide_row_has_a_value_for_each_point() -> None:
    points = [Point("a"), Point("b", field="B列", scale="0.1", offset="5")]
    reader = Rows(WIDE, points, ["time", "B列 ", "a", "其他"])
    row = reader.read(["2026-03-02 09:00:00", 20, "", "x"])
    assert (row.moment, row.errors) == (NINE, ())
    assert row.values == (("b", Decimal("7.0")),)
    assert samples(row, Times(label="start"), NINE) == [
        Sample("b", NINE + timedelta(minutes=15), Decimal(7))
    ]


def test_one_column_may_serve_two_points() -> None:
    reader = Rows(
        LONG, [Point("a", field="T"), Point("b", field="T", scale="2")], ["time", "tag", "value"]
    )
    row = reader.read([NINE, "T", 3])
    assert row.values == (("a", Decimal(3)), ("b", Decimal(6)))
    assert reader.read([NINE, "U", "nonsense"]).values == ()
    assert (reader.knows("T"), reader.knows("U")) == (True, False)


def test_every_error_of_a_row_is_named_by_its_column() -> None:
    reader = Rows(WIDE, [Point("a"), Point("b", scale="9e17")], ["time", "a", "b"])
    assert reader.read(["x", "y", 2]).errors == (
        ("time", "时间 'x' 不符合格式 YYYY-MM-DD HH:MM:SS"),
        ("a", "'y' 不是数值"),
        ("b", "数值 2 过大"),
    )


def test_a_short_row_lacks_its_last_values() -> None:
    assert Rows(WIDE, [Point("a")], ["time", "x", "a"]).read([NINE]).values == ()


@pytest.mark.parametrize(
    ("heading", "word"),
    [(["time"], "没有 'a' 列，现有：time"), (["a", "time", "a"], "2 次"), ([], "（空）")],
)
def test_a_heading_without_a_column_is_refused(heading: list[str], word: str) -> None:
    with pytest.raises(BadLayout, match=word):
        Rows(WIDE, [Point("a")], heading)


def test_columns_of_databases_are_found_in_any_case_but_the_exact_one_first() -> None:
    reader = Rows(WIDE, [Point("a")], ["TIME", "A", "a"], any_case=True)
    assert reader.read([NINE, 1, 2]).values == (("a", Decimal(2)),)


@pytest.mark.parametrize(
    ("layout", "word"),
    [
        (Layout(time_column="t", name_column="n"), "value_column"),
        (Layout(time_column="t", times=Times(format="%Y")), "time_format"),
        (Layout(time_column="t", times=Times(format="%Y-%m-%d %H:%M%z")), "time_format"),
    ],
)
def test_a_layout_that_contradicts_itself_is_refused(layout: Layout, word: str) -> None:
    with pytest.raises(BadLayout, match=word):
        layout.check()


def test_points_of_one_name_or_an_ill_written_scale_are_refused() -> None:
    with pytest.raises(BadLayout, match="重复：a"):
        scalings([Point("a"), Point("a")])
    with pytest.raises(BadLayout, match="采集点 a：offset"):
        scalings([Point("a", offset="?")])


# --- day ends ------------------------------------------------------------------------------------


def labels(*texts: str) -> list[datetime]:
    return [datetime.strptime(f"2026-03-{text}", "%Y-%m-%d %H:%M") for text in texts]


@pytest.mark.parametrize(
    ("given_labels", "meant"),
    [
        (("01 23:45", "02 00:00", "02 00:15"), ("01 23:45", "02 00:00", "02 00:15")),
        (("01 23:45", "01 00:00", "02 00:15"), ("01 23:45", "02 00:00", "02 00:15")),
        (("02 00:15", "01 00:00", "01 23:45"), ("02 00:15", "02 00:00", "01 23:45")),
        (("02 00:00", "01 23:45", "01 23:30"), ("02 00:00", "01 23:45", "01 23:30")),
        (("01 00:00", "02 00:00", "03 00:00"), ("01 00:00", "02 00:00", "03 00:00")),
        ((), ()),
    ],
)
def test_a_midnight_closes_the_day_whose_times_it_follows(
    given_labels: tuple[str, ...], meant: tuple[str, ...]
) -> None:
    assert close_days(labels(*given_labels)) == labels(*meant)
