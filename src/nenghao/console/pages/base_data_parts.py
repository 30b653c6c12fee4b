"""Parts that the pages of base data share: a difference, and how many devices have a version."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from nenghao.console.charts import quoted
from nenghao.console.parts import notice, plain_table, text
from nenghao.console.views.base_data_draft import MOST_SHOWN, Differing, Lines


def show_difference(made: Differing) -> None:
    """The rows that come, change and go; the first of each, and how many there are."""
    _part("新增", made.labels, made.added)
    _part("修改", ["行", "改动"], made.changed)
    _part("删除", made.labels, made.removed)
    if not (made.added.total or made.changed.total or made.removed.total):
        text("各行相同，只有顺序或写法改变。", "p", "dull")


def _part(name: str, head: Sequence[str], lines: Lines) -> None:
    if not lines.total:
        return
    with ui.expansion(f"{name} {lines.total:,} 行", value=len(lines.rows) <= 20):
        plain_table(head, lines.rows)
        if lines.total > len(lines.rows):
            text(f"只列出前 {MOST_SHOWN} 行，共 {lines.total:,} 行。", "p", "dull")


def show_stale(made: Differing) -> None:
    """Rows in draft that somebody else has changed meanwhile."""
    if made.stale:
        named = "；".join(made.stale[:10]) + ("等" if len(made.stale) > 10 else "")
        notice(
            f"{len(made.stale)} 行在起草之后已被改动，须放弃或重新修改后才能生效：{named}", "bad"
        )
    for remark in made.remarks:
        notice(remark, "warn")


def share_bar(devices: int, of: int, share: float | None) -> None:
    """How many devices have a version, as a bar and in words."""
    if share is None:
        text("没有端设备", "span", "dull")
        return
    words = f"{devices:,} / {of:,} 台（{share:.1%}）"
    bar = ui.linear_progress(value=share, show_value=False, size="8px")
    bar.props(f'color={"positive" if share == 1 else "primary"} aria-label="{quoted(words)}"')
    text(words, "span")
