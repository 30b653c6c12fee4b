"""Revoking (吊销): one certificate or all of a unit's, with a reason, the name typed in before."""

from __future__ import annotations

from datetime import datetime

from nicegui import ui

from nenghao.console.listing import Row
from nenghao.console.parts import facts, text
from nenghao.console.visit import Visit
from nenghao.platform import issuing
from nenghao.platform.issuing import Revoked
from nenghao.platform.permissions import Act
from nenghao.platform.store.engine import Store
from nenghao.security.authority import AuthorityError

ONE, ALL = "one", "all"
EXPLANATION = (
    "从下一个请求起，平台不再接受被吊销的证书；吊销不能撤回，端设备要重新领取证书才能上传。"
    "密钥可能已泄露时，请吊销该单位的全部证书。"
)


async def revoke(visit: Visit, row: Row) -> bool:
    """Ask, then do it; whether it was done."""
    asked = await _asked(row)
    if asked is None:
        return False
    what, reason = asked
    whole = what == ALL

    def change(store: Store, now: datetime) -> tuple[Revoked, str]:
        with store.write() as conn:
            done = issuing.revoke(
                conn,
                now,
                serial="" if whole else str(row["serial"]),
                code=str(row["credit_code"]) if whole else "",
                reason=reason,
            )
        return done, issuing.published(visit.home, store, now)

    done, unpublished = await visit.do(Act.CERTIFICATES_EDIT, change, refusals=(AuthorityError,))
    visit.say(f"已吊销 {len(done.gone)} 份证书" if done.gone else "没有仍有效的证书需要吊销")
    if unpublished:
        visit.warn(
            f"吊销已生效，但吊销列表未能更新：{unpublished}。"
            "请在平台所在的机器上运行 nenghao ca crl"
        )
    if not whole and done.others:
        visit.warn(f"该端设备另有 {done.others} 份有效证书；密钥若已泄露，请全部吊销")
    return True


async def _asked(row: Row) -> tuple[str, str] | None:
    """What to revoke and why; None when it was called off."""
    name = str(row["name"])
    with ui.dialog() as dialog, ui.card().classes("dialog"):
        text("吊销证书", "h2")
        facts(
            {
                "名称": name,
                "统一社会信用代码": row["credit_code"],
                "端设备": row["device"],
                "序列号": row["serial"],
                "有效至": row["not_after"],
            }
        )
        text(EXPLANATION, "p")
        options = {ONE: "只吊销这一份", ALL: "吊销该单位的全部证书和未用的注册码"}
        what = ui.radio(options, value=ONE).props('aria-label="吊销范围"')
        reason = ui.input(label="原因（写入审计记录）").props("outlined dense maxlength=200")
        typed = ui.input(label="请输入上面的名称以确认").props("outlined dense")
        with ui.element("div").classes("toolbar right"):
            ui.button("取消", on_click=lambda: dialog.submit(None)).props("flat")
            go = ui.button(
                "吊销", on_click=lambda: dialog.submit((what.value, (reason.value or "").strip()))
            ).props("color=negative")
        go.set_enabled(False)

        def look() -> None:
            same = (typed.value or "").strip() == name.strip()
            go.set_enabled(same and bool((reason.value or "").strip()))

        typed.on_value_change(look)
        reason.on_value_change(look)
    dialog.props('aria-label="吊销证书"')
    answer = await dialog
    dialog.delete()
    return answer if isinstance(answer, tuple) else None
