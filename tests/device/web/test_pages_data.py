"""What is read and kept is shown as it is: values with age, sources with faults, gaps."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import structlog
from msgspec.structs import replace

from nenghao.device import history
from nenghao.device.collection.counters import Drop, Event
from nenghao.device.collection.health import ClockOffset, LiveValue, SourceHealth
from nenghao.device.collection.maker import ItemEvent
from nenghao.device.history import Reading
from nenghao.device.sources.base import FaultKind
from nenghao.device.web.log_tail import LogTail
from nenghao.device.web.pages.calendar import standing_of
from tests.device.web.desks import NOW, Visitors
from tests.device.world import ELECTRICITY, a_day, put

FAULT = "127.0.0.1:502 拒绝连接 <script>"


def health(name: str = "gate", *, fault: str = "") -> SourceHealth:
    return SourceHealth(
        name=name,
        type="modbus_tcp",
        state="fault" if fault else "good",
        last_good=NOW - timedelta(minutes=5),
        age=300.0,
        fault_kind=FaultKind.UNREACHABLE if fault else None,
        fault_text=fault,
        since=NOW - timedelta(minutes=4) if fault else None,
        next_try=NOW + timedelta(seconds=30) if fault else None,
        samples=1234,
    )


def point(name: str, value: str | None = "12.50", *, good: bool = True) -> LiveValue:
    return LiveValue(
        kind="point", name=name, code="", value=None if value is None else Decimal(value),
        unit="kWh", time=NOW - timedelta(seconds=8), age=8.0, good=good,
    )  # fmt: skip


def item(age: float) -> LiveValue:
    return LiveValue(
        kind="item", name="全厂用电", code=ELECTRICITY, value=Decimal("0.0317"), unit="万千瓦时",
        time=NOW - timedelta(seconds=age), age=age, good=True,
    )  # fmt: skip


def row_of(text: str, name: str) -> str:
    """The table row in which a name stands, without its tags."""
    (row,) = [row for row in re.findall(r"<tr>.*?</tr>", text) if name in row]
    return re.sub(r"<[^>]+>", " ", row)


# --- live values and sources ----------------------------------------------------------------------


def test_values_stand_there_with_unit_time_age_and_state(visitors: Visitors) -> None:
    collector = visitors.device.collector
    collector.sources = [health()]
    collector.values = [item(600), point("gate.total")]
    text = visitors.page("/")
    seen = row_of(text, "gate.total")
    for part in ("12.5", "kWh", "2026-03-10 14:07:22", "8 秒", "正常"):
        assert part in seen
    assert "10 分钟" in row_of(text, ELECTRICITY)


@pytest.mark.parametrize(
    ("value", "state"),
    [(point("gate.a", None), "尚无数据"), (point("gate.a", good=False), "质量不良"),
     (point("ems.a"), "来源故障"), (item(3600), "滞后")],
)  # fmt: skip
def test_what_cannot_be_believed_is_marked(
    visitors: Visitors, value: LiveValue, state: str
) -> None:
    collector = visitors.device.collector
    collector.sources = [health(), health("ems", fault=FAULT)]
    collector.values = [value]
    text = visitors.page("/")
    assert state in row_of(text, value.name)
    assert "其中 1 个需要注意" in text
    assert "其中 1 个有故障" in text


def test_many_values_stand_on_several_pages_and_can_be_searched(visitors: Visitors) -> None:
    visitors.device.collector.values = [point(f"gate.p{n:03d}") for n in range(450)]
    text = visitors.page("/")
    assert "gate.p199" in text
    assert "gate.p200" not in text
    assert "gate.p449" in visitors.page("/?start=400")
    found = visitors.page("/?find=P317")
    assert "gate.p317" in found
    assert "gate.p318" not in found


def test_a_source_tells_its_fault_since_when_and_when_it_is_tried_again(
    visitors: Visitors,
) -> None:
    visitors.device.collector.sources = [health(), health("ems", fault=FAULT)]
    text = visitors.page("/sources")
    seen = row_of(text, "ems")
    for part in ("无法连接", "拒绝连接 &lt;script&gt;", "自 2026-03-10 14:03:30 起", "14:08:00"):
        assert part in seen
    assert "正常" in row_of(text, "gate")


def test_a_source_that_is_read_in_part_says_what_is_missing(visitors: Visitors) -> None:
    whole = health()
    visitors.device.collector.sources = [
        whole,
        replace(health("boiler"), remark="2 个数值不可用", remarks=("m02：没有应答", "<b>：乱码")),
    ]
    text = visitors.page("/sources")
    seen = row_of(text, "boiler")
    for part in ("未读全", "2 个数值不可用", "m02：没有应答", "&lt;b&gt;：乱码"):
        assert part in seen
    assert "正常" in row_of(text, "gate")
    assert "其中 1 个未读全" in visitors.page("/")


def test_what_is_not_there_is_an_empty_cell_and_every_cell_knows_its_heading(
    visitors: Visitors,
) -> None:
    visitors.device.collector.sources = [replace(health(), last_good=None, age=None)]
    text = visitors.page("/sources")
    assert '<td data-label="最近成功"></td>' in text  # left away on a narrow screen
    assert text.count("data-label=") == 7


def test_what_registers_did_besides_counting_is_told(visitors: Visitors) -> None:
    event = Event(826_000_000_000, Drop.REPLACED, Decimal("99812.50"), Decimal("3.00"))
    visitors.device.collector.happened = [ItemEvent("全厂用电", event)]
    seen = row_of(visitors.page("/sources"), "全厂用电")
    assert "换表或读数回退" in seen
    assert "99812.5 → 3" in seen


def test_what_somebody_should_look_at_stands_first(visitors: Visitors) -> None:
    visitors.device.collector.faults = ("[[item]] 全厂用电：没有名为 gate.x 的测点",)
    visitors.device.settings_fault = "设置文件 device.toml：未知的设置项 paltform"
    visitors.device.clock_offset = ClockOffset(75.0, NOW)
    told = re.findall(r'<p class="trouble">(.*?)</p>', visitors.page("/"))
    assert told == [
        "collection.toml：[[item]] 全厂用电：没有名为 gate.x 的测点",
        "device.toml：设置文件 device.toml：未知的设置项 paltform",
        "本机时钟比平台快 75 秒，请校准",
    ]


# --- completeness ---------------------------------------------------------------------------------


@pytest.fixture
def kept(visitors: Visitors) -> Visitors:
    """1 March whole, 2 March half, 3 March nothing, 4 March whole; today is the 10th."""
    store = visitors.world.store
    put(store, a_day(date(2026, 3, 1)), NOW, name="全厂用电")
    put(store, a_day(date(2026, 3, 2))[:48], NOW)
    put(store, a_day(date(2026, 3, 4)), NOW)
    put(store, a_day(date(2026, 3, 10))[:56], NOW)
    return visitors


def cells(text: str) -> list[tuple[str, str]]:
    """Class and text of the days' cells of the first item."""
    found = re.findall(r'<td class="(full|part|none|open)" title="[^"]*">(.*?)</td>', text)
    return [(kind, re.sub(r"<[^>]+>", "", content)) for kind, content in found]


