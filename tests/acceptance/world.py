"""A province and its devices as their users have them: the command line and the wire, nothing else.

These helpers know no module of the package: they call `nenghao …` as a process of its own and speak
HTTPS with the standard library, so what they prove holds for anybody's device and for anybody's
script. On Linux the processes are forked of one that has imported the command line already.
"""

from __future__ import annotations

import atexit
import functools
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.forking import Commands

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("NENGHAO_")}


def nenghao(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `nenghao ARGUMENTS` to its end; with `check`, a failure shows what it printed."""
    words = [str(one) for one in arguments]
    if sys.platform == "linux":
        done = _commands().run(words, timeout=280)
    else:
        done = subprocess.run(
            [sys.executable, "-m", "nenghao", *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=ENVIRONMENT,
            timeout=280,
        )
    if check and done.returncode:
        raise AssertionError(
            f"nenghao {arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
    return done


@functools.cache
def _commands() -> Commands:
    made = Commands(ENVIRONMENT)
    atexit.register(made.close)
    return made


def nenghao_json(*arguments: object) -> Any:
    """What `nenghao ARGUMENTS --json` prints on stdout, which must be one JSON value alone."""
    return json.loads(nenghao(*arguments, "--json").stdout)


def credit_code(number: int) -> str:
    """The `number`-th credit code of the tests, its check digit reckoned here and on its own."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    body = f"91210102MA{number:07d}"
    total = sum(alphabet.index(letter) * 3**place for place, letter in enumerate(body))
    return body + alphabet[-total % 31]


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Credentials:
    """What `nenghao ca issue --out` wrote for one device."""

    folder: Path
    code: str
    name: str

    def context(self) -> ssl.SSLContext:
        """A client context that shows this certificate and trusts the platform's root alone."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        context.load_cert_chain(self.folder / "device.pem", self.folder / "device.key")
        return context


@dataclass
class Province:
    """A platform home with its `serve` process and the credentials it issued."""

    home: Path
    port: int
    exchange_port: int = 0
    """0: the exchange interfaces are not open."""
    process: subprocess.Popen[str] | None = None

    @classmethod
    def init(cls, home: Path, *options: str, exchange: bool = False) -> Province:
        port = free_port()
        exchange_port = free_port() if exchange else 0
        ports = ("--device-port", port, "--exchange-port", exchange_port, "--console-port", 0)
        nenghao("platform", "init", "--home", home, *ports, *options)
        return cls(home, port, exchange_port)

    @property
    def log(self) -> Path:
        """What the serving process wrote on stderr."""
        return self.home.with_suffix(".log")

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def exchange_url(self) -> str:
        return f"https://127.0.0.1:{self.exchange_port}"

    def start(self, *command: str, **environment: str) -> None:
        """Start `platform serve` (or another command that serves this home); wait for its word.

        `environment` holds settings that override the home's, such as `NENGHAO_RECORD_LIMIT`.
        """
        arguments = command or (
            *(sys.executable, "-m", "nenghao", "platform", "serve"),
            *("--home", str(self.home)),
        )
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=ENVIRONMENT | environment,
            )
        assert self.process.stdout is not None
        awaited = {"device": self.url}
        if self.exchange_port:
            awaited["exchange"] = self.exchange_url
        for line in self.process.stdout:
            if line.startswith("ready "):
                assert awaited.pop(line.split()[1]) == line.split()[2]
            if not awaited:
                return
        raise AssertionError(self.log.read_text(encoding="utf-8"))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the serving process by a signal and say its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """The exit code of the serving process, which is ending by itself."""
        assert self.process is not None
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def issue(self, folder: Path, code: str, name: str = "示例钢铁有限责任公司") -> Credentials:
        nenghao(
            *("ca", "issue", "--home", self.home, "--code", code, "--name", name),
            *("--region", "210102", "--out", folder),
        )
        return Credentials(folder, code, name)

    def post(
        self, credentials: Credentials, path: str, body: object, timeout: float = 60
    ) -> tuple[int, dict[str, Any]]:
        """POST `body` (bytes as they are, else as JSON): HTTP status and decoded answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=credentials.context(), timeout=timeout
        )
        try:
            connection.request("POST", path, raw, {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.headers.get_content_type() != "application/json":
                return answer.status, {}
            return answer.status, json.loads(content)
        finally:
            connection.close()

    def register(self, credentials: Credentials) -> dict[str, Any]:
        status, answer = self.post(
            credentials,
            "/",
            {
                "enterpriseCode": credentials.code,
                "enterpriseName": credentials.name,
                "region": "210102",
                "regionName": "和平区",
            },
        )
        assert (status, answer["responseCode"]) == (200, "0"), answer
        return answer


@contextmanager
def province(home: Path) -> Iterator[Province]:
    """A freshly made and running province; stopped by SIGTERM, which must end it with 0."""
    made = Province.init(home)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None:
            assert made.stop() == 0, made.log.read_text(encoding="utf-8")


def record(**changes: object) -> dict[str, Any]:
    """A legal record of A.5, with changes; a change to `...` leaves the field out."""
    whole: dict[str, Any] = {
        "dataCode": "00-00-0000-023300-11",
        "dataValue": 123.45,
        "inputType": 1,
        "statType": 1,
        "statDate": "2026-01-01 00:00:00",
        "uploadDate": "2026-01-02 01:05:00",
        "scope": 1,
        "valid": True,
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not ...}
