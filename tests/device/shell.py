"""The device's command line, called in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nenghao.cli import main


class Shell:
    """Calls `nenghao device COMMAND --home DEV …` and keeps what it printed."""

    def __init__(self, home: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.out = self.err = ""
        self._captured = captured

    def __call__(self, command: str, *arguments: object) -> int:
        self._captured.readouterr()
        code = main(["device", command, "--home", str(self.home), *map(str, arguments)])
        self.out, self.err = self._captured.readouterr()
        return code

    def json(self, command: str, *arguments: object) -> Any:
        """What a command prints with `--json`: one value and nothing else."""
        assert self(command, *arguments, "--json") == 0, self.err
        return json.loads(self.out)
