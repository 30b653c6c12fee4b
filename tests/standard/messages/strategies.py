"""Hypothesis strategies for every message: what a correct sender may say.

`messages(cls)` builds any message class from its fields; `energy_records` and `uploads` know the
grid that statDate must lie on.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from nenghao.standard import forms, periods
from nenghao.standard.forms import Form
from nenghao.standard.messages import Message
from nenghao.standard.messages.energy_data import (
    EnergyDownloadRequest,
    EnergyRecord,
    EnergyUpload,
)
from nenghao.standard.messages.fields import FieldPlan, fields_of
from nenghao.standard.messages.statistics import Timespan
from nenghao.standard.periods import StatType

M = TypeVar("M", bound=Message)

device_ids = st.text("0123456789abcdef", min_size=32, max_size=32)
credit_codes = st.from_regex(forms.CREDIT_CODE.pattern or "", fullmatch=True)
data_codes = st.from_regex(forms.DATA_CODE.pattern or "", fullmatch=True)
texts = (
    st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
    .filter(str.strip)
    .map(str)
)
finite = st.floats(allow_nan=False, allow_infinity=False)
times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59)).map(
    lambda time: periods.format_time(time.replace(microsecond=0))
)


@st.composite
def stat_dates(draw: st.DrawFn, stat_type: StatType) -> str:
    """A statDate on the grid of its stat type, in the years that data may bear."""
    day = draw(st.dates(date(2000, 1, 1), date(2099, 12, 30)))
    if stat_type is StatType.REALTIME:
        return periods.format_time(draw(st.sampled_from(periods.day_ticks(day))))
    midnight = datetime(day.year, day.month, day.day)
    return periods.format_time(periods.period_start(stat_type, midnight))


@st.composite
def energy_records(draw: st.DrawFn) -> EnergyRecord:
    """A record as a correct device sends it."""
    stat_type = draw(st.sampled_from(StatType))
    return EnergyRecord(
        data_code=draw(data_codes),
        data_value=draw(finite),
        input_type=draw(st.integers(1, 7)),
        stat_type=int(stat_type),
        stat_date=draw(stat_dates(stat_type)),
        upload_date=draw(times),
        scope=draw(st.integers(1, 4)),
        valid=draw(st.booleans()),
    )


def uploads(most: int = 6) -> SearchStrategy[EnergyUpload]:
    """Batches of one to `most` records."""
    records = st.lists(energy_records(), min_size=1, max_size=most)
    return st.builds(EnergyUpload, device_ids, credit_codes, records)


def _values(form: Form) -> SearchStrategy[Any]:
    if form in (forms.TIME, forms.CALENDAR_TIME):
        return times
    if form.json_type == "boolean":
        return st.booleans()
    if form is forms.NUMBER_OR_EMPTY:
        return finite | st.just("")
    if form.json_type == "number":
        if form.lowest is None or form.highest is None:
            return finite if form is forms.MEASURED else finite | st.integers(-(10**15), 10**15)
        return st.floats(form.lowest, form.highest)
    if form.json_type == "integer":
        assert form.lowest is not None
        assert form.highest is not None
        return st.integers(int(form.lowest), int(form.highest))
    if form.pattern is not None:
        return st.from_regex(form.pattern, fullmatch=True)
    return texts


def _field(plan: FieldPlan) -> SearchStrategy[Any]:
    if plan.field.form is not None:
        return _values(plan.field.form)
    assert plan.inner is not None
    inner = messages(plan.inner)
    if plan.shape == "array":
        return st.lists(inner, min_size=1 if plan.field.needed else 0, max_size=2)
    if plan.shape == "map":
        return st.dictionaries(st.sampled_from(["elec", "coal", "zhnyxfl"]), inner)
    return inner


@st.composite
def messages(draw: st.DrawFn, cls: type[M]) -> M:
    """A message of `cls` that breaks no form; what may be absent sometimes is."""
    if issubclass(cls, EnergyRecord):
        return draw(energy_records())  # type: ignore[return-value]
    values = {}
    for plan in fields_of(cls):
        if plan.wire == "responseCode":
            continue  # "0": a failure has nothing else
        if plan.field.needed or draw(st.booleans()):
            values[plan.name] = draw(_field(plan))
    message = cls(**values)
    if isinstance(message, Timespan | EnergyDownloadRequest):
        begin, end = sorted((message.begin_time, message.end_time))
        message.begin_time, message.end_time = begin, end
    return message
