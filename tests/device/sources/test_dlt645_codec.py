from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nenghao.device.sources import dlt645_codec as codec
from nenghao.device.sources import dlt645_items
from nenghao.device.sources.dlt645_codec import ANY_ADDRESS, BadFrame, Decoder, Frame, MeterError


def sent(text: str) -> bytes:
    return bytes.fromhex(text)


def only(raw: bytes) -> Frame:
    (frame,) = Decoder().feed(raw)
    return frame


# Frames between real meters and masters, as published in descriptions of the protocol.
METER_61 = "000000000161"
METER_94 = "558890213594"


# --- literal frames ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meter", "item", "raw"),
    [
        (ANY_ADDRESS, "00010000", "68 AA AA AA AA AA AA 68 11 04 33 33 34 33 AE 16"),
        (METER_61, "00010000", "FE FE FE FE 68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16"),
        (METER_61, "02010100", "FE FE FE FE 68 61 01 00 00 00 00 68 11 04 33 34 34 35 17 16"),
        (METER_61, "02020100", "FE FE FE FE 68 61 01 00 00 00 00 68 11 04 33 34 35 35 18 16"),
        (METER_94, "00010000", "FE FE FE FE 68 94 35 21 90 88 55 68 11 04 33 33 34 33 09 16"),
        (METER_94, "02010100", "FE FE FE FE 68 94 35 21 90 88 55 68 11 04 33 34 34 35 0C 16"),
        (METER_94, "02020100", "FE FE FE FE 68 94 35 21 90 88 55 68 11 04 33 34 35 35 0D 16"),
    ],
)
def test_a_question_is_written_as_masters_in_the_field_write_it(
    meter: str, item: str, raw: str
) -> None:
    wake_up = raw.count("FE")
    assert codec.encode(codec.read_request(meter, item), wake_up) == sent(raw)
    assert only(sent(raw)) == codec.read_request(meter, item)


@pytest.mark.parametrize(
    ("item", "value", "raw"),
    [
        ("00010000", "0.26", "68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16"),
        ("02010100", "100.1", "68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16"),
        (
            "00010000",
            "2.26",
            "FE FE FE FE 68 94 35 21 90 88 55 68 91 08 33 33 34 33 59 35 33 33 81 16",
        ),
        ("02010100", "224.8", "FE FE FE FE 68 94 35 21 90 88 55 68 91 06 33 34 34 35 7B 55 5E 16"),
        (
            "02020100",
            "0.238",
            "FE FE FE FE 68 94 35 21 90 88 55 68 91 07 33 34 35 35 6B 35 33 63 16",
        ),
    ],
)
def test_an_answer_of_a_meter_in_the_field_is_understood(item: str, value: str, raw: str) -> None:
    frame = only(sent(raw))
    assert frame.address in (METER_61, METER_94)
    assert (frame.from_meter, frame.refused, frame.more) == (True, False, False)
    assert frame.data[:4] == codec.identifier_bytes(item)
    meaning = dlt645_items.find(item)
    assert meaning is not None
    assert meaning.decode(frame.data[4:]) == Decimal(value)


def test_the_answer_to_an_address_question_carries_the_address() -> None:
    raw = sent("FE FE FE FE 68 94 35 21 90 88 55 68 93 06 C7 68 54 C3 BB 88 49 16")
    assert only(raw) == Frame(METER_94, 0x93, sent("94 35 21 90 88 55"))
    assert codec.encode(Frame(ANY_ADDRESS, 0x13), 0) == sent("68 AA AA AA AA AA AA 68 13 00 DF 16")


def test_the_control_code_tells_refusals_and_follow_ups() -> None:
    refusal = Frame(METER_61, 0xD1, bytes([0x02]))
    assert (refusal.refused, refusal.error, refusal.function) == (True, MeterError(2), 0x11)
    assert refusal.error.text == "无请求数据"
    assert Frame(METER_61, 0xD1, bytes([0x05])).error.text == "其他错误、密码错/未授权"
    assert Frame(METER_61, 0xD1).error is MeterError.OTHER
    assert Frame(METER_61, 0xB1).more
    assert codec.more_request(METER_61, "0001FF00", 3).data == sent("00 FF 01 00 03")


# --- properties ----------------------------------------------------------------------------------

addresses = st.text("0123456789", min_size=12, max_size=12)
frames = st.builds(
    Frame,
    address=addresses,
    control=st.integers(0, 255),
    data=st.binary(max_size=codec.MOST_DATA),
)


@given(frame=frames, wake_up=st.integers(0, 4))
def test_what_is_written_is_read_again(frame: Frame, wake_up: int) -> None:
    decoder = Decoder()
    assert decoder.feed(codec.encode(frame, wake_up)) == [frame]
    assert decoder.noise == 0


@given(sequence=st.lists(frames, max_size=4), data=st.data())
def test_frames_are_found_however_the_stream_is_cut(
    sequence: list[Frame], data: st.DataObject
) -> None:
    stream = b"".join(codec.encode(frame) for frame in sequence)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    decoder = Decoder()
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += decoder.feed(stream[begin:end])
    assert found == sequence


@given(frame=frames)
def test_frames_are_found_byte_by_byte(frame: Frame) -> None:
    decoder = Decoder()
    raw = codec.encode(frame)
    found = [decoder.feed(raw[at : at + 1]) for at in range(len(raw))]
    assert found == [[]] * (len(raw) - 1) + [[frame]]


NOISE = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([0x68, 0x16, 0xFE, 0x00, 0x99]), max_size=40).map(bytes),
    frames.map(lambda frame: codec.encode(frame)[:-3]),
)


