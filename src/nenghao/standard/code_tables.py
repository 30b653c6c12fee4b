"""The code tables that come with the package (`tables/*.csv`), as rows of text.

Reading is all this module does; what the columns mean is said by the modules that load them:

| table            | what                                        | read by         |
|------------------|---------------------------------------------|-----------------|
| regions          | Liaoning's regions (行政区划), GB/T 2260     | regions         |
| industries       | industries (行业), GB/T 4754-2017            | industries      |
| energy_types     | energy types (能源品种) and B.3              | energy          |
| collect_items    | items that are no energy types, B.4 included | energy          |
| data_classes     | data classes (采集数据类型), B.2             | energy          |
| usages           | usages (能源用途), B.5                       | energy          |
| processes        | production processes (生产工序)              | processes       |
| sources          | where data come from (数据采集来源), B.1     | sources         |
| unit_categories  | unit categories (单位类别), A.7 and heads    | unit_categories |
| indicators       | indicators (能耗指标), B.6                   | indicators      |
| base_data_types  | base data types (基础数据类型), A.6          | base_tables     |
| product_quotas   | product quotas (产品指标), none shipped      | base_tables     |
| fields           | the messages' fields (报文字段) and samples  | examples        |
| field_names      | what the fields mean (字段含义)              | json_schema     |

Where a row does not come from the standard itself, its `source` column says where from: "GB/T
2589", "field sample" (seen in a fielded system) or "from memory" (to be confirmed on site). All
of them are defaults; a platform keeps its own dictionary and an operator edits it.
"""

import csv
import functools
import io
from collections.abc import Iterator
from importlib.resources import files


@functools.cache
def load(name: str) -> tuple[dict[str, str], ...]:
    """The rows of `tables/<name>.csv`, each a dict by column; read once and shared.

    The dicts belong to everybody: do not change them. FileNotFoundError for an unknown table.
    """
    text = (files("nenghao.standard") / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    return tuple(read_rows(text))


def read_rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV text with a header line; ValueError naming the line of a ragged row."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"第 {reader.line_num} 行的列数与表头不符")
        yield row
