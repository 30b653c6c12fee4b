"""The device listener under strangers' tools: sslyze on its TLS, schemathesis on its interfaces.

Both want other versions of libraries than the project pins and live in environments of their own
(`tests/tools.py`); they run in `make soak`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nenghao.clock import china_now
from nenghao.platform import certificates
from nenghao.platform.home import init
from nenghao.platform.web.device_api import INTERFACES, listener
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.server import serving
from nenghao.security.credentials import write_credentials
from nenghao.standard.replies import TABLE_1
from tests.platform.world import STEEL
from tests.tools import environment

pytestmark = pytest.mark.soak

EXAMPLES = os.environ.get("NENGHAO_TEST_SCHEMATHESIS_EXAMPLES", "300")
"""Examples of each operation."""
SUITES = {
    "tls_1_3_cipher_suites": ("TLS_AES", "TLS_CHACHA20"),
    "tls_1_2_cipher_suites": ("TLS_ECDHE_",),
}
# SSL 2.0 is not asked for: sslyze stumbles over it with a client certificate (its own error), and
# the OpenSSL of every Python from 3.11 on has no code for it.
OLD = ("ssl_3_0", "tls_1_0", "tls_1_1")

HOOKS = """
import json
import schemathesis

CODES = json.loads({codes!r})


@schemathesis.check
def answers_by_table_1(ctx, response, case):
    if response.status_code != 200 or case.method != "POST":
        return
    assert response.json()["responseCode"] in CODES, response.text
    assert response.json()["responseCode"] != "E1002", response.text
"""


@dataclass(frozen=True)
class Target:
    """A listener that is served, and the credentials of a device that it takes."""

    url: str
    credentials: Path


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("scanned")
    settings = {"requests_per_minute": 0, "handshakes_per_minute": 0}
    home = init(folder / "home", settings, china_now())
    issued = home.authority().issue_device(STEEL, "示例钢铁", "210102", 1, china_now())
    write_credentials(folder / "device", issued, {})
    with home.store() as store:
        with store.write() as conn:
            certificates.register(conn, issued, china_now())
        place = replace(listener(home, Platform(store, home.settings)), port=0)
        with serving([place]) as running:
            yield Target(running["device"].url, folder / "device")


def clean_environment() -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
    }


def test_sslyze_finds_aead_suites_only_and_nothing_vulnerable(
    target: Target, tmp_path: Path
) -> None:
    python = environment("sslyze")
    out = tmp_path / "sslyze.json"
    subprocess.run(
        [
            *(python, "-m", "sslyze", f"--json_out={out}", "--mozilla_config=disable"),
            *("--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3"),
            *("--heartbleed", "--openssl_ccs", "--compression", "--reneg", "--robot"),
            *(f"--cert={target.credentials / 'device.pem'}",),
            *(f"--key={target.credentials / 'device.key'}",),
            target.url.removeprefix("https://"),
        ],
        check=True,
        timeout=600,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
    )
    (scanned,) = json.loads(out.read_text("utf-8"))["server_scan_results"]
    found: dict[str, Any] = scanned["scan_result"]
    for old in OLD:
        assert accepted(found, f"{old}_cipher_suites") == []
    for version, beginnings in SUITES.items():
        names = accepted(found, version)
        assert names
        for name in names:
            assert name.startswith(beginnings), name
            assert "GCM" in name or "POLY1305" in name, name
    assert not found["heartbleed"]["result"]["is_vulnerable_to_heartbleed"]
    assert not found["openssl_ccs_injection"]["result"]["is_vulnerable_to_ccs_injection"]
    assert not found["tls_compression"]["result"]["supports_compression"]
    renegotiation = found["session_renegotiation"]["result"]
    assert not renegotiation["is_vulnerable_to_client_renegotiation_dos"]
    assert "NOT_VULNERABLE" in found["robot"]["result"]["robot_result"]


def accepted(found: dict[str, Any], version: str) -> list[str]:
    assert found[version]["status"] == "COMPLETED", found[version]
    return [
        one["cipher_suite"]["name"] for one in found[version]["result"]["accepted_cipher_suites"]
    ]


def test_schemathesis_gets_no_answer_outside_table_1_and_no_5xx(
    target: Target, tmp_path: Path
) -> None:
    python = environment("schemathesis")
    (tmp_path / "hooks.py").write_text(HOOKS.format(codes=json.dumps(list(TABLE_1))), "utf-8")
    done = subprocess.run(
        [
            *(python.parent / "schemathesis", "run", f"{target.url}/openapi.json"),
            f"--tls-verify={target.credentials / 'ca.pem'}",
            f"--request-cert={target.credentials / 'device.pem'}",
            f"--request-cert-key={target.credentials / 'device.key'}",
            *("--checks", "not_a_server_error,status_code_conformance,answers_by_table_1"),
            *("--max-examples", EXAMPLES, "--suppress-health-check", "all"),
        ],
        cwd=tmp_path,
        env={**clean_environment(), "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert f"Tested: {len(INTERFACES)}" in done.stdout, done.stdout[-6000:]
