"""The simulated units are plausible, complete and the same on every machine."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from nenghao.conformance.fleet import (
    FleetUnit,
    Item,
    configuration,
    fleet,
    most_per_period,
    readings,
    ticks,
)
from nenghao.conformance.load_shapes import SHAPES
from nenghao.standard import credit_code, data_code, periods
from nenghao.standard.energy import ENERGY_TYPES
from nenghao.standard.industries import GBT_4754
from nenghao.standard.messages import read
from nenghao.standard.messages.config_data import ConfigUpload
from nenghao.standard.regions import COUNTY, LIAONING
from nenghao.standard.unit_categories import UNIT_CATEGORIES

UNITS = fleet()
EVERY_ITEM = [
    pytest.param(unit, item, id=f"{unit.number}-{item.code}")
    for unit in UNITS
    for item in unit.items
]
LEVEL_BOUNDS = (0, 5_000, 10_000, 100_000, 500_000, 3_000_000, 10**12)
"""Tonnes of standard coal a year between the energyConsumeLevels 1 to 6 (A.4)."""


def test_twelve_units_of_different_cities_and_industries() -> None:
    assert len(UNITS) == 12
    assert len({unit.region[:4] for unit in UNITS}) == 12
    assert len({unit.industry for unit in UNITS}) == 12
    assert len({unit.name for unit in UNITS}) == 12


@pytest.mark.parametrize("unit", fleet(40), ids=lambda unit: str(unit.number))
def test_codes_are_real(unit: FleetUnit) -> None:
    region = LIAONING.get(unit.region)
    assert region is not None
    assert region.type == COUNTY
    assert credit_code.has_valid_check(unit.credit_code)
    assert GBT_4754.get(unit.industry) is not None
    assert unit.template.category in UNIT_CATEGORIES


def test_siblings_are_other_units_in_other_counties() -> None:
    many = fleet(100)
    assert len({unit.credit_code for unit in many}) == 100
    assert len({unit.name for unit in many}) == 100
    assert many[:12] == UNITS
    assert many[12].region != many[0].region
    assert many[12].region[:4] == many[0].region[:4]
    first, sibling = (ticks(unit, unit.items[0], date(2026, 5, 5)) for unit in (many[0], many[12]))
    assert first != sibling


def test_the_same_readings_on_every_machine() -> None:
    digest = hashlib.sha256()
    for unit in UNITS:
        for item in unit.items:
            digest.update(" ".join(map(str, ticks(unit, item, date(2026, 3, 4)))).encode())
    assert digest.hexdigest() == "b77a9e9d0c7d66b4f646887735f0a930c42397ae1c2e516349ca17b85a87e7a8"


def test_another_seed_gives_other_readings() -> None:
    (other,) = fleet(1, seed=7)
    day = date(2026, 3, 4)
    assert ticks(other, other.items[0], day) != ticks(UNITS[0], UNITS[0].items[0], day)


@pytest.mark.parametrize(("unit", "item"), EVERY_ITEM)
def test_a_day_has_96_amounts_a_meter_could_show(unit: FleetUnit, item: Item) -> None:
    limit = Decimal(repr(most_per_period(unit, item, 0)))
    for day in (date(2026, 1, 6), date(2026, 6, 10), date(2026, 10, 3)):
        amounts = ticks(unit, item, day)
        assert len(amounts) == 96
        for amount in amounts:
            assert Decimal(0) <= amount <= limit
            assert amount == amount.quantize(Decimal(1).scaleb(-item.decimals))


@pytest.mark.parametrize(("unit", "item"), EVERY_ITEM)
def test_items_have_known_codes_and_shapes(unit: FleetUnit, item: Item) -> None:
    code = data_code.parse(item.code)
    assert ENERGY_TYPES.get(code.energy_class, code.energy_type) is not None
    if item.follows:
        assert unit.item(item.follows).follows == ""
        assert item.share > 0.0
    else:
        assert item.shape in SHAPES
        assert item.per_day > 0.0


def test_parts_of_a_plant_never_exceed_the_whole() -> None:
    checked = 0
    for unit in UNITS:
        for item in unit.items:
            parts = [part for part in unit.items if part.follows == item.code]
            same = [part for part in parts if part.code[11:17] == item.code[11:17]]
            if not same:
                continue
            whole = ticks(unit, item, date(2026, 6, 10))
            sums = map(
                sum, zip(*(ticks(unit, part, date(2026, 6, 10)) for part in same), strict=True)
            )
            assert all(total <= amount for total, amount in zip(sums, whole, strict=True))
            checked += 1
    assert checked >= 3


@pytest.mark.clause("6.2.5-3")
def test_readings_are_labelled_with_the_end_of_their_interval() -> None:
    university = next(unit for unit in UNITS if unit.interval == 60)
    brewery = next(unit for unit in UNITS if unit.interval == 30)
    day = date(2026, 12, 31)
    hourly = readings(university, university.items[0], day)
    assert [label.strftime("%d %H:%M") for label, _ in hourly[:2]] == ["31 01:00", "31 02:00"]
    assert hourly[-1][0] == datetime(2027, 1, 1)
    assert len(hourly) == 24
    half_hourly = readings(brewery, brewery.items[0], day)
    assert [label.minute for label, _ in half_hourly[:3]] == [30, 0, 30]
    for unit in (university, brewery):
        item = unit.items[0]
        assert sum(amount for _, amount in readings(unit, item, day)) == sum(ticks(unit, item, day))
    for label, _ in hourly + half_hourly:
        periods.place(periods.StatType.REALTIME, label)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: str(unit.number))
def test_a_year_of_energy_agrees_with_the_declared_level(unit: FleetUnit) -> None:
    """Purchased minus converted output, every ninth day standing for nine."""
    tonnes = 0.0
    for item in unit.items:
        code = data_code.parse(item.code)
        if not code.is_whole_plant or code.energy_class not in ("01", "02"):
            continue
        kind = ENERGY_TYPES.get(code.energy_class, code.energy_type)
        assert kind is not None
        assert kind.coefficient is not None
        factor = float(kind.coefficient)
        days = range(0, 365, 9)
        amount = sum(float(sum(ticks(unit, item, date(2026, 1, 1) + timedelta(d)))) for d in days)
        tonnes += (-1 if code.usage == "30" else 1) * amount * factor * 365 / len(days)
    assert LEVEL_BOUNDS[unit.level - 1] <= tonnes < LEVEL_BOUNDS[unit.level]


@pytest.mark.clause("6.3.4.1-c")
@pytest.mark.clause("6.3.4.1-d")
@pytest.mark.parametrize("unit", fleet(14), ids=lambda unit: str(unit.number))
def test_the_configuration_is_a_complete_message_of_a4(unit: FleetUnit) -> None:
    wire = configuration(unit) | {"deviceId": "0" * 32}
    message = read(ConfigUpload, json.dumps(wire).encode())
    assert message.enterprise_code == unit.credit_code
    assert message.enterprise.energy_consume_level == unit.level
    sent = {
        "-".join(
            (
                row.process_code,
                row.process_unit_code,
                row.equipment_code + row.equipment_unit_code,
                row.energy_class_code + row.energy_type_code,
                row.data_usage_code,
            )
        )
        for row in message.collect_item_config
    }
    assert sent == {item.code for item in unit.items}
    assert len(message.collect_item_config) == 4 * len(unit.items)
    assert all(len(row) == 15 for row in wire["collectItemConfig"])
    assert len(wire["enterprise"]) == 36