def test_the_calendar_tells_whole_partial_missing_and_coming_days_apart(kept: Visitors) -> None:
    text = kept.page("/calendar")
    days = cells(text)
    assert len(days) == 31
    assert days[:4] == [("full", "100"), ("part", "50"), ("none", "0"), ("full", "100")]
    assert days[9] == ("open", "58")
    assert days[10:] == [("open", "")] * 21
    assert "2/9" in text


def test_another_month_can_be_looked_at_and_nonsense_shows_this_one(kept: Visitors) -> None:
    february = kept.page("/calendar?month=2026-02")
    assert cells(february) == [("none", "0")] * 28
    for odd in ("2026-13", "x", "0000-01", "2026-3"):
        assert "数据完整性 2026-03" in kept.page(f"/calendar?month={odd}")


def test_a_day_shows_every_tick_and_every_gap(kept: Visitors) -> None:
    text = kept.page(f"/calendar/{ELECTRICITY}/2026-03-02")
    assert text.count('<td class="number full">') == 48
    assert text.count('<td class="number none">') == 48
    assert "0.0001" in text
    assert "（不完整）" in text
    assert "24:00" in text


def test_an_hourly_item_is_whole_with_24_ticks(visitors: Visitors) -> None:
    day = date(2026, 3, 1)
    hourly = a_day(day)[3::4]
    put(visitors.world.store, hourly, NOW, interval=60)
    assert cells(visitors.page("/calendar"))[0] == ("full", "100")
    text = visitors.page(f"/calendar/{ELECTRICITY}/2026-03-01")
    assert text.count('<td class="number full">') == 24
    assert '<td class="number none">' not in text


def test_a_doubtful_tick_is_marked(visitors: Visitors) -> None:
    suspect = Reading(datetime(2026, 3, 1, 0, 15), Decimal(9), suspect=True)
    put(visitors.world.store, [suspect], NOW)
    text = visitors.page(f"/calendar/{ELECTRICITY}/2026-03-01")
    assert text.count('<td class="number part">') == 1


def test_a_day_of_long_ago_is_told_by_its_total(kept: Visitors) -> None:
    store = kept.world.store
    with store.write() as connection:
        found = history.find_item(connection, ELECTRICITY)
        assert found is not None
        connection.execute("UPDATE day SET ticks = NULL")
        rows = history.day_rows(connection, found, date(2026, 3, 1), date(2026, 3, 3))
    today = NOW.date()
    assert standing_of(rows[0], rows[0].day, today) == ("full", "✓")
    assert standing_of(rows[1], rows[1].day, today) == ("part", "缺")
    assert "没有保存这一天的读数" in kept.page(f"/calendar/{ELECTRICITY}/2026-03-01")


# --- certificate and log --------------------------------------------------------------------------


def test_the_certificate_page_names_the_unit_and_the_days_left(visitors: Visitors) -> None:
    text = visitors.page("/certificate")
    unit = visitors.world.home.unit()
    assert unit.code in text
    assert unit.name in text
    assert "尚未生效" in text  # the test's now lies before the certificate's beginning
    assert "https://platform.test:9443" in text


def test_the_log_page_shows_the_last_lines_by_level(visitors: Visitors) -> None:
    tail: LogTail = visitors.tail
    before = structlog.get_config()
    tail.install()
    try:
        structlog.get_logger().info("等待", until="<x>")
        structlog.get_logger().warning("采集来源故障", source="gate")
    finally:
        tail.remove()
        structlog.configure(**before)
    text = visitors.page("/log")
    assert text.index("采集来源故障 source=gate") < text.index("等待 until=&lt;x&gt;")
    assert "等待 until" not in visitors.page("/log?level=warning")
