from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncua
import pytest

from nenghao.device.sources import opcua_values
from nenghao.device.sources.base import FaultKind
from nenghao.device.sources.opcua_client import kind_of

ua: Any = asyncua.ua
Kind = ua.VariantType


@pytest.mark.parametrize(
    ("value", "kind", "number"),
    [
        (7, Kind.Int16, "7"),
        (2**64 - 1, Kind.UInt64, "18446744073709551615"),
        (1.100000023841858, Kind.Float, "1.1"),
        (0.1, Kind.Double, "0.1"),
        (True, Kind.Boolean, "1"),
        (" 12.50 ", Kind.String, "12.50"),
    ],
)
def test_numbers_of_every_type_are_read_exactly(value: Any, kind: Any, number: str) -> None:
    assert opcua_values.number(ua.Variant(value, kind), None) == Decimal(number)


def test_an_element_of_an_array_is_chosen_by_its_place() -> None:
    array = ua.Variant([1.5, 2.5, 3.5], Kind.Double)
    assert opcua_values.number(array, 1) == Decimal("2.5")
    assert opcua_values.number(array, -1) == Decimal("3.5")


@pytest.mark.parametrize(
    ("variant", "index", "word"),
    [
        (None, None, "没有值"),
        (ua.Variant(None), None, "没有值"),
        (ua.Variant(float("nan"), Kind.Double), None, "不是数值"),
        (ua.Variant("off", Kind.String), None, "不是数值"),
        (ua.Variant(b"1", Kind.ByteString), None, "不是数值"),
        (ua.Variant([1, 2], Kind.Int32), None, "请给出 index"),
        (ua.Variant([1, 2], Kind.Int32), 2, "只有 2 个元素"),
        (ua.Variant(1, Kind.Int32), 0, "不是数组"),
    ],
)
def test_what_is_no_number_says_why(variant: Any, index: int | None, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        opcua_values.number(variant, index)


def test_times_become_china_standard_time() -> None:
    noon = datetime(2026, 3, 1, 12, 0)
    assert opcua_values.local(datetime(2026, 3, 1, 4, 0, tzinfo=UTC)) == noon
    assert opcua_values.local(datetime(2026, 3, 1, 4, 0)) == noon
    assert opcua_values.local(datetime(1601, 1, 1)) is None
    assert opcua_values.local(datetime(9999, 12, 31, 23)) is None
    assert opcua_values.local(None) is None


def test_a_value_without_a_source_time_holds_at_the_servers() -> None:
    server = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
    data = ua.DataValue(ua.Variant(1.0), SourceTimestamp=None, ServerTimestamp=server)
    assert opcua_values.stamp(data) == datetime(2026, 3, 1, 12, 0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("BadUserAccessDenied", FaultKind.CREDENTIALS),
        ("BadCertificateUntrusted", FaultKind.CREDENTIALS),
        ("BadNodeIdUnknown", FaultKind.CONFIGURATION),
        ("BadCommunicationError", FaultKind.UNREACHABLE),
        ("BadSessionIdInvalid", FaultKind.UNREACHABLE),
        ("BadTimeout", FaultKind.TIMEOUT),
        ("BadInternalError", FaultKind.GARBAGE),
    ],
)
def test_status_codes_are_sorted_into_the_five_kinds(name: str, kind: FaultKind) -> None:
    assert kind_of(name) is kind
