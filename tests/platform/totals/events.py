"""What may happen to a few units' data: uploads, configurations, coefficients, time going by."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from hypothesis import strategies as st

from nenghao.standard import periods
from nenghao.standard.messages.energy_data import EnergyRecord
from tests.standard.naive_energy import DAY, MONTH, YEAR

BEGIN = datetime(2026, 3, 10, 8)
"""When a scene begins."""
UNITS = 3
REGISTERED = ("210102", "210103", "210202")
PLACES = (
    ("210102", "C2511"),
    ("210100", "C2519"),
    ("210202", "C3110"),
    ("210103", "D4411"),
    ("210200", "O8100"),
    ("130102", "C25"),
)
CODES = (
    "00-00-0000-023300-11",
    "00-00-0000-023300-60",
    "00-00-0000-010100-10",
    "00-00-0000-010100-20",
    "00-00-0000-010100-51",
    "00-00-0000-010100-52",
    "00-00-0000-020900-30",
    "00-00-0000-021600-21",
    "00-00-0000-090100-80",
    "00-00-0000-050100-11",
    "00-00-0000-063300-11",
    "01-00-0000-023300-11",
    "00-00-0000-024000-11",
)
DATES = {
    DAY: (
        datetime(2025, 12, 31),
        datetime(2026, 2, 28),
        datetime(2026, 3, 1),
        datetime(2026, 3, 10),
        datetime(2026, 3, 11),
        datetime(2026, 3, 14),
    ),
    MONTH: (
        datetime(2025, 12, 1),
        datetime(2026, 2, 1),
        datetime(2026, 3, 1),
        datetime(2026, 4, 1),
    ),
    YEAR: (datetime(2025, 1, 1), datetime(2026, 1, 1)),
}


class Upload(NamedTuple):
    """A unit sends records."""

    unit: int
    records: tuple[EnergyRecord, ...]


class Configured(NamedTuple):
    """A unit tells its region and industry."""

    unit: int
    region: str
    industry: str


class Registered(NamedTuple):
    """A unit registers again, in another county."""

    unit: int
    region: str


class Coefficient(NamedTuple):
    """The operator sets a coefficient from a day on."""

    kind: tuple[str, str]
    zbckz: str
    since: date


class Settled(NamedTuple):
    """Somebody asks, or the settler comes by."""

    hours: int
    """Before that so much time goes by."""


Event = Upload | Configured | Registered | Coefficient | Settled


def _records() -> st.SearchStrategy[EnergyRecord]:
    def made(
        code: str, when: tuple[int, datetime], value: float, sent: int, kind: int, valid: bool
    ) -> EnergyRecord:
        stat_type, start = when
        return EnergyRecord(
            data_code=code,
            data_value=value,
            input_type=kind,
            stat_type=stat_type,
            stat_date=periods.format_time(start),
            upload_date=periods.format_time(BEGIN + timedelta(hours=sent)),
            scope=1,
            valid=valid,
        )

    moments = [(kind, start) for kind, starts in DATES.items() for start in starts]
    values = st.one_of(
        st.integers(0, 4000).map(lambda number: number / 8),
        st.sampled_from([0.0, 0.7, 1.1, -3.5, 1e300, 0.000317, 1e-12, 123456789.0123456]),
    )
    return st.builds(
        made,
        st.sampled_from(CODES),
        st.sampled_from(moments),
        values,
        st.integers(-30, 60),
        st.sampled_from([1, 1, 1, 5]),
        st.sampled_from([True, True, True, True, False]),
    )


RECORDS = _records()
UPLOADS = st.builds(
    Upload,
    st.integers(0, UNITS - 1),
    st.lists(RECORDS, min_size=1, max_size=8).map(tuple),
)
SMALL_UPLOADS = st.builds(
    Upload,
    st.integers(0, UNITS - 1),
    st.lists(RECORDS, min_size=1, max_size=4).map(tuple),
)
EVENTS: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(
        UPLOADS,
        UPLOADS,
        UPLOADS,
        st.builds(
            lambda number, place: Configured(number, *place),
            st.integers(0, UNITS - 1),
            st.sampled_from(PLACES),
        ),
        st.builds(Registered, st.integers(0, UNITS - 1), st.sampled_from(REGISTERED)),
        st.builds(
            Coefficient,
            st.sampled_from([("02", "3300"), ("01", "0100"), ("02", "0900")]),
            st.sampled_from(["0.5", "0.9", "1.5"]),
            st.sampled_from([date(2025, 6, 1), date(2026, 3, 1), date(2026, 3, 11)]),
        ),
        st.builds(Settled, st.sampled_from([0, 1, 20, 70])),
    ),
    min_size=1,
    max_size=7,
)
