"""What the benchmarks say about where they ran, and how they lay out their figures."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from nenghao import __version__

READINGS = Path(__file__).parents[2] / "shared" / "data" / "steel_plant_15min_2018.csv"
"""A year of real readings of a steel plant; it is not part of the package (docs/performance.md)."""

_LIBRARIES = ("msgspec", "numpy", "sqlalchemy", "zstandard", "pcodec")


def described() -> str:
    """Interpreter, libraries, processor: the head of every table."""
    versions = " · ".join(f"{name} {version}" for name in _LIBRARIES if (version := _version(name)))
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"nenghao {__version__} · {platform.python_implementation()} {platform.python_version()}"
        f" · {versions} · SQLite {sqlite3.sqlite_version}\n"
        f"{platform.system()} {platform.machine()} · {_processor()} · {os.cpu_count()} processors"
        f" · {load}"
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def print_rates(title: str, seconds: dict[str, list[float]], values: int) -> None:
    """One line per stage: median and best time, rate, and its share of the first stage's rate."""
    print(f"\n{title}")
    print(f"{'stage':<46} {'median ms':>9} {'best ms':>8} {'M values/s':>11} {'of decoding':>11}")
    base = median(next(iter(seconds.values())))
    for name, times in seconds.items():
        middle = median(times)
        print(
            f"{name:<46} {middle * 1e3:>9.1f} {min(times) * 1e3:>8.1f}"
            f" {values / middle / 1e6:>11.2f} {base / middle:>11.2f}"
        )


def print_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose first column is text and whose others are figures."""
    print(f"\n{title}")
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
