"""Fixtures of the page: a device to be visited."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette", reason="pip install nenghao[page]")
pytest.importorskip("uvicorn", reason="pip install nenghao[page]")

from nenghao.device.web import access
from tests.device.web.desks import Visitors
from tests.device.world import World


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same function with less work: these tests are about what is done with passwords."""
    monkeypatch.setattr(access, "_N", 2**4)


@pytest.fixture
def visitors(world: World) -> Visitors:
    return Visitors(world)