@given(noise=NOISE, frame=frames)
def test_a_frame_behind_noise_is_found_at_the_latest_when_the_line_is_silent(
    noise: bytes, frame: Frame
) -> None:
    decoder = Decoder()
    found = decoder.feed(noise + codec.encode(frame))
    found += decoder.silence()
    assert found[-1:] == [frame]
    assert not decoder.waiting


def test_noise_that_looks_like_the_head_of_a_long_frame_swallows_nothing() -> None:
    frame = codec.read_request(METER_61, "00010000")
    decoder = Decoder()
    assert decoder.feed(sent("68 00 00 00 00 00 00 68 91 C8") + codec.encode(frame)) == []
    assert decoder.silence() == [frame]
    assert decoder.noise == 10


@given(frame=frames, data=st.data())
def test_a_frame_with_one_bit_wrong_is_no_frame_or_tells_another_address(
    frame: Frame, data: st.DataObject
) -> None:
    raw = bytearray(codec.encode(frame, 0))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    decoder = Decoder()
    found = decoder.feed(bytes(raw)) + decoder.silence()
    assert frame not in found


@given(value=st.integers(-79_999_999, 79_999_999))
def test_signed_numbers_keep_their_sign(value: int) -> None:
    assert codec.decode_bcd(codec.encode_bcd(value, 4, signed=True), signed=True) == value


@given(value=st.integers(0, 99_999_999))
def test_numbers_without_sign_use_all_digits(value: int) -> None:
    assert codec.decode_bcd(codec.encode_bcd(value, 4)) == value


@given(raw=st.binary(min_size=1, max_size=4), signed=st.booleans())
def test_any_bytes_are_a_number_no_number_or_an_error(raw: bytes, signed: bool) -> None:
    try:
        value = codec.decode_bcd(raw, signed=signed)
    except BadFrame:
        return
    if value is None:
        assert set(raw) == {0xFF}
    elif value or not signed:
        assert codec.encode_bcd(value, len(raw), signed=signed) == raw


@pytest.mark.parametrize(("value", "signed"), [(100, False), (-1, False), (80, True), (-80, True)])
def test_numbers_that_do_not_fit_are_refused(value: int, signed: bool) -> None:
    with pytest.raises(BadFrame):
        codec.encode_bcd(value, 1, signed=signed)


@pytest.mark.parametrize("text", ["1234567890123", "12 34", "0x11", "B"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadFrame):
        codec.address(text)


@pytest.mark.parametrize("text", ["", "0001000", "000100000", "0001000G"])
def test_what_is_no_identifier_is_refused(text: str) -> None:
    with pytest.raises(BadFrame):
        codec.identifier(text)


def test_identifiers_and_addresses_are_taken_as_people_write_them() -> None:
    assert codec.identifier("00 01 ff 00") == "0001FF00"
    assert codec.address("161") == METER_61


def test_more_data_than_a_frame_holds_is_refused() -> None:
    with pytest.raises(BadFrame):
        codec.encode(Frame(METER_61, 0x91, bytes(256)))


# --- the table of items --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "raw", "value", "unit"),
    [
        ("00000000", "56 34 12 80", "-1234.56", "kWh"),
        ("00010000", "78 56 34 92", "923456.78", "kWh"),
        ("00010200", "00 00 00 00", "0", "kWh"),
        ("00020001", "01 00 00 00", "0.01", "kWh"),
        ("02010300", "99 39", "399.9", "V"),
        ("02020100", "00 50 82", "-25.000", "A"),
        ("02030000", "34 12 05", "5.1234", "kW"),
        ("02030100", "34 12 85", "-5.1234", "kW"),
        ("02040000", "01 00 80", "-0.0001", "kvar"),
        ("02060000", "99 89", "-0.999", ""),
        ("02070200", "05 12", "120.5", "°"),
        ("02800002", "02 50", "50.02", "Hz"),
        ("02800007", "55 82", "-25.5", "℃"),
    ],
)
def test_items_have_the_decimals_and_signs_of_the_standard(
    identifier: str, raw: str, value: str, unit: str
) -> None:
    item = dlt645_items.find(identifier)
    assert item is not None
    assert (item.decode(sent(raw)), item.unit) == (Decimal(value), unit)
    assert item.encode(Decimal(value)) == sent(raw)


@pytest.mark.parametrize(
    ("identifier", "block", "place"),
    [
        ("00010000", "0001FF00", 0),
        ("00010300", "0001FF00", 3),
        ("00010101", "0001FF01", 1),
        ("02010100", "0201FF00", 0),
        ("02020300", "0202FF00", 2),
        ("02030000", "0203FF00", 0),
        ("02030300", "0203FF00", 3),
        ("02800002", "", 0),
        ("00150000", "", 0),
    ],
)
def test_items_know_their_place_in_a_block(identifier: str, block: str, place: int) -> None:
    item = dlt645_items.find(identifier)
    assert item is not None
    assert item.block == block
    assert not block or item.place == place


@pytest.mark.parametrize(
    "identifier", ["00014000", "0001000D", "0201FF00", "0001FF00", "04000101", "FFFFFFFF"]
)
def test_what_is_no_single_measured_value_is_not_in_the_table(identifier: str) -> None:
    assert dlt645_items.find(identifier) is None


def test_a_meter_without_a_value_says_ff() -> None:
    item = dlt645_items.find("02010100")
    assert item is not None
    assert item.decode(b"\xff\xff") is None
    with pytest.raises(BadFrame, match="BCD"):
        item.decode(b"\x0a\x22")
    with pytest.raises(BadFrame, match="3 字节"):
        item.decode(b"\x01\x02\x03")
    with pytest.raises(BadFrame, match="小数"):
        item.encode(Decimal("220.15"))
