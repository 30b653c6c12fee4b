"""Production processes (生产工序, B.1.4): two digits that mean something within an industry only.

Process 01 is 焦化工序 in C31 and 炼油装置 in C25. A process belongs to a unit when the unit's
industry begins with the process's; 00 (全厂, the whole plant) is everywhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from nenghao.standard import code_tables, industries

WHOLE_PLANT: Final = "00"


class Process(msgspec.Struct, frozen=True):
    """One production process of an industry; (industry, code) is its key."""

    code: str
    """Two digits."""
    name: str
    industry: str
    """The industry whose units have it (所属行业), "" for all."""


class ProcessTable:
    """Processes from rows with code, name and industryCode, as the wire and the CSV name them."""

    def __init__(self, rows: Iterable[Mapping[str, object]]) -> None:
        self._processes = tuple(
            Process(str(row["code"]), str(row["name"]), str(row["industryCode"])) for row in rows
        )

    def __iter__(self) -> Iterator[Process]:
        return iter(self._processes)

    def __len__(self) -> int:
        return len(self._processes)

    def of_industry(self, industry: str) -> tuple[Process, ...]:
        """The processes that a unit of that industry may have, the whole plant included."""
        return tuple(process for process in self if industries.contains(process.industry, industry))

    def get(self, industry: str, code: str) -> Process | None:
        """The process that `code` means in that industry; the longest matching prefix wins."""
        matching = [process for process in self.of_industry(industry) if process.code == code]
        return max(matching, key=lambda process: len(process.industry), default=None)


PROCESSES = ProcessTable(code_tables.load("processes"))
"""The processes that the standard and fielded systems show; the guide of each industry has more."""
