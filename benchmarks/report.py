"""What every benchmark prints: the machine on top, then one table; and its few statistics."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path

from nenghao import __version__

Row = Sequence[object]


def machine() -> str:
    """What ran it: interpreter, libraries, processor."""
    names = ("msgspec", "sqlalchemy", "zstandard", "uvicorn", "numpy")
    versions = " ".join(f"{name} {version}" for name in names if (version := _version(name)))
    return (
        f"nenghao {__version__} · {platform.python_implementation()} {platform.python_version()}"
        f" · {versions} · SQLite {sqlite3.sqlite_version} · {ssl.OPENSSL_VERSION}\n"
        f"{platform.system()} {platform.machine()} · {os.cpu_count()} processors · {_processor()}"
    )


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def show(headings: Row, rows: Iterable[Row]) -> None:
    """A table with its columns aligned; the first one to the left."""
    lines = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip(), flush=True)
    print(flush=True)


def rate(values: float) -> str:
    """Values a second, in millions."""
    return f"{values / 1e6:.2f} M/s"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def at_share(values: Iterable[float], share: float) -> float:
    """The value below which this share of them lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
