"""Dialogs (对话框): ask before something is destroyed, show a secret once, ask for a text."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import ui

from nenghao.console.parts import text


async def confirm(
    title: str,
    explanation: str,
    act: str = "确定",
    *,
    danger: bool = False,
    typed: str | None = None,
) -> bool:
    """Whether the operator wants it. With `typed`, that text must be typed in before.

    Escape and a click beside it mean no.
    """
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        text(title, "h2")
        text(explanation, "p").style("white-space:pre-line")
        field = ui.input(label=f"请输入“{typed}”以确认") if typed is not None else None
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(False)).props("flat autofocus")
            go = ui.button(act, on_click=lambda: dialog.submit(True))
            go.props("color=negative" if danger else "")
        if field is not None:
            go.bind_enabled_from(field, "value", lambda value: (value or "").strip() == typed)
    dialog.props(f'aria-label="{_quoted(title)}"')
    answer = await dialog
    gone(dialog)
    return answer is True


async def show_once(title: str, secrets: Mapping[str, str], word: str) -> None:
    """Show what will not be shown again, until the operator says that it has been kept."""
    with ui.dialog().props("persistent") as dialog, ui.card().classes("dialog"):
        text(title, "h2")
        for name, value in secrets.items():
            ui.input(label=name, value=value).props("readonly outlined").classes("secret")
        text(word, "p", "notice warn")
        with ui.element("div").classes("toolbar right"):
            ui.button("已妥善保存，关闭", on_click=lambda: dialog.submit(True))
    await dialog
    dialog.clear()
    gone(dialog)


async def ask_text(
    title: str, label: str, value: str = "", act: str = "确定", *, most: int = 200
) -> str | None:
    """A text from the operator; None when it was called off."""
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        text(title, "h2")
        field = ui.input(label=label, value=value).props(f"autofocus outlined maxlength={most}")
        field.on("keydown.enter", lambda: dialog.submit(field.value))
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(None)).props("flat")
            ui.button(act, on_click=lambda: dialog.submit(field.value))
    answer = await dialog
    gone(dialog)
    return None if answer is None else str(answer).strip()


def gone(dialog: ui.dialog) -> None:
    """Take a dialog away; its page may have gone before."""
    if not dialog.is_deleted:
        dialog.delete()


def _quoted(value: str) -> str:
    return value.replace("\\", "/").replace('"', "”")
