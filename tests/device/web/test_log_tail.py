"""The page's log holds the last lines, newest first, and stands in nobody's way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

import pytest
import structlog

from nenghao.device.web.log_tail import KEPT, LONGEST, LogTail

NOON = datetime(2026, 3, 1, 12)


@pytest.fixture
def tail() -> Iterator[LogTail]:
    before = structlog.get_config()
    made = LogTail(lambda: NOON)
    structlog.configure(
        processors=[structlog.testing.LogCapture()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    made.install()
    yield made
    made.remove()
    structlog.configure(**before)


def test_events_are_kept_with_their_values_and_go_on(tail: LogTail) -> None:
    structlog.get_logger().info("批次已被平台接收", batch=7, day="2026-03-01")
    structlog.get_logger().debug("不够重要")
    (line,) = tail.lines()
    assert (line.time, line.level) == (NOON, "info")
    assert line.text == "批次已被平台接收 batch=7 day=2026-03-01"
    (capture,) = structlog.get_config()["processors"][1:]
    assert [entry["event"] for entry in capture.entries] == ["批次已被平台接收"]


def test_several_values_are_written_for_people(tail: LogTail) -> None:
    structlog.get_logger().warning("未能读取", remarks=["甲：超时", "乙：乱码"], batch=None)
    (line,) = tail.lines()
    assert line.text == "未能读取 remarks=甲：超时；乙：乱码"


def test_newest_lines_come_first_and_levels_can_be_chosen(tail: LogTail) -> None:
    for number, level in enumerate(("info", "warning", "error")):
        getattr(structlog.get_logger(), level)(f"第 {number} 行")
    assert [line.text for line in tail.lines()] == ["第 2 行", "第 1 行", "第 0 行"]
    assert [line.level for line in tail.lines("warning")] == ["error", "warning"]
    assert len(tail.lines(most=1)) == 1


def test_an_exception_is_named_without_its_stack(tail: LogTail) -> None:
    try:
        raise OSError("磁盘已满")
    except OSError as error:
        structlog.get_logger().error("无法写入", exc_info=error)
    assert tail.lines()[0].text == "无法写入 OSError: 磁盘已满"


def test_what_libraries_log_is_kept_from_warnings_on(tail: LogTail) -> None:
    logging.getLogger("somebodys.library").warning("connection %s", "lost")
    logging.getLogger("somebodys.library").info("nothing")
    assert [line.text for line in tail.lines()] == ["somebodys.library: connection lost"]


def test_only_so_much_is_kept(tail: LogTail) -> None:
    for number in range(KEPT + 20):
        structlog.get_logger().info(f"{number} " + "x" * 3000)
    lines = tail.lines()
    assert len(lines) == KEPT
    assert lines[-1].text.startswith("20 ")
    assert max(len(line.text) for line in lines) == LONGEST
