"""Names come from the base data that the platform sent, else from the standard's own tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nenghao.device.web import dictionary
from nenghao.standard import data_code

STEEL = "C3120"


def written(folder: Path, tables: Any) -> Path:
    path = folder / "base_data.json"
    path.write_text(json.dumps({"responseCode": "0", "data": tables}, ensure_ascii=False))
    return path


TABLES = {
    "process": [
        {"code": "00", "name": "整个工厂", "industryCode": ""},
        {"code": "06", "name": "冶炼", "industryCode": "C31"},
        {"code": "06", "name": "电炉炼钢", "industryCode": "C3120"},
        {"code": "01", "name": "炼油", "industryCode": "C25"},
    ],
    "collectItem": [
        {"code": "02", "name": "二次能源类", "type": 1},
        {"code": "33", "name": "电", "type": 2, "pclass": "02"},
        {
            "code": "3300",
            "name": "电能",
            "type": 3,
            "pclass": "02",
            "pcode": "33",
            "unit": "兆瓦时",
        },
    ],
    "collectItemUsage": [{"code": "11", "name": "买来用掉"}],
}


def test_the_platforms_own_words_come_first(tmp_path: Path) -> None:
    names = dictionary.read(written(tmp_path, TABLES), STEEL)
    assert names.from_platform
    assert names.processes == {"00": "整个工厂", "06": "电炉炼钢"}
    assert names.classes == {"02": "二次能源类"}
    assert list(names.kinds) == ["023300"]
    code = data_code.parse("06-01-0302-023300-11")
    assert names.describe(code) == "电炉炼钢 01 号单元 设备 0302 · 电能 · 买来用掉"
    assert names.unit_of(code) == "兆瓦时"


def test_without_base_data_the_standards_tables_serve(tmp_path: Path) -> None:
    names = dictionary.read(tmp_path / "absent.json", STEEL)
    assert not names.from_platform
    code = data_code.parse("00-00-0000-023300-11")
    assert names.describe(code) == "全厂 · 电力 · 购进已消费"
    assert names.unit_of(code) == "万千瓦时"
    assert names.classes["01"] == "一次能源"
    assert set(names.processes) > {"00"}


def test_codes_that_nobody_knows_are_shown_as_they_are(tmp_path: Path) -> None:
    names = dictionary.read(tmp_path / "absent.json", STEEL)
    assert names.describe(data_code.parse("97-00-0000-999999-01")) == (
        "工序 97 · 品种 99/9999 · 用途 01"
    )


@pytest.mark.parametrize(
    "tables",
    [None, [], {"process": 3, "collectItem": [1, {}], "collectItemUsage": [{"code": "11"}]}],
)
def test_an_odd_answer_of_the_platform_breaks_nothing(tmp_path: Path, tables: Any) -> None:
    names = dictionary.read(written(tmp_path, tables), STEEL)
    assert not names.from_platform
    assert "023300" in names.kinds
    (tmp_path / "base_data.json").write_bytes(b"\xff{")
    assert dictionary.read(tmp_path / "base_data.json", STEEL).usages["11"] == "购进已消费"
