"""nginx in front of a platform, as `deploy/nginx` ships it, and headers that a client makes up."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from nenghao.platform.home import Home
from nenghao.platform.web import gateway
from tests.platform.web.wire import HOST, PATIENCE

ROOT = Path(__file__).parents[3]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
WITHOUT_NGINX = "nginx is not installed, its profile is not tested: apt-get install nginx"

needs_nginx = pytest.mark.skipif(NGINX is None, reason=WITHOUT_NGINX)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def nginx(folder: Path, home: Home, gateway_port: int, port: int) -> Iterator[None]:
    """The profile as it is shipped, its paths and ports put in as the README says."""
    text = (ROOT / "deploy" / "nginx" / "nenghao.conf").read_text("utf-8")
    assert "/var/lib/nenghao/platform" in text
    text = text.replace("/var/lib/nenghao/platform", str(home.path))
    text = text.replace("listen 9443 ssl", f"listen {HOST}:{port} ssl")
    text = text.replace("127.0.0.1:9445", f"127.0.0.1:{gateway_port}")
    (folder / "site.conf").write_text(text)
    kinds = "client_body proxy fastcgi uwsgi scgi"
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds.split())
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;\n"
        f"events {{ worker_connections 256; }}\n"
        f"http {{ {temporary}\n include {folder}/site.conf; }}\n"
    )
    assert NGINX is not None
    # -e: before the file is read, else nginx tries the log of the distribution
    command = [NGINX, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf", "-p", f"{folder}"]
    tried = subprocess.run([*command, "-t"], capture_output=True, check=False)
    assert tried.returncode == 0, tried.stderr.decode()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "error.log").read_text()
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def spoofed_headers(home: Home, chain: bytes) -> dict[str, str]:
    """Everything a client could know, the secret too, to pass for the holder of `chain`."""
    leaf = chain.decode("ascii").split("-----END CERTIFICATE-----")[0]
    pem = quote(leaf + "-----END CERTIFICATE-----\n")
    return {
        "X-Nenghao-Gateway": gateway.secret_of(home),
        "X-Nenghao-Client-Verify": "SUCCESS",
        "X-Nenghao-Client-Cert": pem,
        "X-Real-IP": "203.0.113.9",
    }


def with_underscores(headers: dict[str, str]) -> dict[str, str]:
    """The same, and once more under names that some gateways take for the same."""
    return {**headers, **{name.replace("-", "_"): value for name, value in headers.items()}}
