"""A unit's curves (曲线): one item over time, compared, with what is missing or invalid marked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from nicegui import ui

from nenghao.console.charts import BAD, COLOURS, DULL, Chart, chart
from nenghao.console.parts import empty, facts, text
from nenghao.console.state import State
from nenghao.console.views import unit_curves, unit_items, unit_values
from nenghao.console.views.unit_basics import Head
from nenghao.console.views.unit_curves import Against, Asked, Curve, Span
from nenghao.console.views.unit_items import Item
from nenghao.console.views.unit_totals import SOURCE_NAMES, SOURCES
from nenghao.console.visit import Visit
from nenghao.console.work import Progress, with_progress
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.standard.periods import StatType
from nenghao.standard.replies import DatabaseFault

KINDS: Final = {"tick": StatType.REALTIME, "day": StatType.DAY, "month": StatType.MONTH}
KIND_NAMES: Final = {"tick": "15 分钟", "day": "日", "month": "月"}
_DEFAULT_DAYS: Final = {"tick": 7, "day": 31, "month": 730}
_TIMES: Final = {
    "year": "{yyyy}", "month": "{yyyy}-{MM}", "day": "{MM}-{dd}", "hour": "{HH}:{mm}",
    "minute": "{HH}:{mm}", "second": "{HH}:{mm}", "none": "{yyyy}-{MM}-{dd} {HH}:{mm}",
}  # fmt: skip
"""How ECharts writes times on an axis: digits in every language."""
Search = Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class Choice:
    """What the address asks for."""

    kind: str
    begin: date
    end: date
    source: str
    against: Against

    @classmethod
    def of(cls, state: State, now: datetime, usual: str) -> Choice:
        """The address, with the last days of the usual kind where it names none."""
        kind = state.choice("kind", tuple(KINDS), usual)
        end = state.day("to", now.date())
        begin = state.day("from", end - timedelta(days=_DEFAULT_DAYS[kind] - 1))
        against = state.choice("against", tuple(one.value for one in Against), "")
        source = state.choice("source", tuple(SOURCES), "online")
        return cls(kind, begin, end, source, Against(against))

    def asked(self, unit_id: int, data_code: str) -> Asked:
        """The same as the view wants it."""
        span = Span.of(KINDS[self.kind], self.begin, self.end)
        return Asked(unit_id, data_code, SOURCES[self.source], span, self.against)


@dataclass(frozen=True)
class Offered:
    """What there is to choose from."""

    items: dict[str, Item]
    sent: dict[StatType, set[str]]
    """The data codes that came lately, by kind."""

    @property
    def usual(self) -> str:
        """The finest kind of values that the unit sends."""
        return next((key for key, kind in KINDS.items() if self.sent.get(kind)), "tick")

    def chosen(self, state: State, now: datetime) -> tuple[Item, Choice]:
        """What the address asks for; else the first item that has values of its kind."""
        choice = Choice.of(state, now, self.usual)
        sent = self.sent.get(KINDS[choice.kind], set())
        first = next((code for code in self.items if code in sent), next(iter(self.items)))
        return self.items.get(state.text("item")) or self.items[first], choice


async def curves(visit: Visit, state: State, head: Head) -> None:
    """Choose an item and a range; its curve, what is wrong in it, and the values as a file."""
    items, sent = await visit.ask(
        Act.DATA_READ,
        lambda conn: (
            unit_items.items(conn, head.unit_id),
            unit_items.sent_lately(conn, head.unit_id),
        ),
        unit=head.code,
    )
    if not items:
        empty("没有数据项：端设备上传基础信息或数据后，这里显示曲线。")
        return
    offered = Offered({item.data_code: item for item in items}, sent)
    bar = ui.element("div").classes("toolbar")
    words = ui.element("div").props("aria-live=polite")
    place = ui.element("div").classes("card")
    downloads = ui.element("div").classes("toolbar right")

    async def draw() -> None:
        now = visit.now()
        item, choice = offered.chosen(state, now)
        asked = choice.asked(head.unit_id, item.data_code)
        curve = await visit.do(
            Act.DATA_READ, lambda store, _: _read(store, asked, now), head.code, (DatabaseFault,)
        )
        words.clear()
        with words:
            _words(item, choice, curve)
        place.clear()
        with place:
            _shown(item, choice, curve)

    async def search(**changes: object) -> None:
        state.set(**changes)
        await draw()

    with bar:
        _controls(visit, state, offered, search)
    with downloads:
        for label, suffix in (("下载 Excel", ".xlsx"), ("下载 CSV", ".csv")):
            _download(visit, state, head, offered, label, suffix)
    await draw()


def _read(store: Store, asked: Asked, now: datetime) -> Curve:
    with store.read() as conn:
        return unit_curves.curve(conn, asked, now)


def _controls(visit: Visit, state: State, offered: Offered, search: Search) -> None:
    item, choice = offered.chosen(state, visit.now())
    names = {code: f"{item.name}（{code}）" for code, item in offered.items.items()}
    field = ui.select(names, label="数据项", value=item.data_code, with_input=True)
    field.classes("grow").style("min-width:min(24rem, 80vw)")
    field.on_value_change(lambda event: search(item=event.value))
    kind = ui.select(KIND_NAMES, label="频率", value=choice.kind)
    begin = ui.input(label="自", value=choice.begin.isoformat()).props("type=date stack-label")
    end = ui.input(label="至", value=choice.end.isoformat()).props("type=date stack-label")

    async def other_kind(value: str) -> None:
        last = choice.end if not end.value else date.fromisoformat(str(end.value))
        first = last - timedelta(days=_DEFAULT_DAYS[value] - 1)
        begin.value = first.isoformat()
        await search(kind=value, **{"from": first.isoformat(), "to": last.isoformat()})

    kind.on_value_change(lambda event: other_kind(event.value))
    for one, key in ((begin, "from"), (end, "to")):
        one.on("change", lambda _, one=one, key=key: search(**{key: one.value}))
    against = ui.select(
        {one.value: one.label for one in Against}, label="比较", value=choice.against.value
    )
    against.on_value_change(lambda event: search(against=event.value))
    source = ui.select(SOURCE_NAMES, label="数据来源", value=choice.source)
    source.on_value_change(lambda event: search(source=event.value))


def _words(item: Item, choice: Choice, curve: Curve) -> None:
    """What the chart shows, in words and numbers."""
    unit = f" {item.unit}" if item.unit else ""
    low, high = (
        "—" if one is None else unit_items.plain(one) + unit for one in (curve.low, curve.high)
    )
    facts(
        {
            "数据项": item.name,
            "周期数": f"{curve.periods}（应有 {curve.due}）",
            "已有": f"{curve.present} 个",
            "缺失": f"{curve.missing_count} 个",
            "无效": f"{curve.invalid_count} 个",
            "最小～最大": f"{low} ～ {high}",
        }
    )
    said = ["灰色区域为缺失，红色菱形为无效值；下方滑块可缩放。"]
    if curve.thinned:
        said.append("点数较多，已抽取各时段的最小值和最大值。")
    if choice.against is Against.WEEK and choice.kind == "month":
        said.append("月数据不与上周比较。")
    if len(curve.missing) >= unit_curves.MOST_MARKS or curve.invalid_count > len(curve.invalid):
        said.append(f"缺失和无效各只标出前 {unit_curves.MOST_MARKS} 处。")
    text("".join(said), "p", "dull")


def _shown(item: Item, choice: Choice, curve: Curve) -> Chart:
    if not curve.present and not curve.compared:
        word = "所选时段没有数据：换一段时间、频率或数据来源。"
        return chart({}, item.name, empty=word)
    label = f"{item.name}，{KIND_NAMES[choice.kind]}，{choice.begin} 至 {choice.end}"
    return chart(options(item.unit, choice.against, curve), label, height="420px")


def options(unit: str, against: Against, curve: Curve) -> dict[str, Any]:
    """The chart: the line, the one it is compared with, invalid points, missing stretches."""
    line = {"type": "line", "showSymbol": len(curve.points) < 100, "symbolSize": 4}
    missing = [[{"xAxis": first}, {"xAxis": last}] for first, last in curve.missing]
    series: list[dict[str, Any]] = [
        {
            **line,
            "name": "本期",
            "data": curve.points,
            "markArea": {
                "silent": True,
                "itemStyle": {"color": DULL, "opacity": 0.22},
                "data": missing,
            },
        }
    ]
    if curve.compared:
        dashed = {"lineStyle": {"type": "dashed", "width": 1}, "itemStyle": {"color": COLOURS[2]}}
        series.append({**line, **dashed, "name": against.label, "data": curve.compared})
    if curve.invalid:
        series.append(
            {
                "type": "scatter",
                "name": "无效值",
                "symbol": "diamond",
                "symbolSize": 11,
                "itemStyle": {"color": BAD},
                "data": curve.invalid,
            }
        )
    return {
        "legend": {"top": 0},
        "grid": {"left": 8, "right": 24, "top": 60, "bottom": 56, "containLabel": True},
        "xAxis": {"type": "time", "axisLabel": {"formatter": _TIMES, "hideOverlap": True}},
        "yAxis": {"type": "value", "name": unit, "scale": True},
        "dataZoom": [{"type": "inside"}, {"type": "slider", "bottom": 8, "height": 24}],
        "series": series,
    }


def _download(
    visit: Visit, state: State, head: Head, offered: Offered, label: str, suffix: str
) -> None:
    async def offer() -> None:
        item, choice = offered.chosen(state, visit.now())
        asked = choice.asked(head.unit_id, item.data_code)

        def write(store: Store, now: datetime, progress: Progress) -> bytes:
            def told(done: int, total: int) -> None:
                progress.at(done, total, "读取数据")

            with store.read() as conn:
                return unit_values.export(conn, asked, item.name, item.unit, suffix, told)

        content = await with_progress(
            visit, "导出数据", Act.DATA_READ, write, head.code, (DatabaseFault,)
        )
        span = f"{asked.span.begin:%Y%m%d}-{asked.span.end:%Y%m%d}"
        visit.download(f"{head.code}-{item.data_code}-{choice.kind}-{span}{suffix}", content)

    ui.button(label, icon="download", on_click=offer).props("outline no-caps")
