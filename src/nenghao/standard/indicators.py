"""The ten indicators (能耗指标, table B.6) of the exchange: codes and names, in the table's order.

How they are computed (docs/decisions 7) is the platform's statistics' business.
"""

from collections.abc import Mapping
from types import MappingProxyType

from nenghao.standard import code_tables

INDICATORS: Mapping[str, str] = MappingProxyType(
    {row["code"]: row["name"] for row in code_tables.load("indicators")}
)
"""The Chinese names by indicator code, e.g. nyxfzl → 能源消费总量."""
