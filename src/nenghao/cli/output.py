"""What the command line says, and where: results on stdout, everything else on stderr.

With `--json` stdout carries one JSON value and nothing else. A command that cannot do its work
raises `Failure` (exit code 1) or `Misuse` (2); `nenghao.cli.main` prints it. Which commands there
are is the business of the modules beside this one.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import structlog

from nenghao.clock import china_now

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
PIPE_WIDTH = 400
"""Columns of a table that no terminal limits."""


class Failure(Exception):
    """The command could not do its work: its text (Chinese) goes to stderr, exit code 1."""

    code = 1


class Misuse(Failure):
    """The command was called in a way that cannot be meant: exit code 2."""

    code = 2


def say(text: str) -> None:
    """One line for the user on stdout, at once."""
    print(text, flush=True)


def warn(text: str) -> None:
    """One warning for the user on stderr; it changes neither stdout nor the exit code."""
    print(f"警告：{text}", file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Why the command failed, on stderr."""
    print(f"错误：{text}", file=sys.stderr, flush=True)


def emit_json(value: Any) -> None:
    """`value` as the one JSON value of stdout; times as `YYYY-MM-DD HH:MM:SS`."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_plain), flush=True)


def hand_over(given: Mapping[str, str], word: str, *, as_json: bool) -> None:
    """What is shown this once: as JSON, or a line each and then `word`, how to pass it on."""
    if as_json:
        emit_json(given)
        return
    for name, value in given.items():
        say(f"{name}：{value}")
    say(word)


def emit_rows(
    rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool
) -> None:
    """A list: with `as_json` an array of the rows as they are, else a table.

    `columns` names the keys that the table shows and their headings, in order.
    """
    listed = list(rows)
    if as_json:
        emit_json(listed)
    elif listed:
        _table(list(columns.values()), [[_cell(row[key]) for key in columns] for row in listed])
    else:
        say("（无）")


def configure_logging(level: str = "info", *, as_json: bool = False) -> None:
    """Send the log to stderr, from `level` on; as one JSON object a line with `as_json`."""
    last: list[Any] = (
        [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
        if as_json
        # plain: rich would print every local variable, bodies and all
        else [
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[structlog.processors.add_log_level, _stamp, *last],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        # asked anew for every logger: a caller that exchanges sys.stderr gets what it expects
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=sys.stderr, level=max(LEVELS[level], logging.WARNING), force=True)


def _stamp(_logger: Any, _method: str, event: Any) -> Any:
    event["timestamp"] = _plain(china_now())
    return event


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value).__name__}")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime | date):
        return _plain(value)
    return str(value)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
