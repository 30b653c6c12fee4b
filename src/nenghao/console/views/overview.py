"""The overview as a whole (总览): what an operator is shown of it, and where the tiles lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from nenghao.console.views.overview_alarms import Alarm, Uplink
from nenghao.console.views.overview_arrival import Arrival
from nenghao.console.views.overview_energy import CITIES, Energy

TILES: Final = {
    "210900": (1, 2), "211200": (1, 4),
    "211300": (2, 1), "210700": (2, 2), "210100": (2, 4), "210400": (2, 5),
    "211400": (3, 1), "211100": (3, 3), "211000": (3, 4), "210500": (3, 5),
    "210800": (4, 3), "210300": (4, 4), "210600": (4, 5),
    "210200": (5, 3),
}  # fmt: skip
"""Row and column of each city of Liaoning (辽宁十四市), as they lie to each other on a map."""


@dataclass(frozen=True)
class Look:
    """What one operator sees; None: what he may not see."""

    at: datetime
    arrival: Arrival
    energy: Energy | None
    uplink: Uplink | None
    alarms: tuple[Alarm, ...]
    """The worst first."""

    @property
    def is_empty(self) -> bool:
        """Whether no unit ever registered."""
        return self.arrival.units == 0


def ordered(alarms: list[Alarm]) -> tuple[Alarm, ...]:
    """The worst first, else as they came."""
    return tuple(sorted(alarms, key=lambda one: one.kind != "bad"))


@dataclass(frozen=True)
class Tile:
    """A city on the map."""

    code: str
    name: str
    row: int
    column: int
    amount: int | None
    """In 10⁻⁹ 吨标准煤; None where that may not be seen."""
    change: float | None
    troubled: int
    """Late and silent units."""
    depth: float
    """0 to 1: the city's amount as a part of the largest one's; where amounts may not be seen,
    its troubled units as a part of the most."""


def tiles(look: Look) -> tuple[Tile, ...]:
    """The fourteen cities, from north to south."""
    troubled = {code: look.arrival.troubled.get(code[:4], 0) for code in TILES}
    names = dict(CITIES)
    shares = {} if look.energy is None else {one.code: one for one in look.energy.cities}
    most = max((one.total for one in shares.values()), default=0)
    worst = max(troubled.values(), default=0)
    made = []
    for code, (row, column) in TILES.items():
        share = shares.get(code)
        part, whole = (troubled[code], worst) if share is None else (max(share.total, 0), most)
        made.append(
            Tile(
                code,
                names[code].removesuffix("市"),
                row,
                column,
                None if share is None else share.total,
                None if share is None else share.change,
                troubled[code],
                part / whole if whole > 0 else 0.0,
            )
        )
    return tuple(made)
