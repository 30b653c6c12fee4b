from __future__ import annotations

from datetime import timedelta

import pytest

from nenghao.device.sources import dlt645
from nenghao.device.sources.base import SourceFault
from nenghao.device.sources.dlt645 import Dlt645Source
from tests.device.sources.dlt645_peers import Bus, Meter
from tests.device.sources.dlt645_world import (
    NOW,
    PHASES,
    behind_tcp,
    three_phases,
    values,
)

# --- reading -------------------------------------------------------------------------------------


@pytest.mark.clause("3.7-1")
def test_points_are_read_in_as_few_questions_as_blocks_allow() -> None:
    meter = three_phases()

    async def work(opened: Dlt645Source) -> None:
        found = await opened.read(NOW)
        assert values(found) == {
            "Ua": "220.1",
            "Ub": "221.2",
            "Uc": "222.3",
            "P": "-512.3400",
            "总": "1234567.00",
        }
        assert {one.time for one in found} == {NOW}
        assert meter.asked == ["0201FF00", "02030000", "00010000"]
        assert opened.remarks == ()

    behind_tcp(Bus(meter), work, points=PHASES, meter="161")


def test_a_meter_without_blocks_is_asked_item_by_item_from_then_on() -> None:
    meter = three_phases()
    meter.blocks = False

    async def work(opened: Dlt645Source) -> None:
        assert len(await opened.read(NOW)) == 5
        assert meter.asked[0] == "0201FF00"
        meter.asked.clear()
        assert len(await opened.read(NOW)) == 5
        assert "0201FF00" not in meter.asked

    behind_tcp(Bus(meter), work, points=PHASES)


def test_a_meter_that_says_nothing_to_a_block_is_asked_item_by_item() -> None:
    meter = three_phases()
    meter.silent_to = {"0201FF00"}

    async def work(opened: Dlt645Source) -> None:
        assert len(await opened.read(NOW)) == 5

    behind_tcp(Bus(meter), work, points=PHASES, timeout_seconds=0.05)


def test_blocks_can_be_switched_off() -> None:
    meter = three_phases()

    async def work(opened: Dlt645Source) -> None:
        assert len(await opened.read(NOW)) == 5
        assert len(meter.asked) == 5

    behind_tcp(Bus(meter), work, points=PHASES, blocks=False)


def test_a_long_answer_is_fetched_frame_by_frame() -> None:
    tariffs = {f"x0001{tariff:02X}00": f"{tariff}.25" for tariff in range(0x40)}
    meter = Meter("161", **tariffs)
    points = [{"name": f"T{tariff}", "item": f"0001{tariff:02X}00"} for tariff in range(0x40)]

    async def work(opened: Dlt645Source) -> None:
        found = await opened.read(NOW)
        assert values(found) == {f"T{tariff}": f"{tariff}.25" for tariff in range(0x40)}
        assert meter.asked == ["0001FF00"] * 3

    behind_tcp(Bus(meter), work, points=points)


@pytest.mark.parametrize("chunk", [0, 1, 2, 3, 7, 11])
def test_answers_are_understood_however_they_are_cut_and_echoed(chunk: int) -> None:
    meter = three_phases()
    meter.echo = True
    meter.noise = b"\x00\x68\x16\xff"
    bus = Bus(meter)
    bus.chunk = chunk

    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"总表": "12345.67"}

    behind_tcp(bus, work)


def test_noise_that_looks_like_a_head_costs_a_pause_and_no_answer() -> None:
    meter = three_phases()
    meter.noise = bytes.fromhex("68 00 00 00 00 00 00 68 91 C8")

    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"总表": "12345.67"}

    behind_tcp(Bus(meter), work)


def test_an_answer_with_a_wrong_checksum_is_asked_for_again() -> None:
    meter = three_phases()
    meter.broken = 1

    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"总表": "12345.67"}
        assert meter.asked == ["00010000", "00010000"]

    behind_tcp(Bus(meter), work, attempts=2)


