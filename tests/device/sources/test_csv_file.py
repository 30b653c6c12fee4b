from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from nenghao.device.history import Reading
from nenghao.device.sources.csv_file import (
    CsvFile,
    CsvReadings,
    Label,
    SourceError,
    check_format,
    read,
)

STEEL = Path(__file__).parents[4] / "shared" / "data" / "steel_plant_15min_2018.csv"


def load(
    path: Path,
    *rows: str,
    label: Label = "end",
    scale: str = "1",
    interval: int | None = None,
    encoding: str = "utf-8",
    heading: str = "time,kWh,other",
) -> CsvReadings:
    file = path / "readings.csv"
    file.write_bytes("\n".join((heading, *rows, "")).encode(encoding))
    return read(
        CsvFile(
            path=file,
            column="kWh",
            time_column="time",
            time_format="%Y-%m-%d %H:%M",
            label=label,
            scale=Decimal(scale),
            interval=interval,
        )
    )


def errors(path: Path, *rows: str, **options: str) -> list[str]:
    with pytest.raises(SourceError) as caught:
        load(path, *rows, **options)  # type: ignore[arg-type]
    return list(caught.value.lines)


def ticks(found: CsvReadings) -> list[str]:
    return [f"{reading.time:%m-%d %H:%M}" for reading in found.readings]


@pytest.mark.clause("3.7-1")
@pytest.mark.clause("5.1-1")
@pytest.mark.skipif(not STEEL.exists(), reason=f"the steel plant's year is not at {STEEL}")
def test_the_steel_plants_year_lies_on_the_right_ticks() -> None:
    found = read(
        CsvFile(
            path=STEEL,
            column="Usage_kWh",
            time_column="date",
            time_format="%d/%m/%Y %H:%M",
            label="end",
            scale=Decimal("0.0001"),
        )
    )
    first = datetime(2018, 1, 1, 0, 15)
    assert [reading.time for reading in found.readings] == [
        first + timedelta(minutes=15 * number) for number in range(35_040)
    ]
    assert found.interval == 15
    assert found.readings[0] == Reading(first, Decimal("0.000317"))
    assert found.blanks == 0


def test_a_midnight_after_later_times_of_its_date_is_that_days_end(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "2026-01-01 00:15,1,",
        "2026-01-01 23:45,2,",
        "2026-01-01 00:00,3,",
        "2026-01-02 00:15,4,",
    )
    assert ticks(found) == ["01-01 00:15", "01-01 23:45", "01-02 00:00", "01-02 00:15"]


def test_a_midnight_before_the_times_of_its_date_closes_the_day_before(tmp_path: Path) -> None:
    found = load(tmp_path, "2026-01-01 23:45,1,", "2026-01-02 00:00,2,", "2026-01-02 00:15,3,")
    assert ticks(found) == ["01-01 23:45", "01-02 00:00", "01-02 00:15"]


def test_the_order_counts_even_where_the_later_times_are_empty(tmp_path: Path) -> None:
    found = load(tmp_path, "2026-01-01 23:30,,", "2026-01-01 00:00,5,")
    assert ticks(found) == ["01-02 00:00"]
    assert found.blanks == 1


def test_a_file_that_runs_backwards_is_read_from_the_bottom(tmp_path: Path) -> None:
    labelled_ahead = ("2026-01-02 00:00,4,", "2026-01-01 23:45,3,", "2026-01-01 23:30,2,")
    assert ticks(load(tmp_path, *labelled_ahead)) == ["01-01 23:30", "01-01 23:45", "01-02 00:00"]
    own_date = ("2026-01-01 00:00,4,", "2026-01-01 23:45,3,", "2026-01-01 23:30,2,")
    assert ticks(load(tmp_path, *own_date)) == ["01-01 23:30", "01-01 23:45", "01-02 00:00"]


def test_twenty_four_oclock_is_read_as_what_it_is(tmp_path: Path) -> None:
    found = load(tmp_path, "2026-01-01 23:45,1,", "2026-01-01 24:00,2,")
    assert ticks(found) == ["01-01 23:45", "01-02 00:00"]
    assert "不符合格式" in errors(tmp_path, "2026-01-01 24:00,1,", label="start")[0]


def test_a_start_label_becomes_the_end_of_its_interval(tmp_path: Path) -> None:
    quarter = load(tmp_path, "2026-01-01 00:00,1,", "2026-01-01 23:45,2,", label="start")
    assert ticks(quarter) == ["01-01 00:15", "01-02 00:00"]
    hourly = load(tmp_path, "2026-01-01 00:00,1,", "2026-01-01 23:00,2,", label="start")
    assert ticks(hourly) == ["01-01 01:00", "01-02 00:00"]
    assert hourly.interval == 60


