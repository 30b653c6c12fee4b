"""The queue (上传队列): what waits, what was refused and why; pause, send, retry, discard."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from nenghao.device import outbox
from nenghao.device.outbox import Batch, BatchState
from nenghao.device.web import layout
from nenghao.device.web.desk import Desk
from nenghao.device.web.html import Markup, tag
from nenghao.device.web.layout import Tone
from nenghao.device.web.visit import Moved, Page, Visit

MOST: Final = 200
"""Batches listed; a longer queue says how many more there are."""

_STATES: Final[dict[BatchState, tuple[str, Tone]]] = {
    BatchState.QUEUED: ("等待", "warn"),
    BatchState.REFUSED: ("被拒收", "bad"),
    BatchState.ACCEPTED: ("已接收", "good"),
    BatchState.DISCARDED: ("不再上传", "dull"),
}
_RECORD: Final = re.compile(r"data\[([0-9]{1,6})\]")


def show(desk: Desk, visit: Visit) -> Page:
    """The session's state, the buttons, and every batch that is not done with."""
    with desk.store.read() as connection:
        waiting = outbox.waiting(connection)
        counts = outbox.counts(connection)
    rows = [_row(visit, batch) for batch in waiting[:MOST]]
    columns = ("编号", "数据日期", "状态", "次数", "记录", "生成时间", "最近一次失败", "")
    more = len(waiting) - MOST
    is_known = desk.upload_state().registration is not None
    reason = "到期的数据都已被平台接收" if is_known else "端设备尚未在平台注册"
    body = tag(
        "div",
        _state(desk, counts),
        _buttons(desk, visit),
        layout.table(columns, rows, empty=f"队列是空的：{reason}"),
        tag("p", f"另有 {more} 个批次未列出") if more > 0 else None,
    )
    return Page("上传队列", body, refresh=True)


def _state(desk: Desk, counts: dict[BatchState, int]) -> Markup:
    state = desk.upload_state()
    given = state.registration
    troubles = [tag("p", text, class_="trouble") for text in state.troubles]
    return tag(
        "div",
        tag("p", "上传已暂停：采集照常进行，批次留在队列中。", class_="trouble")
        if desk.running.is_paused()
        else None,
        layout.facts(
            {
                "设备序列号": given.device_id if given else "尚未注册",
                "上报时间点": given.upload_time if given else "",
                "上次上传": layout.time_text(state.last_upload),
                "下次上传": layout.time_text(state.next_upload),
                "最近版本校验": layout.time_text(state.last_version_check),
                "等待 / 被拒收 / 已接收": " / ".join(
                    str(counts[one])
                    for one in (BatchState.QUEUED, BatchState.REFUSED, BatchState.ACCEPTED)
                ),
            }
        ),
        [tag("h2", "上次未成功"), troubles] if troubles else None,
    )


def _buttons(desk: Desk, visit: Visit) -> Markup:
    pausing = (
        layout.button("/queue/resume", visit.token, "恢复上传")
        if desk.running.is_paused()
        else layout.button("/queue/pause", visit.token, "暂停上传")
    )
    sending = layout.button("/queue/send", visit.token, "立即上传")
    return tag("p", pausing, None if desk.running.is_paused() else sending)


def _row(visit: Visit, batch: Batch) -> list[object]:
    buttons = _decisions(visit, batch) if batch.state is BatchState.REFUSED else None
    return [
        layout.link(str(batch.id), f"/queue/{batch.id}"),
        layout.when(batch.day),
        layout.label(*_STATES[batch.state]),
        layout.number(batch.attempts),
        layout.number(batch.records),
        layout.when(batch.created_at),
        _short(batch.reason or batch.last_error),
        buttons,
    ]


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


def _decisions(visit: Visit, batch: Batch) -> Markup:
    place = f"/queue/{batch.id}"
    question = f"不再上传编号 {batch.id}（{batch.day}）的 {batch.records} 条记录？"
    leave = tag("button", "不再上传", type="submit", class_="quiet", data_confirm=question)
    return tag(
        "div",
        layout.button(f"{place}/retry", visit.token, "重新上传"),
        layout.form(f"{place}/discard", visit.token, leave, class_="inline"),
    )


def show_batch(desk: Desk, visit: Visit) -> Page:
    """One batch; of a refused one the platform's words and the records that they name."""
    number = int(visit.path["number"])
    with desk.store.read() as connection:
        batch = outbox.get(connection, number)
        said = "" if batch is None else batch.reason or batch.last_error
        places = {int(place) for place in _RECORD.findall(said)}
        records = outbox.records(connection, number, places)
    if batch is None:
        return Page("没有这个批次", tag("p", layout.link("回到队列", "/queue")), status=404)
    known = layout.facts(
        {
            "数据日期": batch.day,
            "状态": layout.label(*_STATES[batch.state]),
            "记录": str(batch.records),
            "大小": f"{batch.size} 字节",
            "生成时间": batch.created_at,
            "上传时间戳 uploadDate": batch.upload_date,
            "上传次数": str(batch.attempts),
            "最近一次上传": batch.last_attempt_at or "",
        }
    )
    body = tag(
        "div",
        known,
        [tag("h2", "平台的答复" if batch.attempts else "原因"), tag("pre", said)] if said else None,
        _decisions(visit, batch) if batch.state is BatchState.REFUSED else None,
        _named(records),
        tag("p", layout.link("回到队列", "/queue")),
    )
    return Page(f"批次 {batch.id}", body)


def _named(records: dict[int, bytes]) -> Markup | None:
    """The records that a reason names as data[17], as they were sent."""
    rows = [
        [tag("span", f"data[{place}]", class_="code"), tag("code", _pretty(record))]
        for place, record in records.items()
    ]
    if not rows:
        return None
    return tag("div", tag("h2", "涉及的记录"), layout.table(("位置", "内容"), rows))


def _pretty(record: bytes) -> str:
    return msgspec.json.format(record, indent=0).decode()


def pause(desk: Desk, visit: Visit) -> Moved:
    """Send nothing until resumed; collecting goes on."""
    desk.running.pause()
    return Moved("/queue", "上传已暂停")


def resume(desk: Desk, visit: Visit) -> Moved:
    """Send again, at the next upload time."""
    desk.running.resume()
    return Moved("/queue", "上传已恢复")


def send(desk: Desk, visit: Visit) -> Moved:
    """An upload occasion now."""
    if desk.running.is_paused():
        return Moved("/queue", "上传已暂停，请先恢复")
    desk.running.send_now()
    return Moved("/queue", "已开始上传，结果稍后显示在本页")


def retry(desk: Desk, visit: Visit) -> Moved:
    """Queue a refused batch again."""
    number = int(visit.path["number"])
    with desk.store.write() as connection:
        done = outbox.retry(connection, number)
    text = f"批次 {number} 已重新放入队列" if done else f"批次 {number} 不是被拒收的批次"
    return Moved("/queue", text)


def discard(desk: Desk, visit: Visit) -> Moved:
    """Take a refused batch out of the queue; it stays on file."""
    number = int(visit.path["number"])
    with desk.store.write() as connection:
        done = outbox.discard(connection, number, visit.now)
    text = f"批次 {number} 不再上传" if done else f"批次 {number} 不是被拒收的批次"
    return Moved("/queue", text)
