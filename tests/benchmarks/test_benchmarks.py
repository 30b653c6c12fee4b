"""The benchmarks measure what they say: the same values everywhere, and all of it answered."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from benchmarks.growth import ITEMS, Days
from benchmarks.report import at_share
from benchmarks.stores import json_lines, labels, line_protocol, unix
from benchmarks.whole_path import Load, measure
from benchmarks.world import DAY, TICKS, Device, Province
from nenghao.standard.messages.energy_data import read_upload
from tests.platform.world import STEEL, unit_code


def test_the_share_of_a_list_is_its_nearest_rank() -> None:
    hundred = [float(number) for number in range(100)]
    assert (at_share(hundred, 0.5), at_share(hundred, 0.99)) == (50.0, 99.0)
    assert at_share([3.0], 0.99) == 3.0


def test_other_stores_get_the_values_of_our_batches() -> None:
    device = Device(STEEL, "0" * 32, None)  # type: ignore[arg-type]
    ours = [record.data_value for record in read_upload(device.batch(480, 3)).data]
    lines = line_protocol(3, 1).decode().splitlines()
    assert [float(line.split()[1].removeprefix("value=")) for line in lines] == ours
    rows = [json.loads(line) for line in json_lines(3).splitlines()]
    assert [value for row in rows for value in row["values"]] == ours
    assert rows[0]["timestamps"] == [1000 * unix(label) for label in labels(3)]
    assert unix(DAY) == 1767196800  # 2025-12-31T16:00:00Z
    assert int(lines[0].split()[2]) == unix(DAY + timedelta(days=3, minutes=15))


def test_growth_makes_the_batch_of_any_unit_and_day() -> None:
    province = Province.__new__(Province)
    province.devices = [
        Device(code, letter * 32, None)  # type: ignore[arg-type]
        for code, letter in ((STEEL, "a"), (unit_code(1), "b"))
    ]
    read = read_upload(Days(province).body(1, 40))
    assert (read.device_id, read.enterprise_code) == ("b" * 32, unit_code(1))
    whole = read_upload(province.devices[1].batch(ITEMS, 40))
    assert [one.stat_date for one in read.data] == [one.stat_date for one in whole.data]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_whole_path_is_measured_over_a_served_platform(workers: int) -> None:
    ((load, found),) = measure(workers, [Load(2, 2, 4, "zstd")], 1)
    assert load.records == 2 * TICKS
    assert 0 < found.ratio < 1
    assert len(found.latencies) == 4
    assert min(found.latencies) > 0
