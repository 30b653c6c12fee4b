"""A process that serves until it is told to end: `python -m tests.platform.web.served DIR`.

Prints `ready PORT`, then the path of each request that reaches the application.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from nenghao.platform.web import ending
from nenghao.platform.web.limits import Limits
from nenghao.platform.web.server import Listener, run
from nenghao.security.contexts import server_context


def say(text: str) -> None:
    print(text, flush=True)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/slow` takes half a second, `/stuck` a thread that does not come back."""
    message = await receive()
    say(scope["path"])
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    if scope["path"] == "/stuck":
        await asyncio.to_thread(time.sleep, 60)
    body = json.dumps({"length": len(message["body"])}).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    root, grace, end = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    ending.END_SECONDS = end
    listener = Listener(
        "device",
        "127.0.0.1",
        0,
        app,
        lambda: server_context(
            root / "server" / "server.pem",
            root / "server" / "server.key",
            root / "ca" / "device-ca.pem",
        ),
        Limits(grace_seconds=grace),
    )
    run([listener], lambda ready: say(f"ready {ready.port}"))
    say("ended")


if __name__ == "__main__":
    main()
