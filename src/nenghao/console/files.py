"""Files that an operator hands in (上传文件): read whole, bounded in size, given to the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import PurePath

from nicegui import ui
from nicegui.events import UploadEventArguments

from nenghao.console.visit import Shown, Visit


def upload(
    visit: Visit,
    label: str,
    suffixes: tuple[str, ...],
    on_file: Callable[[str, bytes], Awaitable[None]],
    most_mb: int = 20,
) -> ui.upload:
    """A field for one file of these kinds; `on_file(name, content)` gets it."""

    async def given(event: UploadEventArguments) -> None:
        name = PurePath(event.file.name).name
        try:
            if not name.lower().endswith(suffixes):
                visit.refuse(f"只接受 {'、'.join(suffixes)} 文件，收到 {name}")
                raise Shown
            await on_file(name, await event.file.read())
        finally:
            made.reset()

    def too_large() -> None:
        visit.refuse(f"文件超过 {most_mb} MB，或不是 {'、'.join(suffixes)} 文件")

    made = ui.upload(
        label=label,
        on_upload=given,
        on_rejected=too_large,
        max_file_size=most_mb * 1_000_000,
        max_files=1,
        auto_upload=True,
    )
    return made.props(f'accept="{",".join(suffixes)}" flat bordered')
