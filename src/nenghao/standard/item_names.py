"""Data codes in words (数据项名称), composed as A.4 shows it: 全厂-二次能源-电力-购进已消费.

The words come from base data tables, packaged or as an operator made them; which tables are in
force is the caller's business. A code that no table knows is shown by its digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nenghao.standard import base_tables
from nenghao.standard.data_code import DataCode
from nenghao.standard.processes import WHOLE_PLANT, ProcessTable

WHOLE_PLANT_NAME = "全厂"
_ITEM = 3
"""`type` of a collect item that has four digits."""
_CLASS = 1
"""`type` of a collect item that is a data class."""

Rows = Iterable[Mapping[str, Any]]


class ItemNames:
    """The words of data codes by the base data tables process, collectItem, collectItemUsage."""

    def __init__(self, processes: Rows, items: Rows, usages: Rows) -> None:
        """Rows by wire names, as `base_tables.default_rows` gives them."""
        self._processes = ProcessTable(processes)
        self._usages = {row["code"]: row["name"] for row in usages}
        self._classes: dict[str, str] = {}
        self._kinds: dict[tuple[str, str], tuple[str, str]] = {}
        for row in items:
            if int(row["type"]) == _CLASS:
                self._classes[row["code"]] = row["name"]
            elif int(row["type"]) == _ITEM:
                self._kinds[row["pclass"], row["code"]] = (row["name"], row["unit"])

    def of(
        self,
        code: DataCode,
        industry: str = "",
        process_units: Mapping[tuple[str, str], str] | None = None,
    ) -> str:
        """The code in words, its parts joined by `-`.

        Processes mean something within an `industry` only. `process_units` are the names that the
        unit gave its own, by process and process unit.
        """
        return "-".join(
            [
                *self._where(code, industry, process_units or {}),
                self._classes.get(code.energy_class, code.energy_class),
                self.energy(code),
                self._usages.get(code.usage, code.usage),
            ]
        )

    def energy(self, code: DataCode) -> str:
        """The energy type, product or indicator alone: 电力."""
        return self._kinds.get((code.energy_class, code.energy_type), (code.energy_type, ""))[0]

    def unit(self, code: DataCode) -> str:
        """The unit in which its values are sent (计量单位), "" when unknown."""
        return self._kinds.get((code.energy_class, code.energy_type), ("", ""))[1]

    def _where(
        self, code: DataCode, industry: str, process_units: Mapping[tuple[str, str], str]
    ) -> list[str]:
        """Plant or process, process unit and equipment, as far as the code names them."""
        if code.process == WHOLE_PLANT:
            parts = [WHOLE_PLANT_NAME]
        else:
            process = self._processes.get(industry, code.process)
            parts = [process.name if process else f"工序 {code.process}"]
        if code.process_unit != "00":
            own = process_units.get((code.process, code.process_unit), "")
            parts.append(own or f"工序单元 {code.process_unit}")
        if (code.equipment, code.equipment_unit) != ("00", "00"):
            parts.append(f"设备 {code.equipment}{code.equipment_unit}")
        return parts


DEFAULT = ItemNames(
    base_tables.default_rows("process"),
    base_tables.default_rows("collectItem"),
    base_tables.default_rows("collectItemUsage"),
)
"""The words of the packaged tables."""
