"""Values are filled in within limits, points mapped to codes that the collector takes."""

from __future__ import annotations

import html
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from nenghao.device import manual
from nenghao.device.collection import settings as collection_settings
from tests.device.web.desks import Browser, Visitors
from tests.device.world import COAL, ELECTRICITY, configuration

FILE = """\
# 一号变电所
[[source]]
name = "gate"
type = "modbus_tcp"
host = "127.0.0.1"

[[source.points]]
name = "total"
address = 0
data_type = "uint32"
unit = "kWh"

[[source.points]]
name = "export"
address = 2
data_type = "uint32"
unit = "kWh"
"""


def configured() -> dict[str, Any]:
    """Electricity from meters, coal filled in by hand with limits of its days."""
    content = configuration()
    (row, *_) = content["collectItemConfig"]
    power = {**row, "energyClassCode": "02", "energyTypeCode": "3300", "dataUsageCode": "11",
             "processCode": "00", "processUnitCode": "00", "equipmentCode": "00",
             "equipmentUnitCode": "00", "inputType": "4", "statType": "1",
             "name": "全厂用电"}  # fmt: skip
    coal = {**power, "energyClassCode": "01", "energyTypeCode": "0100", "inputType": "5",
            "name": "全厂用煤", "dataValueMin": 0, "dataValueMax": 500}  # fmt: skip
    return content | {"collectItemConfig": [power, coal]}


@pytest.fixture
def ready(visitors: Visitors) -> Visitors:
    visitors.world.configure(configured())
    visitors.world.home.collection_file.write_text(FILE, "utf-8")
    return visitors


def entered(visitors: Visitors) -> list[tuple[str, Decimal, bool]]:
    with visitors.world.store.read() as connection:
        found = manual.entries(connection, datetime(2026, 1, 1), datetime(2027, 1, 1))
    return [(one.start.isoformat()[:10], one.value, one.valid) for one in found]


def enter(visitors: Visitors, **fields: str) -> tuple[int, str]:
    async def work(browser: Browser) -> tuple[int, str]:
        answer = await browser.post("/manual", {"code": COAL, **fields})
        if answer.status_code == 303:
            return 303, (await browser.get(answer.headers["location"])).text
        return answer.status_code, answer.text

    return visitors.visit(work)


# --- manual entry ---------------------------------------------------------------------------------


@pytest.mark.clause("6.2.5-4")
def test_only_items_that_are_filled_in_by_hand_are_offered(ready: Visitors) -> None:
    text = ready.page("/manual")
    assert f'<option value="{COAL}">' in text
    assert f'<option value="{ELECTRICITY}">' not in text
    assert "0 至 500" in text


def test_a_day_is_filled_in_and_listed(ready: Visitors) -> None:
    status, text = enter(ready, date="2026-03-09", value="123.45")
    assert status == 303
    assert "已填报：全厂用煤 2026-03-09（日） 的数值 123.45，随下一批上传" in text
    assert "待上传" in text
    assert entered(ready) == [("2026-03-09", Decimal("123.45"), True)]


def test_a_month_has_the_limits_of_its_days(ready: Visitors) -> None:
    assert enter(ready, date="2026-02", value="15500")[0] == 303
    assert enter(ready, date="2026-02", value="15501")[0] == 422
    assert entered(ready) == [("2026-02-01", Decimal(15500), True)]


def test_a_value_outside_its_limits_is_asked_about_and_then_taken_as_invalid(
    ready: Visitors,
) -> None:
    status, text = enter(ready, date="2026-03-09", value="501")
    assert status == 422
    assert "超出配置的范围（0 至 500）" in text
    assert 'name="outside"' in text
    assert 'value="501"' in text  # what was filled in stays in the form
    assert entered(ready) == []
    status, text = enter(ready, date="2026-03-09", value="501", outside="yes")
    assert status == 303
    assert "标为无效" in text
    assert entered(ready) == [("2026-03-09", Decimal(501), False)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"date": "2026-03-11", "value": "1"}, "还没有到"),
     ({"date": "9.3.2026", "value": "1"}, "日期应为"),
     ({"date": "2026-03-09", "value": "一百"}, "数值应为"),
     ({"date": "2026-03-09", "value": "NaN"}, "不可用"),
     ({"date": "2026-03-09", "value": "1", "code": ELECTRICITY}, "没有手工填报的数据项"),
     ({"date": "2026-03-09", "value": "1", "code": "<b>"}, "没有手工填报的数据项"),
     ({"date": "2026-03-09", "value": "0.00000000001"}, "小数超过")],
)  # fmt: skip
def test_what_cannot_be_taken_is_said_and_not_taken(
    ready: Visitors, fields: dict[str, str], reason: str
) -> None:
    status, text = enter(ready, **fields)
    assert status == 422
    assert reason in text
    assert "<b>" not in text
    assert entered(ready) == []


def test_without_such_items_the_page_says_so(visitors: Visitors) -> None:
    assert "没有数据采集来源为 5" in visitors.page("/manual")


# --- point mapping --------------------------------------------------------------------------------

FIELDS = {
    "process": "00", "process_unit": "00", "equipment": "0000", "kind": "023300", "usage": "11",
    "measure": "counter", "value": "gate.total - gate.export", "interval_minutes": "15",
    "on_spike": "flag", "day_from": "ticks",
}  # fmt: skip


