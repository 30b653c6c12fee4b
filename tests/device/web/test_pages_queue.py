"""The queue can be seen, held, sent and decided about; a refusal shows the platform's words."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from nenghao.device import outbox
from nenghao.device.outbox import BatchState
from tests.device.agents import on_data, once
from tests.device.web.desks import Browser, Visitors
from tests.device.world import DOWN, ELECTRICITY, put_days, refusal

WORDS = (
    "请求参数异常，参数格式不合法：data[3].dataCode <b>未知</b>；data[96].statDate 应为 "
    'YYYY-MM-DD HH:MM:SS，收到 "2026/11/21"；data[999].scope 应为 1 至 4'
)


@pytest.fixture
def refused(visitors: Visitors) -> Visitors:
    """A device with one refused batch, number 1, of 1 March."""
    world = visitors.world
    put_days(world.store, date(2026, 3, 1), 1, datetime(2026, 3, 2))
    world.platform.trouble = on_data(refusal("E2002", WORDS))
    once(world, datetime(2026, 3, 2, 1, 5))
    return visitors


def state(visitors: Visitors, number: int = 1) -> BatchState:
    with visitors.world.store.read() as connection:
        batch = outbox.get(connection, number)
    assert batch is not None
    return batch.state


def test_an_empty_queue_says_whether_all_is_sent_or_nothing_has_begun(visitors: Visitors) -> None:
    assert "队列是空的：端设备尚未在平台注册" in visitors.page("/queue")
    once(visitors.world, datetime(2026, 3, 2, 1, 5))
    assert "队列是空的：到期的数据都已被平台接收" in visitors.page("/queue")


def test_a_refused_batch_is_shown_with_the_platforms_words_as_text(refused: Visitors) -> None:
    text = refused.page("/queue/1")
    assert "被拒收" in text
    assert "data[3].dataCode &lt;b&gt;未知&lt;/b&gt;" in text
    assert "<b>未知" not in text
    assert "2026/11/21" in text


def test_the_records_that_a_refusal_names_are_shown_as_they_were_sent(refused: Visitors) -> None:
    text = refused.page("/queue/1")
    for place in (3, 96):
        assert f'<span class="code">data[{place}]</span>' in text
    assert '<span class="code">data[999]</span>' not in text  # there is no such record
    assert ELECTRICITY in text
    assert "&quot;2026-03-01 01:00:00&quot;" in text  # the fourth tick
    assert "&quot;dataValue&quot;:" in text


def test_a_refused_batch_can_be_sent_again(refused: Visitors) -> None:
    async def work(browser: Browser) -> str:
        return await browser.done("/queue/1/retry")

    text = refused.visit(work)
    assert "批次 1 已重新放入队列" in text
    assert state(refused) is BatchState.QUEUED


def test_a_refused_batch_can_be_discarded_and_only_once(refused: Visitors) -> None:
    async def work(browser: Browser) -> list[str]:
        return [await browser.done("/queue/1/discard") for _ in range(2)]

    first, second = refused.visit(work)
    assert "批次 1 不再上传" in first
    assert "批次 1 不是被拒收的批次" in second
    assert state(refused) is BatchState.DISCARDED


def test_a_notice_is_told_once(refused: Visitors) -> None:
    async def work(browser: Browser) -> list[bool]:
        texts = [await browser.done("/queue/1/retry"), (await browser.get("/queue")).text]
        return ["批次 1 已重新放入队列" in text for text in texts]

    assert refused.visit(work) == [True, False]


def test_a_waiting_batch_tells_its_last_failure_and_has_no_decisions(visitors: Visitors) -> None:
    world = visitors.world
    put_days(world.store, date(2026, 3, 1), 2, datetime(2026, 3, 3))
    once(world, datetime(2026, 3, 2, 1, 5))
    world.platform.trouble = on_data(DOWN)
    once(world, datetime(2026, 3, 3, 1, 5))
    text = visitors.page("/queue")
    assert "无法连接平台" in text
    assert "重新上传" not in text
    assert "上次未成功" in text


def test_uploads_are_paused_resumed_and_sent_now(visitors: Visitors) -> None:
    async def work(browser: Browser) -> None:
        assert "立即上传" in (await browser.get("/queue")).text
        assert "已开始上传" in await browser.done("/queue/send")
        assert visitors.device.sent == 1
        paused = await browser.done("/queue/pause")
        assert "上传已暂停" in paused
        assert "立即上传" not in paused
        assert "请先恢复" in await browser.done("/queue/send")
        assert visitors.device.sent == 1
        assert "上传已暂停" in (await browser.get("/")).text
        assert "上传已恢复" in await browser.done("/queue/resume")

    visitors.visit(work)
    assert not visitors.device.paused


def test_a_batch_that_is_not_there_is_said(visitors: Visitors) -> None:
    async def work(browser: Browser) -> int:
        return (await browser.get("/queue/7")).status_code

    assert visitors.visit(work) == 404
