"""Charts (图表): ECharts with the console's colours, in light and dark, with words for readers.

Options are plain ECharts options without functions: no code goes to the browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nicegui import ui
from nicegui.events import EChartPointClickEventArguments

COLOURS: Final = ("#2f7fb8", "#3a9d6e", "#d08a1d", "#8a63b8", "#c4563f", "#3aa3a8", "#8a8f3c")
GOOD, WARN, BAD, DULL = "#3a9d6e", "#d08a1d", "#c4463a", "#8894a0"
INK: Final = "#7b8894"
"""Of axes and legends: readable on light and dark ground."""
_LINE: Final = "rgba(128,140,152,.25)"


class Chart:
    """A chart that can be shown anew."""

    def __init__(self, element: ui.echart | None) -> None:
        self._element = element

    def show(self, options: dict[str, Any]) -> None:
        """Other data in the same place."""
        if self._element is not None:
            self._element.options.clear()
            self._element.options.update(themed(options))
            self._element.update()


def chart(
    options: dict[str, Any],
    label: str,
    height: str = "320px",
    on_click: Callable[[EChartPointClickEventArguments], Any] | None = None,
    empty: str | None = None,
) -> Chart:
    """Show a chart; `label` says in words what it shows, `empty` why there is none."""
    if empty is not None:
        ui.label(empty).classes("empty")
        return Chart(None)
    made = ui.echart(themed(options), on_point_click=on_click)
    made.classes("chart").style(f"height:{height}").props(f'role=img aria-label="{quoted(label)}"')
    return Chart(made)


def themed(options: dict[str, Any]) -> dict[str, Any]:
    """The options with the console's colours and type where they name none."""
    made = {
        "color": list(COLOURS),
        "textStyle": {"color": INK, "fontFamily": "inherit"},
        "animation": False,
        "aria": {"enabled": True},
        **options,
    }
    made["grid"] = made.get("grid") or {
        "left": 8, "right": 16, "top": 40, "bottom": 8, "containLabel": True,
    }  # fmt: skip
    if "legend" in made:
        made["legend"] = {"textStyle": {"color": INK}, "type": "scroll", **made["legend"]}
    for axis in ("xAxis", "yAxis"):
        if axis in made:
            given = made[axis] if isinstance(made[axis], list) else [made[axis]]
            made[axis] = [_axis(one) for one in given]
    made.setdefault("tooltip", {"trigger": "axis", "confine": True})
    return made


def _axis(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "nameTextStyle": {"color": INK},
        "axisLine": {"lineStyle": {"color": INK}},
        "splitLine": {"lineStyle": {"color": _LINE}},
        **given,
        "axisLabel": {"color": INK, **given.get("axisLabel", {})},
    }


def quoted(label: str) -> str:
    """A text that may stand in a property's quotation marks."""
    return label.replace("\\", "/").replace('"', "”")