@pytest.mark.clause("6.2.5-3")
@pytest.mark.parametrize(
    ("minutes", "interval"), [(("00", "30"), 30), (("00",), 60), (("00", "15"), 15), (("45",), 15)]
)
def test_the_interval_is_the_grid_of_the_data(
    tmp_path: Path, minutes: tuple[str, ...], interval: int
) -> None:
    rows = [f"2026-01-01 {hour:02d}:{minute},1," for hour in range(1, 9) for minute in minutes]
    assert load(tmp_path, *rows).interval == interval


def test_values_are_scaled_exactly(tmp_path: Path) -> None:
    found = load(tmp_path, "2026-01-01 00:15,3.78,", "2026-01-01 00:30,1e2,", scale="0.0001")
    values = [reading.value for reading in found.readings]
    assert values == [Decimal("0.000378"), Decimal("0.01")]


def test_an_empty_cell_is_a_missing_reading_not_a_zero(tmp_path: Path) -> None:
    found = load(tmp_path, "2026-01-01 00:15,,", "2026-01-01 00:30, ,", "2026-01-01 00:45,0,", "")
    assert [(reading.time.minute, reading.value) for reading in found.readings] == [
        (45, Decimal(0))
    ]
    assert found.blanks == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_headings_are_read_in_the_encodings_of_spreadsheets(
    tmp_path: Path, encoding: str
) -> None:
    file = tmp_path / "电.csv"
    file.write_bytes("时间,电量\r\n2026-01-01 00:15,1.5\r\n".encode(encoding))
    found = read(
        CsvFile(
            path=file,
            column="电量",
            time_column="时间",
            time_format="%Y-%m-%d %H:%M",
            label="end",
        )
    )
    assert found.readings == [Reading(datetime(2026, 1, 1, 0, 15), Decimal("1.5"))]


def test_every_error_is_named_by_row_and_column(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        "2026-01-01 00:15,1,",
        "2026/01/01 00:30,2,",
        "2026-01-01 00:45,NaN,",
        "2026-01-01 00:50,4,",
        ",5,",
        "2026-01-01 01:15,1,234,5",
        "2026-02-30 01:30,x,",
        "1999-12-31 01:30,1,",
        "2026-01-01 02:00,1e300,",
    )
    assert [line.split("：")[0] for line in found] == [
        "第 3 行“time”列",
        "第 4 行“kWh”列",
        "第 5 行“time”列",
        "第 6 行“time”列",
        "第 7 行有 4 列，多于表头的 3 列",
        "第 8 行“time”列",
        "第 8 行“kWh”列",
        "第 9 行“time”列",
        "第 10 行“kWh”列",
    ]


def test_twenty_errors_are_listed_and_the_rest_counted(tmp_path: Path) -> None:
    day = date(2026, 1, 1)
    rows = [f"{day + timedelta(days=number)} 00:15,x," for number in range(30)]
    found = errors(tmp_path, *rows)
    assert len(found) == 21
    assert found[-1] == "另有 10 处错误"


def test_one_tick_with_two_values_is_an_error_with_one_it_is_not(tmp_path: Path) -> None:
    assert load(tmp_path, "2026-01-01 00:15,1,", "2026-01-01 00:15,1.0,").readings == [
        Reading(datetime(2026, 1, 1, 0, 15), Decimal(1))
    ]
    (line,) = errors(tmp_path, "2026-01-01 00:15,1,", "2026-01-01 00:15,2,")
    assert line.startswith("第 3 行“kWh”列：2026-01-01 00:15:00 与第 2 行重复")


def test_labels_beside_a_given_interval_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="30 分钟"):
        load(tmp_path, "2026-01-01 00:15,1,", "2026-01-01 00:30,1,", interval=30)


@pytest.mark.parametrize(
    ("rows", "heading", "word"),
    [
        ((), "time,kWh", "没有读数"),
        (("2026-01-01 00:15,",), "time,kWh", "没有读数"),
        (("2026-01-01 00:15,1",), "time,MWh", "没有 'kWh' 列"),
        (("2026-01-01 00:15,1,2",), "time,kWh,kWh", "出现 2 次"),
        (('2026-01-01 00:15,"1',), "time,kWh", "不是合法的 CSV"),
    ],
)
def test_a_file_that_cannot_be_understood_says_why(
    tmp_path: Path, rows: tuple[str, ...], heading: str, word: str
) -> None:
    with pytest.raises(SourceError, match=word):
        load(tmp_path, *rows, heading=heading)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    source = CsvFile(
        path=tmp_path / "none.csv",
        column="a",
        time_column="b",
        time_format="%Y-%m-%d %H:%M",
        label="end",
    )
    with pytest.raises(SourceError, match="无法读取"):
        read(source)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("%d/%m/%Y %H:%M", True),
        ("%Y%m%d%H%M%S", True),
        ("%m/%d/%y %I:%M %p", True),
        ("%H:%M", False),
        ("%Y-%m-%d", False),
        ("%Y-%m-%d %H:%M %z", False),
        ("%Q", False),
        ("", False),
    ],
)
def test_a_time_format_must_tell_date_hour_and_minute(text: str, good: bool) -> None:
    assert (check_format(text) == "") is good
