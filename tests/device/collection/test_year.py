"""A device in simulated time with outages at random: all that was read arrives, once, as corrected.

Fresh seeds every time; a failure names its seed. To look at one again:
`NENGHAO_TEST_SEED=123 pytest tests/device/collection/test_year.py -k again`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from nenghao.device.home import DeviceHome
from tests.device.collection.simulation import Life, queue_is_empty

Record = Callable[[str, object], None]

SEEDS = 50
DAYS = 6
PER_TEST = 10


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Fifty lives have much to log."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


def fresh_seeds(number: int, record_property: Record) -> list[int]:
    """Seeds nobody has tried yet, shown at the end whatever becomes of them."""
    seeds = [secrets.randbelow(2**32) for _ in range(number)]
    record_property("seeds", " ".join(map(str, seeds)))
    return seeds


def live(folder: Path, credentials: Path, seed: int, days: int) -> None:
    home = DeviceHome.create(
        folder / f"{seed}", platform="platform.test:9443", credentials=credentials
    )
    life = Life(home, seed, days)
    try:
        life.run()
        life.check()
        assert queue_is_empty(home)
    except BaseException as error:
        error.add_note(f"seed {seed}, {days} days")
        print(f"failed with seed {seed}, {days} days")
        raise


@pytest.mark.clause("3.4-1")
@pytest.mark.clause("6.2.5-8")
@pytest.mark.parametrize("part", range(SEEDS // PER_TEST))
def test_days_with_outages_of_platform_sources_and_power(
    part: int, tmp_path: Path, credentials: Path, record_property: Record
) -> None:
    for seed in fresh_seeds(PER_TEST, record_property):
        live(tmp_path, credentials, seed, DAYS)


def test_one_seed_again(tmp_path: Path, credentials: Path) -> None:
    live(tmp_path, credentials, int(os.environ.get("NENGHAO_TEST_SEED", "20260301")), DAYS)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_a_thousand_lives(
    part: int, tmp_path: Path, credentials: Path, record_property: Record
) -> None:
    for seed in fresh_seeds(100, record_property):
        live(tmp_path / f"{seed}", credentials, seed, DAYS)
        shutil.rmtree(tmp_path / f"{seed}")


@pytest.mark.soak
@pytest.mark.parametrize("part", range(3))
def test_a_whole_year(
    part: int, tmp_path: Path, credentials: Path, record_property: Record
) -> None:
    for seed in fresh_seeds(1, record_property):
        live(tmp_path, credentials, seed, 365)
