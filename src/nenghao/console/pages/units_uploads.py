"""What came from a unit (上传、提示): receipts, refused uploads with their words, advice."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from nenghao.console.listing import Column, Listing, Page, Row, Rows, listing
from nenghao.console.parts import section, text
from nenghao.console.state import State
from nenghao.console.views import unit_uploads as view
from nenghao.console.views.unit_basics import Head
from nenghao.console.visit import Visit
from nenghao.platform import journal
from nenghao.platform.chain import JournalDamaged
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store


async def uploads(visit: Visit, state: State, head: Head) -> None:
    """Accepted uploads with what became of them, and refused ones with the words they got."""
    act = Act.DATA_READ if visit.may(Act.DATA_READ, head.code) else Act.JOURNAL_READ
    with section("已接收的上传"):
        kinds = {"": "全部", **view.KINDS}
        field = ui.select(kinds, label="种类", value=state.choice("kind", tuple(kinds), ""))
        field.style("max-width:14rem")
        receipts = await _receipts(visit, state, head, act)

        async def search(kind: str) -> None:
            state.set(kind=kind)
            await receipts.refresh(first=True)

        field.on_value_change(lambda event: search(event.value))
    if act is Act.DATA_READ:
        with section("被拒绝的上传"):
            text("原因即返回给端设备的文字。", "p", "dull")
            await _refused(visit, state, head)


async def _receipts(visit: Visit, state: State, head: Head, act: Act) -> Listing:
    kinds = ("", *view.KINDS)

    async def fetch(asked: Page) -> Rows:
        kind = state.choice("kind", kinds, "")
        found = await visit.ask(
            act,
            lambda conn: view.receipts(conn, head.unit_id, kind, asked.size, asked.offset),
            unit=head.code,
        )
        return Rows([_receipt_row(one) for one in found.rows], found.total)

    async def save(row: Row) -> None:
        number = int(str(row["number"]))
        content = await _body(visit, head, number, refused=False)
        visit.download(f"{head.code}-{number}.json", content)

    may = visit.may(Act.DATA_READ, head.code)
    return await listing(
        visit,
        state,
        (
            Column("at", "接收时间"),
            Column("number", "编号", number=True),
            Column("kind", "种类"),
            Column("device", "端设备"),
            Column("covers", "周期"),
            Column("records", "记录数", number=True),
            Column("result", "结果"),
            Column("size", "字节", number=True),
            Column("address", "来源地址", code=True),
        ),
        fetch,
        "还没有收到上传。端设备在上报时间点上传后显示在这里。",
        "已接收的上传",
        actions=(lambda row: [("下载原文", save)] if row["kept"] else []) if may else None,
        prefix="r",
    )


async def _refused(visit: Visit, state: State, head: Head) -> None:
    async def fetch(asked: Page) -> Rows:
        found = await visit.ask(
            Act.DATA_READ,
            lambda conn: view.refused(conn, head.unit_id, asked.size, asked.offset),
            unit=head.code,
        )
        return Rows([_refused_row(one) for one in found.rows], found.total)

    async def save(row: Row) -> None:
        number = int(str(row["number"]))
        content = await _body(visit, head, number, refused=True)
        visit.download(f"{head.code}-refused-{number}.json", content)

    await listing(
        visit,
        state,
        (
            Column("at", "接收时间"),
            Column("interface", "接口"),
            Column("device", "端设备"),
            Column("code", "返回码", badge=lambda row: "bad"),
            Column("text", "原因"),
            Column("size", "字节", number=True),
            Column("address", "来源地址", code=True),
        ),
        fetch,
        "没有被拒绝的上传。",
        "被拒绝的上传",
        actions=lambda row: [("下载原文", save)] if row["kept"] else [],
        prefix="x",
    )


async def _body(visit: Visit, head: Head, number: int, *, refused: bool) -> bytes:
    def read(store: Store, now: datetime) -> bytes:
        take = journal.refused_body if refused else journal.body_of
        with store.read() as conn:
            try:
                return take(conn, head.unit_id, number)
            except LookupError:
                raise Gone(f"编号 {number} 的原文已不在") from None
            except JournalDamaged as error:
                raise Gone(f"编号 {number} 的原文已损坏：{error}") from error

    return await visit.do(Act.DATA_READ, read, head.code, (Gone,))


class Gone(Exception):
    """The body cannot be handed out; the text says why."""


async def findings(visit: Visit, state: State, head: Head) -> None:
    """What is odd about accepted data: by kind and subject, with how often and since when."""
    kinds = await visit.ask(
        Act.DATA_READ, lambda conn: view.finding_kinds(conn, head.unit_id), unit=head.code
    )
    options = {"": "全部", **kinds}
    field = ui.select(options, label="类别", value=state.choice("kind", tuple(options), ""))
    field.style("max-width:22rem")

    async def fetch(asked: Page) -> Rows:
        kind = state.choice("kind", tuple(options), "")
        found = await visit.ask(
            Act.DATA_READ,
            lambda conn: view.findings(conn, head.unit_id, kind, asked.size, asked.offset),
            unit=head.code,
        )
        return Rows([_finding_row(one) for one in found.rows], found.total)

    shown = await listing(
        visit,
        state,
        (
            Column("last_at", "最近"),
            Column("label", "类别", badge=lambda row: "warn"),
            Column("name", "对象"),
            Column("subject", "编码", code=True),
            Column("times", "次数", number=True),
            Column("first_at", "首次"),
            Column("detail", "说明"),
        ),
        fetch,
        "没有提示：已接收的数据没有异常。",
        "提示列表",
    )

    async def search(kind: str) -> None:
        state.set(kind=kind)
        await shown.refresh(first=True)

    field.on_value_change(lambda event: search(event.value))


def _receipt_row(one: view.ReceiptRow) -> Row:
    return {
        "at": f"{one.received_at:%Y-%m-%d %H:%M}",
        "number": one.number,
        "kind": one.kind,
        "device": one.device,
        "covers": one.covers or "—",
        "records": one.records,
        "result": one.result or "—",
        "size": one.size,
        "address": one.address or "—",
        "kept": int(one.kept),
    }


def _refused_row(one: view.RefusedRow) -> Row:
    return {
        "at": f"{one.received_at:%Y-%m-%d %H:%M}",
        "number": one.number,
        "interface": one.interface,
        "device": f"{one.device} 号",
        "code": one.code,
        "text": one.text,
        "size": one.size,
        "address": one.address,
        "kept": int(one.kept),
    }


def _finding_row(one: view.FindingRow) -> Row:
    return {
        "last_at": f"{one.last_at:%Y-%m-%d %H:%M}",
        "label": one.label,
        "name": one.name or "—",
        "subject": one.subject,
        "times": one.times,
        "first_at": f"{one.first_at:%Y-%m-%d %H:%M}",
        "detail": one.detail,
    }
