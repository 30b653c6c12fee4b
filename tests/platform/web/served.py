"""Processes that serve until told to end: `… -m tests.platform.web.served DIR GRACE END WORKERS`.

Prints `ready PORT`, then the path of each request that reaches the application; its answers name
the process. With `broken` for WORKERS, two are asked for and the second does not come up.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nenghao.cli.output import configure_logging
from nenghao.platform.web import ending, workers
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.limits import Limits
from nenghao.security.contexts import server_context


def say(text: str) -> None:
    # One write a line: several workers share the pipe.
    os.write(sys.stdout.fileno(), f"{text}\n".encode())


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/slow` takes a second and a half, `/stuck` a thread that does not come back."""
    message = await receive()
    say(scope["path"])
    if scope["path"] == "/slow":
        await asyncio.sleep(1.5)
    if scope["path"] == "/stuck":
        await asyncio.to_thread(time.sleep, 60)
    body = json.dumps({"length": len(message["body"])}).encode()
    headers = [(b"content-length", b"%d" % len(body)), (b"x-pid", b"%d" % os.getpid())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    root, grace, end = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    configure_logging("error")
    ending.END_SECONDS = end
    broken = sys.argv[4] == "broken"
    place = Listener("device", "127.0.0.1", 0, None)

    @contextmanager
    def opened() -> Iterator[list[Listener]]:
        if broken and (root / "begun").exists():
            raise RuntimeError("this worker does not come up")
        (root / "begun").touch()
        yield [
            replace(
                place,
                app=app,
                ssl_factory=lambda: server_context(
                    root / "server" / "server.pem",
                    root / "server" / "server.key",
                    root / "ca" / "device-ca.pem",
                ),
                limits=Limits(grace_seconds=grace),
            )
        ]

    count = 2 if broken else int(sys.argv[4])
    try:
        workers.serve([place], count, opened, lambda ready: say(f"ready {ready.port}"))
    except workers.WorkersFailed as error:
        say(str(error))
        raise SystemExit(1) from None
    say("ended")


if __name__ == "__main__":
    main()
