"""Where data come from (数据采集来源, table B.1): inputType 1 to 7, and the two kinds of data.

The exchange tells online from report data (`onlinORreport`), and a value's key holds which of the
two it is, so that a report never overwrites the meters (docs/decisions 6).
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

from nenghao.standard import code_tables

NAMES: Mapping[str, str] = MappingProxyType(
    {row["code"]: row["name"] for row in code_tables.load("sources")}
)
"""The Chinese names by code."""


class InputType(IntEnum):
    """inputType, a number in data and a string in configuration."""

    MANAGEMENT_SYSTEM = 1
    PRODUCTION_MONITORING = 2
    INDUSTRIAL_CONTROL = 3
    METER = 4
    MANUAL = 5
    ENERGY_SUPPLIER = 6
    OTHER = 7

    @property
    def label(self) -> str:
        """The Chinese name of table B.1."""
        return NAMES[str(self.value)]


class Source(StrEnum):
    """Online data or report data: part of a value's key, and the exchange's `onlinORreport`."""

    ONLINE = "online"
    REPORT = "report"


def source_of(input_type: int) -> Source:
    """`REPORT` for what is filled in by hand (手工填报), else `ONLINE`."""
    return Source.REPORT if input_type == InputType.MANUAL else Source.ONLINE
