"""While uploads come in, the sender rests as long as it worked; otherwise it does not."""

from __future__ import annotations

import pytest

from nenghao.platform.uplink.pace import LOOK_SECONDS, Pace
from tests.platform.energy import NOW, record, send
from tests.platform.uplink.nation import Province


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_it_rests_while_uploads_come_in(province: Province) -> None:
    peer, rests, moment = province.unit(), list[float](), [0.0]
    pace = Pace(province.store, rests.append, lambda: moment[0])
    send(province.store, peer, [record(1)])
    pace(0.5)
    assert rests == [], "an old backlog is no upload"
    send(province.store, peer, [record(2)], now=NOW.replace(minute=31))
    pace(0.5)
    assert rests == [], "it looks every two seconds"
    moment[0] += LOOK_SECONDS
    pace(0.5)
    pace(0.25)
    assert rests == [0.5, 0.25]
    moment[0] += LOOK_SECONDS
    pace(0.5)
    assert rests == [0.5, 0.25]
