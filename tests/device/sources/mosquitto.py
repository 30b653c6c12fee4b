"""A mosquitto broker on the loopback, from Debian's package, for tests of MQTT."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import trustme

from tests.device.sources.broken_peers import free_port

MISSING = shutil.which("mosquitto") is None
needs_mosquitto = pytest.mark.skipif(MISSING, reason="needs mosquitto: apt-get install mosquitto")

USER, PASSWORD = "reader", "s3cret-示例"


class Broker:
    """One process with four listeners; `start` and `stop` as often as the test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open, self.guarded, self.tls, self.mutual = (free_port() for _ in range(4))
        self._process: subprocess.Popen[bytes] | None = None
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1")
        client = authority.issue_cert("device@example.org")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        client.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
        trustme.CA().cert_pem.write_to_path(folder / "stranger.pem")
        (folder / "passwords").touch(mode=0o600)
        self._add_user()
        self._write_settings()

    def _add_user(self) -> None:
        command = ["mosquitto_passwd", "-b", str(self.folder / "passwords"), USER, PASSWORD]
        subprocess.run(command, check=True, capture_output=True)

    def _write_settings(self) -> None:
        pem = f"cafile {self.folder}/ca.pem\ncertfile {self.folder}/server.pem\n"
        pem += f"keyfile {self.folder}/server.pem\n"
        (self.folder / "mosquitto.conf").write_text(
            "user root\nper_listener_settings true\nlog_type none\n"
            f"listener {self.open} 127.0.0.1\nallow_anonymous true\n"
            f"listener {self.guarded} 127.0.0.1\npassword_file {self.folder}/passwords\n"
            f"listener {self.tls} 127.0.0.1\nallow_anonymous true\n{pem}"
            f"listener {self.mutual} 127.0.0.1\nallow_anonymous true\n{pem}"
            "require_certificate true\n"
        )

    def start(self) -> None:
        command = ["mosquitto", "-c", str(self.folder / "mosquitto.conf")]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.mutual), 1).close()
            except ConnectionRefusedError:
                assert self._process.poll() is None, "mosquitto did not start"
            else:
                return
        raise TimeoutError("mosquitto does not listen")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