def test_a_meter_with_its_own_form_of_an_item_is_read_by_it() -> None:
    meter = Meter("161")
    meter.raw = {"00010000": bytes.fromhex("785634129000"), "0C010001": b"\x23\x81"}
    points = [
        {"name": "E", "item": "00010000", "length": 6, "decimals": 4},
        {"name": "X", "item": "0C010001", "length": 2, "decimals": 1, "signed": True},
    ]

    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"E": "901234.5678", "X": "-12.3"}

    behind_tcp(Bus(meter), work, points=points)


# --- several meters, several troubles ------------------------------------------------------------

TWO = [
    {"name": "甲", "item": "00010000", "meter": "1"},
    {"name": "乙", "item": "00010000", "meter": "2"},
    {"name": "乙电压", "item": "02010100", "meter": "2"},
]


def test_a_silent_meter_costs_its_own_points_and_is_asked_less_often() -> None:
    good, dead = Meter("1", x00010000="1"), Meter("2", x00010000="2", x02010100="220")
    dead.silent = True

    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"甲": "1.00"}
        assert opened.remarks == ("乙、乙电压：电表 000000000002 在 0.05 秒内没有应答",)
        dead.silent = False
        assert values(await opened.read(NOW + timedelta(seconds=5))) == {"甲": "1.00"}
        found = await opened.read(NOW + timedelta(seconds=10))
        assert values(found) == {"甲": "1.00", "乙": "2.00", "乙电压": "220.0"}
        assert not opened.remarks

    behind_tcp(Bus(good, dead), work, points=TWO, timeout_seconds=0.05)


def test_a_poll_that_takes_too_long_goes_on_where_it_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dlt645, "POLL_SECONDS", 0)
    dead = [Meter(str(number), x00010000="9") for number in range(1, 9)]
    good = Meter("9", x00010000="9")
    for meter in dead:
        meter.silent = True
    points = [
        {"name": f"P{number}", "item": "00010000", "meter": str(number)} for number in range(1, 10)
    ]

    async def work(opened: Dlt645Source) -> None:
        for _ in range(len(dead)):
            try:
                found = await opened.read(NOW)
            except SourceFault:  # ended among the dead; the collector opens the source again
                await opened.close()
                await opened.open()
            else:
                assert values(found) == {"P9": "9.00"}
                return
        raise AssertionError("the meter at the end is never read")

    behind_tcp(Bus(*dead, good), work, points=points, timeout_seconds=0.03)


def test_a_refused_item_costs_its_own_point() -> None:
    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"甲": "1.00", "乙": "2.00"}
        assert opened.remarks == ("乙电压：电表 000000000002 拒绝读取：无请求数据",)

    behind_tcp(Bus(Meter("1", x00010000="1"), Meter("2", x00010000="2")), work, points=TWO)


def test_a_value_that_the_meter_has_not_is_told() -> None:
    meter = Meter("1")
    meter.raw = {"02010100": b"\xff\xff", "02010200": b"\x0a\x22", "02010300": b"\x00\x22"}
    points = [{"name": name, "item": f"02010{at}00"} for at, name in enumerate("abc", start=1)]

    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"c": "220.0"}
        assert opened.remarks == (
            "a：电表 AAAAAAAAAAAA 的数据项 02010100：没有有效数据（全为 FF）",
            "b：电表 AAAAAAAAAAAA 的数据项 02010200：数据 22 0A 不是 BCD 码",
        )

    behind_tcp(Bus(meter), work, points=points, blocks=False)


def test_a_block_with_fewer_tariffs_gives_those_that_are_there() -> None:
    meter = Meter("1", x00010000="3", x00010100="1")
    points = [{"name": f"T{at}", "item": f"00010{at}00"} for at in range(3)]

    async def work(opened: Dlt645Source) -> None:
        assert values(await opened.read(NOW)) == {"T0": "3.00", "T1": "1.00"}
        assert "没有这一项" in opened.remarks[0]

    behind_tcp(Bus(meter), work, points=points)
