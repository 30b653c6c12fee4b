"""The Node example with its independent SM4 library (sm-crypto-v2), run as a partner runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "exchange-node"
REQUIRED = os.environ.get("NENGHAO_TEST_NODE") == "required"
"""Where continuous integration installs Node, its absence is a failure."""


def require_node() -> None:
    """Skip the test, saying why, where there is no Node or `make` did not install the library."""
    reason = ""
    if shutil.which("node") is None:
        reason = "no node"
    elif not (EXAMPLE / "node_modules" / "sm-crypto-v2").is_dir():
        reason = f"no library: npm ci in {EXAMPLE.name}"
    if reason and REQUIRED:
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def node(*arguments: object, stdin: str = "", code: int = 0) -> str:
    """What `node ARGUMENTS` prints; it must end with `code`."""
    done = subprocess.run(
        ["node", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr
