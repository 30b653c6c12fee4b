"""Nothing is lost or counted twice: totals and sums after whatever may happen to uploads.

Each scene is held against an independent, naive implementation (`tests.standard.naive_energy`).
Together with those of `test_conservation_in_memory` the properties are tried on 2,000 cases and
more; `make soak` tries more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.platform.registry import Peer
from nenghao.platform.store.engine import Store
from tests.platform.totals.conserving import cases, conserved
from tests.platform.totals.events import EVENTS, UPLOADS, Event, Upload
from tests.platform.totals.scenes import (
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
