"""How the totals of one frame are stored (合计的存储形式): pure.

JSON, since its integers have no upper limit and a device may send 10³⁰⁰; compressed, since most of
it is digits. A total is its twenty numbers in the order of table B.6: `origin` and `value` of each
indicator.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

import msgspec
import zstandard
from msgspec import Struct

from nenghao.platform.totals.places import Place
from nenghao.standard.indicators import INDICATORS, Total, Totals

Numbers = list[int]
"""The twenty numbers of a total."""

NUMBERS: Final = 2 * len(INDICATORS)
_LEVEL: Final = 1


class UnitTotals(Struct, array_like=True):
    """A unit's totals of the periods of one frame."""

    places: list[Place]
    """Where it was counted in some of the periods."""
    slots: dict[int, Numbers]
    """By slot the place's number in `places`, then the twenty numbers; periods without any
    value have none."""

    def at(self, slot: int) -> tuple[Place, Numbers] | None:
        """Place and numbers of a period."""
        row = self.slots.get(slot)
        return None if row is None else (self.places[row[0]], row[1:])

    def put(self, slot: int, total: tuple[Place, Numbers] | None) -> None:
        """Replace a period's total."""
        if total is None:
            self.slots.pop(slot, None)
            return
        place, numbers = total
        if place not in self.places:
            self.places.append(place)
        self.slots[slot] = [self.places.index(place), *numbers]

    def tidied(self) -> UnitTotals:
        """The same with the places and slots that are left, in order: equal ones pack alike."""
        made = UnitTotals([], {})
        for slot in sorted(self.slots):
            made.put(slot, self.at(slot))
        return made


Sums = dict[int, list[int]]
"""By slot how many units were added, then the twenty sums."""

_unit = msgspec.json.Decoder(UnitTotals)
_sums = msgspec.json.Decoder(Sums)


def unit_bytes(totals: UnitTotals) -> bytes:
    """A row of `unit_total`."""
    return _packed(totals)


def unit_from(data: bytes) -> UnitTotals:
    """What `unit_bytes` packed."""
    return _unit.decode(zstandard.decompress(data))


def sums_bytes(sums: Sums) -> bytes:
    """A row of `roll_up`."""
    return _packed({slot: sums[slot] for slot in sorted(sums)})


def sums_from(data: bytes) -> Sums:
    """What `sums_bytes` packed."""
    return _sums.decode(zstandard.decompress(data))


def _packed(value: object) -> bytes:
    return zstandard.compress(msgspec.json.encode(value), _LEVEL)


def numbers_of(totals: Totals) -> Numbers:
    """A total as its twenty numbers."""
    return list(chain.from_iterable(totals[code] for code in INDICATORS))


def totals_of(numbers: Sequence[int]) -> Totals:
    """The inverse of `numbers_of`."""
    return {
        code: Total(numbers[2 * place], numbers[2 * place + 1])
        for place, code in enumerate(INDICATORS)
    }
