"""Fixtures of the page: a device to be visited."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette", reason="pip install nenghao[page]")
pytest.importorskip("uvicorn", reason="pip install nenghao[page]")

from tests.device.web.desks import Visitors
from tests.device.world import World


@pytest.fixture
def visitors(world: World) -> Visitors:
    return Visitors(world)
