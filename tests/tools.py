"""Tools that cannot live beside the project's pins, each in an environment of its own.

`NENGHAO_TEST_TOOLS` names the folder that holds them (default `.venv/tools`), one virtual
environment for each: `python3 -m venv .venv/tools/sslyze`, then `.venv/tools/sslyze/bin/pip install
sslyze`. Who is not there is skipped with a word.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def environment(tool: str) -> Path:
    """The Python of a tool's environment; skips the test where there is none."""
    folder = Path(os.environ.get("NENGHAO_TEST_TOOLS", ROOT / ".venv" / "tools"))
    python = folder / tool / "bin" / "python"
    if not python.exists():
        pytest.skip(f"没有 {tool} 的环境（{folder / tool}），见 tests/tools.py")
    return python
