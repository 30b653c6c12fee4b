"""Base data: handed out as stored, replaced by a CSV, the version rising with every change."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from nenghao.platform import audit, dictionary, dictionary_csv, registry
from nenghao.platform.dictionary import Import
from nenghao.platform.dictionary_csv import TableError
from nenghao.standard import base_tables
from nenghao.standard.messages import read
from nenghao.standard.messages.base_data import ROW_TYPES, BaseDataAnswer
from tests.platform.world import World, sample

TABLES = list(ROW_TYPES)


def exported(world: World, table: str) -> str:
    with world.store.read() as conn:
        return dictionary.export_table(conn, table)


def imported(world: World, table: str, text: str) -> Import:
    with world.store.write() as conn:
        return dictionary.import_table(conn, table, text, world.now)


def answer(world: World, kind: str) -> dict[str, Any]:
    with world.store.read() as conn:
        decoded: dict[str, Any] = json.loads(dictionary.encoded_answer(conn, kind))
        return decoded


def version(world: World) -> int:
    with world.store.read() as conn:
        return dictionary.version(conn)


@pytest.mark.clause("6.3.2.2-a")
@pytest.mark.clause("6.3.2.2-b")
@pytest.mark.clause("6.3.2.2-c")
@pytest.mark.clause("6.3.2.2-d")
@pytest.mark.clause("6.3.2.2-e")
@pytest.mark.clause("6.3.2.2-f")
@pytest.mark.clause("6.3.2.2-f2")
@pytest.mark.clause("6.3.2.2-g")
@pytest.mark.clause("6.3.2.2-h")
@pytest.mark.clause("6.3.2.2-i")
def test_all_answers_every_table_of_a2_with_the_keys_and_types_of_the_sample(
    world: World,
) -> None:
    told = answer(world, "all")
    shown = sample("baseData.response")
    assert list(told) == ["responseCode", "responseMessage", "data"]
    assert (told["responseCode"], told["responseMessage"]) == ("0", "RECEIVE SUCCESS")
    assert list(told["data"]) == list(shown["data"]) == TABLES
    for table, rows in shown["data"].items():
        for row in told["data"][table]:
            assert list(row) == list(rows[0]), table
            for key, value in row.items():
                same = {type(one[key]) for one in rows} | ({float} if key == "dwzbxs" else set())
                assert type(value) in same, (table, key, value)


@pytest.mark.clause("6.3.2.1-b")
@pytest.mark.clause("A.6-1")
@pytest.mark.parametrize("table", TABLES)
def test_each_type_answers_its_own_table_alone_and_as_the_standard_has_it(
    world: World, table: str
) -> None:
    assert answer(world, table)["data"] == {table: base_tables.default_rows(table)}


@pytest.mark.clause("6.3.2.2-c")
@pytest.mark.clause("6.3.2.2-d")
@pytest.mark.clause("6.3.2.2-e")
@pytest.mark.clause("A.7-1")
def test_the_rows_that_the_sample_shows_are_in_the_tables(world: World) -> None:
    told, shown = answer(world, "all")["data"], sample("baseData.response")["data"]
    assert shown["region"][0] in told["region"]
    for row in shown["industry"]:
        name = {"C31": "黑色金属冶炼和压延加工业"}.get(row["code"], row["name"])
        assert {**row, "name": name, "fullName": name} in told["industry"]
    for table in ("entType", "collectSystemType", "process", "collectItemUsage"):
        for row in shown[table]:
            assert row in told[table]


def test_the_answer_reads_back_as_the_stored_tables(world: World) -> None:
    with world.store.read() as conn:
        message = read(BaseDataAnswer, dictionary.encoded_answer(conn, "all"))
        assert message.data == dictionary.base_data(conn)


@pytest.mark.parametrize("table", TABLES)
def test_an_exported_table_imports_as_the_same_and_raises_nothing(world: World, table: str) -> None:
    text = exported(world, table)
    header = text.splitlines()[0].split(",")
    assert header == [*dict.fromkeys(header)]
    done = imported(world, table, text)
    assert (done.raised, done.version, done.added, done.removed) == (False, 1, 0, 0)
    assert version(world) == 1


@pytest.mark.clause("6.2.3-1")
@pytest.mark.clause("6.3.3.2-d")
def test_an_import_replaces_the_table_raises_the_version_and_is_answered_at_once(
    world: World,
) -> None:
    before = answer(world, "process")["data"]["process"]
    done = imported(world, "process", exported(world, "process") + "77,试验工序,C31\n")
    assert (done.rows, done.added, done.removed) == (len(before) + 1, 1, 0)
    assert (done.raised, done.version) == (True, 2)
    added = {"code": "77", "name": "试验工序", "industryCode": "C31"}
    assert answer(world, "process")["data"]["process"] == [*before, added]
    assert answer(world, "all")["data"]["process"][-1] == added
    with world.store.read() as conn:
        assert registry.versions(conn) == (1, 2)
        assert dictionary.vocabulary(conn).knows_process("C3120", "77")
        (record,) = audit.entries(conn)
    assert (record["action"], record["subject"]) == ("base-data.import", "process")


def test_another_order_of_rows_is_another_table(world: World) -> None:
    header, first, second, *rest = exported(world, "entType").splitlines()
    done = imported(world, "entType", "\n".join([header, second, first, *rest]) + "\n")
    assert (done.raised, done.added, done.removed) == (True, 0, 0)


def test_columns_may_stand_in_any_order(world: World) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(world, "process"))))
    out = io.StringIO()
    writer = csv.DictWriter(out, ["industryCode", "name", "code"])
    writer.writeheader()
    writer.writerows(rows)
    assert not imported(world, "process", out.getvalue()).raised


REGION = "code,fullName,name,pcode,type\n"
QUOTA = "code,name,regionCode,industryCode,gbValue,dbValue,elemUnit,denoUnit,quotaUnit,zbxs\n"
ENERGY = "code,name,pcode,unit,classCode,nhzbdw,type,zbckz,dwzbxs\n"
INDUSTRY = "code,fullName,jgzh,name,pcode\n"


@pytest.mark.parametrize(
    ("table", "text", "error"),
    [
        ("regions", REGION, "没有基础数据表 regions"),
        ("all", REGION, "没有基础数据表 all"),
        ("region", "", "第 1 行（表头）：缺少列 code"),
        ("region", REGION, "表中没有任何行"),
        ("region", "code,fullName,name,pcode,typ\n", "未知的列 typ；缺少列 type"),
        ("region", "code,code,fullName,name,pcode,type\n", "列 code 重复"),
        ("region", REGION + "210000,辽宁省,辽宁省,000000\n", "第 2 行：应有 5 列，实有 4 列"),
        (
            "region",
            REGION + "210000,辽宁省,辽宁省,000000,1\n\n21010,x,x,210000,2\n",
            '第 4 行 code 列：应为 6 位数字，收到 "21010"',
        ),
        ("region", REGION + "210000,辽,,000000,1\n", "第 2 行 name 列：缺失"),
        ("region", REGION + "210000,辽,辽,000000,4\n", "第 2 行 type 列：应为 1 至 3 的整数"),
        ("region", REGION + "210000,辽,辽,000000,1.0\n", "第 2 行 type 列：应为 1 至 3 的整数"),
        ("region", REGION + "２１００００,辽,辽,000000,1\n", "第 2 行 code 列：应为 6 位数字"),
        (
            "region",
            REGION + "210000,辽,辽,000000,1\n210000,辽,辽,000000,1\n",
            "第 3 行：code 210000 与第 2 行重复",
        ),
        ("region", REGION + '210000,"辽,辽,000000,1\n', "不是合法的 CSV"),
        ("region", REGION + '210000,"辽\n宁",辽,000000,1\n', "fullName 列：不得含有控制字符"),
        ("industry", INDUSTRY + "C,制造业,maybe,制造业,0\n", "第 2 行 jgzh 列：应为 true 或 false"),
        ("industry", INDUSTRY + "3120,炼钢,false,炼钢,C31\n", "第 2 行 code 列"),
        (
            "energyType",
            ENERGY + "0100,煤,01,吨,01,吨标准煤/吨,2,0.7x,1\n",
            "第 2 行 zbckz 列：应为十进制数或其范围",
        ),
        ("energyType", ENERGY + "0100,煤,01,吨,01,,2,0.7,NaN\n", "第 2 行 dwzbxs 列：应为数值"),
        ("productQuota", QUOTA + "0001,x,,,a,,,,,1\n", "第 2 行 gbValue 列"),
        ("productQuota", QUOTA + "0001,x,,,,,,,,\n", "第 2 行 zbxs 列：缺失"),
    ],
)
def test_a_wrong_table_is_refused_by_line_and_column_and_the_old_one_stands(
    world: World, table: str, text: str, error: str
) -> None:
    with pytest.raises(TableError) as caught:
        imported(world, table, text)
    assert error in str(caught.value)
    assert version(world) == 1
    assert answer(world, "region")["data"]["region"] == base_tables.default_rows("region")


def test_up_to_twenty_errors_are_listed_and_the_rest_counted(world: World) -> None:
    rows = "".join(f"{n},x,x,000000,9\n" for n in range(30))
    with pytest.raises(TableError) as caught:
        imported(world, "region", REGION + rows)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("第 2 行 code 列")
    assert lines[20] == "另有 40 处"


def test_a_quota_table_keeps_numbers_and_empty_values_apart(world: World) -> None:
    shown = sample("baseData.response")["data"]["productQuota"]
    text = dictionary_csv.write("productQuota", shown)
    assert imported(world, "productQuota", text).raised
    told = answer(world, "productQuota")["data"]["productQuota"]
    assert json.dumps(told) == json.dumps(shown)
    assert imported(world, "productQuota", QUOTA).rows == 0


@pytest.mark.parametrize(("spelling", "value"), [("TRUE", True), ("是", True), ("0", False)])
def test_spreadsheets_spellings_of_booleans_are_read(
    world: World, spelling: str, value: bool
) -> None:
    imported(world, "industry", INDUSTRY + f"C,制造业,{spelling},制造业,0\n")
    assert answer(world, "industry")["data"]["industry"][0]["jgzh"] is value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_files_of_editors_and_spreadsheets_are_decoded(encoding: str) -> None:
    assert dictionary_csv.decode("100,内资企业\r\n".encode(encoding)) == "100,内资企业\r\n"


def test_a_file_that_is_no_text_is_refused() -> None:
    with pytest.raises(TableError, match="UTF-8"):
        dictionary_csv.decode("内资".encode("utf-16"))


def test_an_import_that_fails_in_mid_transaction_leaves_the_old_table(world: World) -> None:
    class DiskFull(Exception):
        pass

    def import_and_fail() -> None:
        with world.store.write() as conn:
            text = QUOTA + "0001,x,,,,1,,,,1\n"
            assert dictionary.import_table(conn, "productQuota", text, world.now).raised
            raise DiskFull

    with pytest.raises(DiskFull):
        import_and_fail()
    assert version(world) == 1
    assert answer(world, "productQuota")["data"]["productQuota"] == []


@pytest.mark.clause("B.1.2-1")
@pytest.mark.clause("B.1.4-1")
@pytest.mark.clause("B.3.1-1")
@pytest.mark.clause("B.4-1")
def test_the_vocabulary_knows_what_the_tables_know(world: World) -> None:
    with world.store.read() as conn:
        words = dictionary.vocabulary(conn)
        assert dictionary.vocabulary(conn) is words
    assert words.knows_region("210102")
    assert not words.knows_region("410481")
    assert words.knows_industry("C3120")
    assert not words.knows_industry("C3199")
    assert words.knows_unit_category("159")
    assert not words.knows_unit_category("999")
    assert words.knows_energy("02", "3300")
    assert words.knows_energy("06", "3300"), "the measured coefficient of electricity"
    assert words.knows_energy("11", "5100")
    assert words.knows_energy("12", "1100")
    assert not words.knows_energy("01", "3300")
    assert words.knows_usage("11")
    assert not words.knows_usage("99")
    assert words.knows_process("C3120", "01")
    assert words.knows_process("Q8411", "00"), "the whole plant is everywhere"
    assert not words.knows_process("Q8411", "01")
    assert words.knows_process("", "01"), "as long as the industry is unknown"
