"""Nothing is lost or counted twice: totals and sums after whatever may happen to uploads.

Each scene is held against an independent, naive implementation (`tests.standard.naive_energy`).
Together the properties of this module are tried on 2,000 cases and more; `make soak` tries more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import Store
from tests.platform.totals.events import EVENTS, SMALL_UPLOADS, UPLOADS, Event, Upload
from tests.platform.totals.in_memory import Frames, sums_of_frames
from tests.platform.totals.scenes import (
    Period,
    Scene,
    contents,
    kept,
    kept_sums,
    playing,
    stage,
    sums_of,
)
from tests.platform.world import fill
from tests.postgres import Server

Stage = tuple[Store, list[Peer]]
Sums = dict[tuple[Period, str, str], list[int]]


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    yield from staged(f"sqlite:///{tmp_path_factory.mktemp('totals') / 'nenghao.db'}")


@pytest.fixture(scope="module")
def postgresql(postgres: Server) -> Iterator[Stage]:
    with postgres.database() as url:
        yield from staged(url)


def staged(url: str) -> Iterator[Stage]:
    fill(url)
    store = Store.open(url)
    yield store, stage(store)
    store.close()


def cases(number: int) -> settings:
    return settings(
        deadline=None,
        max_examples=number,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def check(scene: Scene) -> None:
    """Totals are the naive ones, and every sum is that of the units it names."""
    expected = scene.expected()
    assert kept(scene) == expected
    sums = kept_sums(scene)
    for region, industry in {(region, industry) for _, region, industry in sums}:
        told = {one: row for (one, *cell), row in sums.items() if cell == [region, industry]}
        assert told == sums_of(expected, region, industry)
    everything = sums_of(expected, "*", "*")
    assert {one for one, *_ in sums} == everything.keys()
    for period, row in everything.items():
        conserved(sums, period, row)


def conserved(sums: Sums, period: Period, everything: list[int]) -> None:
    """Σ counties = Σ cities = Σ provinces = Σ industry subtrees = Σ base, for one period.

    With the counties go units that gave no more than a city, with the industries those that gave
    none.
    """
    rows = {(region, of): row for (its, region, of), row in sums.items() if its == period}
    base = {cell: row for cell, row in rows.items() if not cell[0].endswith("*")}
    regions = {region[:-1]: row for (region, industry), row in rows.items() if industry == "*"}
    industries = {industry[:-1]: row for (region, industry), row in rows.items() if region == "*"}
    in_cities = [row for (region, _), row in base.items() if region.endswith("00")]
    in_none = [row for (_, industry), row in base.items() if not industry]
    for level in (
        list(base.values()),
        [regions[""]],
        [row for digits, row in regions.items() if len(digits) == 2],
        [row for digits, row in regions.items() if len(digits) == 4],
        [row for digits, row in regions.items() if len(digits) == 6] + in_cities,
        [row for letters, row in industries.items() if len(letters) == 1] + in_none,
        [row for letters, row in industries.items() if len(letters) == 3] + in_none,
    ):
        assert [sum(column) for column in zip(*level, strict=True)] == everything


def play(stage: Stage, events: list[Event]) -> None:
    with playing(*stage) as scene:
        for event in events:
            scene.play(event)
        scene.settle()
        check(scene)


@cases(280)
@given(events=EVENTS)
def test_totals_are_the_naive_ones_and_sums_add_up(sqlite: Stage, events: list[Event]) -> None:
    play(sqlite, events)


@cases(25)
@given(events=EVENTS)
def test_they_do_on_postgresql(postgresql: Stage, events: list[Event]) -> None:
    play(postgresql, events)


@pytest.mark.soak
@cases(3000)
@given(events=EVENTS)
def test_they_do_for_long(sqlite: Stage, events: list[Event]) -> None:
    play(sqlite, events)


@cases(25)
@given(uploads=st.lists(UPLOADS, min_size=1, max_size=5), data=st.data())
def test_settling_at_every_step_comes_to_the_same_as_once(
    sqlite: Stage, uploads: list[Upload], data: st.DataObject
) -> None:
    with playing(*sqlite) as scene:
        for upload in uploads:
            scene.play(upload)
        scene.settle()
        once = contents(scene.conn)
    with playing(*sqlite) as scene:
        for upload in uploads:
            scene.play(upload)
            if data.draw(st.booleans()):
                scene.settle()
        scene.settle()
        assert contents(scene.conn) == once


@cases(1700)
@given(uploads=st.lists(SMALL_UPLOADS, min_size=1, max_size=3), data=st.data())
def test_order_repetition_and_partial_uploads_change_nothing(
    uploads: list[Upload], data: st.DataObject
) -> None:
    """Without a database: frames, arithmetic and sums as intake and settling put them together."""
    straight = Frames()
    for number, upload in enumerate(uploads):
        straight.take(upload, number)
    again = list(enumerate(uploads))
    for number, upload in data.draw(st.lists(st.sampled_from(again), max_size=3)):
        some = data.draw(st.integers(1, len(upload.records)))
        last = {
            (one.data_code, one.stat_type, one.stat_date, one.input_type == 5): one
            for one in upload.records
        }
        again.append((number, Upload(upload.unit, tuple(last.values())[:some])))
    crooked = Frames()
    for number, upload in data.draw(st.permutations(again)):
        crooked.take(upload, number)
    assert crooked.planes == straight.planes
    totals, sums = sums_of_frames(straight)
    assert totals == straight.expected()
    for period, row in sums_of(totals, "*", "*").items():
        conserved(sums, period, row)
