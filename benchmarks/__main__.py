"""All figures of the whole path, one after the other: `make bench` (some five minutes).

    python -m benchmarks [--rounds 3]

Growth is apart (`make bench-growth`): loading takes a while.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import memory, others, whole_path
from benchmarks.report import Row, machine, show

HEADINGS = ("", "values/s", "decode only", "ratio", "p50, half load", "p99", "bytes/value")


def rows(rounds: int) -> list[Row]:
    """One table of all: cells that do not apply are empty."""
    table: list[Row] = [_title("whole path over mutual TLS, fsync before every answer")]
    _tell("whole path")
    table += [(*row, "") for row in whole_path.rows(rounds)]
    _tell("other stores")
    table.append(_title("other stores, one core each, the same values; ratio: to InfluxDB"))
    for name, values, ratio, size in others.rows(2 * rounds):
        table.append((name, values, "", ratio, "", "", size))
    table.append(_title("peak memory of one worker under forty batches at once"))
    _tell("memory")
    for name, batches, accepted, busy, seconds, peak in memory.rows():
        told = f"{name}: {accepted} of {batches} in {seconds} s, {busy} told to wait, peak {peak}"
        table.append(_title(told))
    return table


def _tell(part: str) -> None:
    print(f"… {part}", file=sys.stderr, flush=True)


def _title(text: str) -> Row:
    return (text, *[""] * (len(HEADINGS) - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(machine(), end="\n\n")
    show(HEADINGS, rows(asked.rounds))


if __name__ == "__main__":
    main()
