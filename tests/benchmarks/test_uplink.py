"""The uplink's benchmark sends what was taken in, and the nation's side takes all of it."""

from __future__ import annotations

import zlib
from pathlib import Path

from benchmarks.uplink import drain, ground, mark_all, receive
from nenghao.standard.messages.energy_data import read_upload


def test_all_values_are_sent_and_received(tmp_path: Path) -> None:
    units, days, items = 2, 2, 3
    with ground(tmp_path / "here", units, items) as here:
        for day in range(days):
            here.take_in(day)
        assert here.taken() > 0
        mark_all(here)
        speed, sink = drain(here, 2, keep=True)
        assert speed > 0
        assert sink.kept is not None
        bodies = [zlib.decompress(body, 31) for body in sink.kept]
        assert sum(len(read_upload(body).data) for body in bodies) == units * days * items * 96
        assert receive(tmp_path / "nation", here, sink.kept) > 0
