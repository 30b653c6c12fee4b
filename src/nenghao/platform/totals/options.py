"""The settings of the arithmetic (核算设置), as the kept totals go by them (docs/decisions 7).

They stand in the database, for everybody who computes, and change when a platform starts with
other ones: then exactly the totals that they touch are marked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Protocol

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from nenghao.platform import state
from nenghao.platform.totals import marks
from nenghao.standard.energy_amounts import OUTPUT_VALUE_CODE
from nenghao.standard.indicators import Options

_LNG = "00-00-0000-0216"
_ELECTRICITY = "00-00-0000-0233"


class Settings(Protocol):
    """The platform's settings that decide how energy is computed."""

    @property
    def lng_factor(self) -> str: ...

    @property
    def output_value_code(self) -> str: ...

    @property
    def electricity_equivalents(self) -> Mapping[int, Decimal]: ...


class Arithmetic(Struct, frozen=True):
    """The settings of the arithmetic; decimals as text."""

    lng_factor: str = "0.138"
    output_value_code: str = OUTPUT_VALUE_CODE
    equivalents: tuple[tuple[int, str], ...] = ()
    """Year and 等价 factor of electricity, 吨标准煤/万千瓦时; by year."""

    @property
    def factors(self) -> dict[int, str]:
        """The 等价 factors by year."""
        return dict(self.equivalents)

    def of_year(self, year: int) -> Options:
        """What `standard.indicators` computes a period of that year with."""
        return _options(self, year)


@cache
def _options(arithmetic: Arithmetic, year: int) -> Options:
    factor = arithmetic.factors.get(year)
    return Options(
        lng_factor=Decimal(arithmetic.lng_factor),
        equivalent=None if factor is None else Decimal(factor),
        output_value_code=arithmetic.output_value_code,
    )


def of(conn: Connection) -> Arithmetic:
    """The settings that the totals go by now."""
    text = state.text(conn, state.TOTALS_OPTIONS)
    return Arithmetic() if text is None else msgspec.json.decode(text, type=Arithmetic)


def note(conn: Connection, settings: Settings) -> bool:
    """Go by the settings from now on; whether that is anything new. Needs a write transaction."""
    marks.hold(conn)
    before = of(conn)
    after = Arithmetic(
        lng_factor=format(Decimal(settings.lng_factor), "f"),
        output_value_code=settings.output_value_code,
        equivalents=tuple(
            (year, format(factor, "f"))
            for year, factor in sorted(settings.electricity_equivalents.items())
        ),
    )
    if after == before:
        return False
    state.put(conn, state.TOTALS_OPTIONS, msgspec.json.encode(after).decode())
    _touch(conn, before, after)
    return True


def _touch(conn: Connection, before: Arithmetic, after: Arithmetic) -> None:
    prefixes: list[str] = []
    if before.lng_factor != after.lng_factor:
        prefixes.append(_LNG)
    if before.output_value_code != after.output_value_code:
        prefixes += [before.output_value_code, after.output_value_code]
    for prefix in prefixes:
        marks.touch_codes(conn, prefix)
    years = _changed(before.factors, after.factors)
    if years:
        marks.touch_codes(conn, _ELECTRICITY, date(min(years), 1, 1))


def _changed(before: Mapping[int, str], after: Mapping[int, str]) -> Sequence[int]:
    return [year for year in before.keys() | after.keys() if before.get(year) != after.get(year)]
