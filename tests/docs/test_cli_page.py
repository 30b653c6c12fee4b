"""docs/cli.md has a heading for every command and a mention of every option, and no others;
every command that a page shows can be called that way.
"""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from nenghao.cli import GROUPS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").glob("*.md"))]


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, f"{path} {name}")
    if not getattr(command, "commands", None):
        yield path, command


def commands() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group, entry in GROUPS.items():
        app: typer.Typer = importlib.import_module(entry.module).app
        found.update(walk(typer.main.get_command(app), f"nenghao {group}"))
    return found


COMMANDS = commands()


def options(command: Any) -> set[str]:
    return {
        name
        for parameter in command.params
        for name in [*parameter.opts, *parameter.secondary_opts]
        if name.startswith("--")
    }


def sections() -> dict[str, str]:
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    parts = re.split(r"^#{2,3} (nenghao [^(\n]+?)(?: \(.*\))?$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_its_heading_and_exactly_its_options(path: str) -> None:
    section = sections()[path]
    told = set(re.findall(r"--[a-z][a-z-]*", section))
    assert told == options(COMMANDS[path])


def test_there_is_no_heading_without_a_command() -> None:
    groups = {f"nenghao {group}" for group in GROUPS}
    assert set(sections()) - groups == set(COMMANDS) - groups


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_explains_itself_in_chinese(path: str) -> None:
    command = COMMANDS[path]
    assert re.search(r"[\u4e00-\u9fff]", command.help or "")
    for parameter in command.params:
        assert re.search(r"[\u4e00-\u9fff]", parameter.help or ""), parameter.name


def shown_calls() -> list[tuple[str, str]]:
    """Every `nenghao …` line in a code block of the pages, continuation lines joined."""
    calls = []
    for page in PAGES:
        for block in re.findall(
            r"```(?:sh|console)?\n(.*?)```", page.read_text("utf-8"), re.DOTALL
        ):
            lines = block.replace("\\\n", " ").splitlines()
            calls += [
                (page.name, line.removeprefix("$ ").strip())
                for line in lines
                if re.match(r"(\$ )?nenghao ", line)
            ]
    return calls


def test_the_readme_and_the_walk_show_commands() -> None:
    pages = [page for page, _ in shown_calls()]
    assert {"README.md", "README.zh-CN.md", "device-walk.md"} <= set(pages)


@pytest.mark.parametrize(("page", "line"), shown_calls())
def test_a_shown_call_parses(page: str, line: str) -> None:
    words = shlex.split(line.partition(" | ")[0].partition(" > ")[0], comments=True)
    path = max((path for path in COMMANDS if line.startswith(path)), key=len, default="")
    assert path, line
    arguments = words[len(path.split()) :]
    assert {word for word in arguments if word.startswith("--")} <= options(COMMANDS[path])
    COMMANDS[path].make_context(path, arguments, resilient_parsing=False)
