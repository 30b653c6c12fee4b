"""Refused certificates in the audit trail (被拒绝的证书): what the handshake turned away.

A stranger costs nothing to turn away and must not be able to fill the database either: of one
address so many a minute are recorded, of all together so many, the rest is in the log alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import Final

import structlog

from nenghao.platform import audit
from nenghao.platform.web.endpoint import Platform

log = structlog.get_logger(__name__)

ACTION: Final = "handshake"
ACTOR: Final = "（握手被拒绝）"
PER_ADDRESS: Final = 10
IN_ALL: Final = 100
"""Records of one listener of one worker in a minute."""


class RefusedHandshakes:
    """Records the refused certificates of one listener; `note` is called in its event loop."""

    def __init__(self, platform: Platform, listener: str) -> None:
        self._platform = platform
        self._listener = listener
        self._minute: datetime | None = None
        self._counted: Counter[str] = Counter()
        self._under_way: set[asyncio.Future[None]] = set()

    def note(self, address: str, reason: str) -> None:
        """A client at this address was refused for its certificate, or for having none."""
        now = self._platform.clock()
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute = minute
            self._counted.clear()
        if self._counted.total() >= IN_ALL or self._counted[address] >= PER_ADDRESS:
            return
        self._counted[address] += 1
        if self._counted[address] == PER_ADDRESS:
            reason += f"（本分钟内此地址已被拒绝 {PER_ADDRESS} 次，其余只记入日志）"
        elif self._counted.total() == IN_ALL:
            reason += f"（本分钟内已记录 {IN_ALL} 次，其余只记入日志）"
        done = asyncio.get_running_loop().run_in_executor(None, self._record, now, address, reason)
        self._under_way.add(done)  # or nobody would hold it
        done.add_done_callback(self._under_way.discard)

    def _record(self, now: datetime, address: str, reason: str) -> None:
        try:
            with self._platform.store.write() as conn:
                audit.record(
                    conn, now, ACTOR, address, ACTION, self._listener, audit.REFUSED, detail=reason
                )
        except Exception:
            log.exception("拒绝记录未能保存")