def hidden(text: str) -> dict[str, str]:
    """The fields of the form that writes."""
    form = text.split('action="/mapping/save"')[1].split("</form>")[0]
    found = re.findall(r'name="(\w+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in found}


async def write(browser: Browser, fields: dict[str, str]) -> str:
    """Preview, then write what the preview offers; the page that follows."""
    shown = await browser.post("/mapping/edit", fields)
    assert shown.status_code == 200, shown.text
    answer = await browser.client.post("/mapping/save", data=hidden(shown.text))
    assert answer.status_code == 303, answer.text
    return (await browser.get(answer.headers["location"])).text


def file_of(visitors: Visitors) -> str:
    return visitors.world.home.collection_file.read_text("utf-8")


def test_a_mapping_is_previewed_with_its_code_and_words_and_then_written(ready: Visitors) -> None:
    async def work(browser: Browser) -> str:
        shown = (await browser.post("/mapping/edit", FIELDS)).text
        assert f"<code>{ELECTRICITY}</code>" in shown
        assert "全厂 · 电力 · 购进已消费" in shown
        assert file_of(ready) == FILE
        return await write(browser, FIELDS)

    text = ready.visit(work)
    assert f"{ELECTRICITY} 已写入 collection.toml" in text
    written = file_of(ready)
    assert written.startswith(FILE)
    (item,) = collection_settings.parse(written).items
    assert (item.data_code, item.kind, item.value) == (ELECTRICITY, "counter", FIELDS["value"])


def test_the_form_offers_names_of_the_dictionary_and_the_known_points(ready: Visitors) -> None:
    text = ready.page("/mapping/edit")
    for part in ("购进已消费", "二次能源 · 电力（3300，万千瓦时）", "全厂", 'value="gate.export"'):
        assert part in text
    shown = re.search(r'<code id="data-code">(.*?)</code>', text)
    assert shown is not None
    assert shown[1] == ELECTRICITY


def test_a_mapping_can_be_changed_and_removed(ready: Visitors) -> None:
    async def work(browser: Browser) -> None:
        await write(browser, FIELDS | {"name": "全厂用电", "modulus": "1000000"})
        form = (await browser.get(f"/mapping/edit?code={ELECTRICITY}")).text
        for part in ('value="全厂用电"', 'value="1000000"', 'value="gate.total - gate.export"'):
            assert part in form
        await write(browser, FIELDS | {"value": "gate.total"})
        (item,) = collection_settings.parse(file_of(ready)).items
        assert (item.value, item.name, item.modulus) == ("gate.total", "", None)
        page = (await browser.get("/mapping")).text
        assert "已配置" in page
        fields = dict(re.findall(r'name="(code|seen)" value="([^"]*)"', page))
        assert "已从 collection.toml 删除" in await browser.done("/mapping/remove", fields)

    ready.visit(work)
    assert collection_settings.parse(file_of(ready)).items == ()
    assert file_of(ready).startswith(FILE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"value": "gate.nothing"}, "没有名为 gate.nothing"), ({"value": "gate.total +"}, "不完整"),
     ({"value": ""}, "请填写计算式"), ({"unit": "m3"}, "不能换算"), ({"scale": "x"}, "scale"),
     ({"process_unit": "1"}, "不合法"), ({"measure": "magic"}, "请从列表中选择"),
     ({"kind": "0115"}, "不合法"), ({"interval_minutes": "7"}, "请从列表中选择")],
)  # fmt: skip
def test_what_the_collector_would_not_take_is_not_offered_for_writing(
    ready: Visitors, change: dict[str, str], reason: str
) -> None:
    async def work(browser: Browser) -> None:
        answer = await browser.post("/mapping/edit", FIELDS | change)
        assert answer.status_code == 422
        assert reason in answer.text
        assert "/mapping/save" not in answer.text
        forced = await browser.post("/mapping/save", FIELDS | change | {"seen": "x"})
        assert forced.status_code in (409, 422)

    ready.visit(work)
    assert file_of(ready) == FILE


def test_a_file_that_was_changed_meanwhile_is_not_overwritten(ready: Visitors) -> None:
    async def work(browser: Browser) -> None:
        shown = (await browser.post("/mapping/edit", FIELDS)).text
        ready.world.home.collection_file.write_text(FILE + "# 另一人的改动\n", "utf-8")
        answer = await browser.client.post("/mapping/save", data=hidden(shown))
        assert answer.status_code == 409
        assert "在此期间已被改动" in answer.text

    ready.visit(work)
    assert file_of(ready) == FILE + "# 另一人的改动\n"


def test_configured_items_without_points_are_listed_and_lead_to_the_form(ready: Visitors) -> None:
    async def work(browser: Browser) -> None:
        text = (await browser.get("/mapping")).text
        assert "配置中有、但没有测点的数据项" in text
        assert f"/mapping/edit?code={ELECTRICITY}" in text
        assert f"/mapping/edit?code={COAL}" not in text  # filled in by hand

    ready.visit(work)


def test_energy_is_not_mapped_to_a_volume(ready: Visitors) -> None:
    async def work(browser: Browser) -> None:
        answer = await browser.post("/mapping/edit", FIELDS | {"kind": "011500"})
        assert answer.status_code == 422
        assert "不能换算" in answer.text

    ready.visit(work)


def test_a_mapping_beyond_the_configuration_is_marked(ready: Visitors) -> None:
    async def work(browser: Browser) -> str:
        return await write(browser, FIELDS | {"usage": "20"})

    assert "不在配置中" in ready.visit(work)


def test_a_file_that_is_no_toml_is_left_to_its_author(ready: Visitors) -> None:
    ready.world.home.collection_file.write_text("[[source\n", "utf-8")
    assert "不是合法的 TOML" in ready.page("/mapping")
    ready.world.home.collection_file.write_bytes(b"\xff\xfe")
    assert "不是 UTF-8 编码" in ready.page("/mapping")
