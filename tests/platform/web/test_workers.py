"""Workers share the listeners, are replaced when they die, and end with their parent."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest

from nenghao.platform.web.limits import Limits
from nenghao.platform.web.workers import LONGEST_PAUSE, _Worker
from tests.platform.web.processes import Process, alive, halted, process
from tests.platform.web.wire import Wire, head, until
from tests.security.pki import Pki

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can fork")


def asked(wire: Wire, path: str = "/it") -> int:
    """The process that answers on this connection."""
    wire.post(b"", path)
    status, headers, _ = wire.answer()
    assert status == 200
    return int(headers["x-pid"])


def served_by(running: Process, clients: contextlib.ExitStack, pid: int) -> Wire:
    """A connection to this worker: the others are halted while it is made."""
    with contextlib.ExitStack() as others:
        for other in set(running.workers()) - {pid}:
            others.enter_context(halted(other))
        wire = clients.enter_context(running.station.connect())
        assert asked(wire) == pid
    assert running.line() == "/it"
    return wire


def test_every_worker_serves_on_the_same_port_when_ready_is_said(pki: Pki) -> None:
    with process(pki, workers=3) as running, contextlib.ExitStack() as clients:
        pids = running.workers()
        assert len(pids) == 3
        for pid in pids:
            served_by(running, clients, pid)
        running.signal()
        assert running.line() == "ended"
        assert running.end()[::2] == (0, "")
    assert not any(map(alive, pids))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_at_every_worker_are_answered_before_the_end(
    pki: Pki, number: int
) -> None:
    with process(pki, grace=5, workers=2) as running, contextlib.ExitStack() as clients:
        wires = [served_by(running, clients, pid) for pid in running.workers()]
        for wire in wires:
            wire.post(b"abc", "/slow")
        assert [running.line() for _ in wires] == ["/slow", "/slow"]
        running.signal(number)
        for wire in wires:
            status, headers, body = wire.answer()
            assert (status, headers["connection"], body) == (200, "close", b'{"length": 3}')
        assert running.line() == "ended"
        assert running.end()[::2] == (0, "")


def test_with_the_default_grace_all_end_within_8_seconds_of_stalled_clients(pki: Pki) -> None:
    grace = Limits().grace_seconds
    with process(pki, grace=grace, workers=2) as running, contextlib.ExitStack() as clients:
        pids = running.workers()
        for pid in pids:
            served_by(running, clients, pid).send(head("/never", 1000) + b"x")
        began = time.monotonic()
        running.signal()
        code, _, errors = running.end()
        assert (code, errors) == (0, "")
        assert time.monotonic() - began < 8
    assert not any(map(alive, pids))


def test_a_worker_whose_service_does_not_come_back_does_not_hold_up_the_end(pki: Pki) -> None:
    with process(pki, grace=0.1, end=1.5, workers=2) as running, contextlib.ExitStack() as clients:
        wire = clients.enter_context(running.station.connect())
        wire.post(b"", "/stuck")
        assert running.line() == "/stuck"
        running.signal()
        code, seconds, _ = running.end()
    assert code == 0
    assert seconds < 8


def test_a_worker_that_does_nothing_at_all_is_killed_at_the_end(pki: Pki) -> None:
    with process(pki, grace=0.1, end=0.5, workers=2) as running:
        pids = running.workers()
        os.kill(pids[0], signal.SIGSTOP)
        running.signal()
        code, seconds, errors = running.end()
    assert (code, "工作进程没有按时结束" in errors) == (0, True)
    assert seconds < 8
    assert not any(map(alive, pids))


def test_a_second_signal_cuts_the_grace_of_all_short(pki: Pki) -> None:
    with process(pki, grace=60, end=60, workers=2) as running, contextlib.ExitStack() as clients:
        idle = []
        for pid in running.workers():
            served_by(running, clients, pid).send(head("/never", 1000) + b"x")
            idle.append(served_by(running, clients, pid))
        running.signal()
        assert all(wire.ended() for wire in idle)  # the end has begun
        running.signal(signal.SIGINT)
        code, seconds, _ = running.end()
    assert code == 0
    assert seconds < 8


def test_a_group_that_is_signalled_as_a_whole_still_finishes_its_requests(pki: Pki) -> None:
    """What a terminal's Ctrl-C and a service manager do: everybody gets the signal."""
    with process(pki, grace=5, workers=2) as running, contextlib.ExitStack() as clients:
        pids = running.workers()
        wires = [served_by(running, clients, pid) for pid in pids]
        for wire in wires:
            wire.post(b"abc", "/slow")
        assert [running.line() for _ in wires] == ["/slow", "/slow"]
        for pid in (*pids, running.popen.pid):
            os.kill(pid, signal.SIGINT)
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        assert [wire.answer()[2] for wire in wires] == [b'{"length": 3}'] * 2
        assert running.line() == "ended"
        assert running.end()[0] == 0


def test_a_killed_worker_is_replaced_while_the_others_serve(pki: Pki) -> None:
    with process(pki, workers=2) as running, contextlib.ExitStack() as clients:
        first, second = running.workers()
        lost, kept = (served_by(running, clients, pid) for pid in (first, second))
        lost.send(head("/never", 1000) + b"x")
        os.kill(first, signal.SIGKILL)
        assert lost.ended()  # an error for its client, at once
        assert asked(kept) == second
        until(lambda: first not in running.workers() and len(running.workers()) == 2)
        (third,) = set(running.workers()) - {second}
        assert running.line() == "/it"
        served_by(running, clients, third)
        running.signal()
        code, _, errors = running.end()
    assert code == 0
    assert re.search(rf"工作进程意外结束，将重新启动.*pid={first} reason='信号 SIGKILL'", errors)


def test_one_that_dies_again_and_again_is_begun_after_longer_and_longer_pauses() -> None:
    worker = _Worker(1, began=1000.0)
    pauses = [worker.pause(1001.0) for _ in range(12)]
    assert pauses[:5] == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert pauses[-1] == LONGEST_PAUSE
    worker.began = 2000.0
    assert worker.pause(2060.0) == 0.0  # it had served long enough
    assert worker.pause(2060.0) == 0.0


@pytest.mark.parametrize("stage", ["idle", "busy"])
def test_workers_end_when_their_parent_is_killed(pki: Pki, stage: str) -> None:
    with process(pki, grace=5, workers=2) as running, contextlib.ExitStack() as clients:
        pids = running.workers()
        wire = served_by(running, clients, pids[0])
        if stage == "busy":
            wire.post(b"abc", "/slow")
            assert running.line() == "/slow"
        running.signal(signal.SIGKILL)
        if stage == "busy":
            assert wire.answer()[2] == b'{"length": 3}'
        began = time.monotonic()
        until(lambda: not any(map(alive, pids)))
        assert time.monotonic() - began < 8


def test_a_worker_that_does_not_come_up_is_a_failure_to_start(pki: Pki) -> None:
    (pki.root / "begun").unlink(missing_ok=True)
    running = Process(pki, 0.3, 7.5, "broken")
    try:
        assert running.line() == "工作进程没有启动，原因见日志"
        code, _, errors = running.end()
    finally:
        running.close()
        Path(pki.root / "begun").unlink()
    assert code == 1
    assert "this worker does not come up" in errors
