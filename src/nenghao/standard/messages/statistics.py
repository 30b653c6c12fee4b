"""Energy statistics of a region or an industry (能耗统计数据接口; 7.3.1, 7.3.2, C.1, C.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import field

from nenghao.standard import forms
from nenghao.standard.messages.exchange import SecurityParams
from nenghao.standard.messages.fields import Answer, Message, present, required

PERIOD_CODES = ("day", "month", "year")
SOURCES = ("online", "report")


class Timespan(Message):
    """Kind of period, half-open span in epoch milliseconds, and source of the data."""

    period_code: Annotated[str, required(forms.choice(*PERIOD_CODES))]
    begin_time: Annotated[int, required(forms.EPOCH_MS)]
    end_time: Annotated[int, required(forms.EPOCH_MS)]
    onlin_or_report: Annotated[str, required(forms.choice(*SOURCES))] = field(name="onlinORreport")

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if self.begin_time > self.end_time:
            yield "beginTime", "应不晚于 endTime"


class RegionStatisticsQuery(Timespan):
    """What is asked about a region."""

    region_code: Annotated[str, required(forms.REGION_CODE)]


class IndustryStatisticsQuery(Timespan):
    """What is asked about an industry."""

    industry_code: Annotated[str, required(forms.INDUSTRY_CODE)]


class RegionStatisticsRequest(Message):
    """getRegionData."""

    security_params: Annotated[SecurityParams, required()]
    query_param: Annotated[RegionStatisticsQuery, required()]


class IndustryStatisticsRequest(Message):
    """getIndustryData."""

    security_params: Annotated[SecurityParams, required()]
    query_param: Annotated[IndustryStatisticsQuery, required()]


class IndicatorValue(Message):
    """One indicator of table B.6: amount in `unit_name`, and tonnes of standard coal (吨标准煤).

    Both are rounded to two decimals by whoever computes them.
    """

    origin_value: Annotated[float, required(forms.NUMBER)] = field(name="OriginValue")
    value: Annotated[float, required(forms.NUMBER)]
    unit_name: Annotated[str, required(forms.TEXT)]


class StatisticsAnswer(Answer):
    """Indicator code of table B.6 → value."""

    data: Annotated[dict[str, IndicatorValue], present()] = field(default_factory=dict)
