"""The frames of DL/T 645-2007 (多功能电能表通信协议): bytes in, frames out, and back. No I/O.

    FE FE FE FE   wake-up bytes (前导字节), up to four, before a frame
    68            start
    A0 … A5       address: twelve BCD digits, the lowest pair first
    68            start again
    C             control code: direction, error, follow-up, function
    L             length of the data
    DATA          every byte + 0x33
    CS            sum of all bytes from the first 68 on, modulo 256
    16            end

What a data item means is `dlt645_items`' business, when to ask whom is `dlt645`'s.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from msgspec import Struct

START = 0x68
END = 0x16
WAKE_UP = 0xFE
MASK = 0x33
MOST_DATA = 200
"""Bytes of data in one frame (6.2.2: at most 200 when reading)."""

ANY_ADDRESS = "A" * 12
"""Whoever is on the line answers: for a line with one meter only."""

_HEAD = 10
_TAIL = 2
_FROM_METER = 0x80
_ERROR = 0x40
_MORE = 0x20
_FUNCTION = 0x1F


class Function(IntEnum):
    """What is asked for; the low five bits of the control code."""

    READ = 0x11
    READ_MORE = 0x12
    READ_ADDRESS = 0x13


class MeterError(IntFlag):
    """The error word (错误信息字 ERR) with which a meter refuses."""

    OTHER = 0x01
    NO_SUCH_DATA = 0x02
    NOT_AUTHORISED = 0x04
    NO_SUCH_RATE = 0x08
    TOO_MANY_ZONES = 0x10
    TOO_MANY_PERIODS = 0x20
    TOO_MANY_TARIFFS = 0x40

    @property
    def text(self) -> str:
        """The standard's words."""
        words = [_ERROR_WORDS[one] for one in MeterError if one in self]
        return "、".join(words) or f"错误字 {int(self):02X}"


_ERROR_WORDS = {
    MeterError.OTHER: "其他错误",
    MeterError.NO_SUCH_DATA: "无请求数据",
    MeterError.NOT_AUTHORISED: "密码错/未授权",
    MeterError.NO_SUCH_RATE: "通信速率不能更改",
    MeterError.TOO_MANY_ZONES: "年时区数超",
    MeterError.TOO_MANY_PERIODS: "日时段数超",
    MeterError.TOO_MANY_TARIFFS: "费率数超",
}


class BadFrame(ValueError):
    """Content that does not fit into a frame, or that no frame can mean; in Chinese."""


class Frame(Struct, frozen=True):
    """One frame, its data without the 0x33."""

    address: str
    """Twelve digits as printed on the meter, `A` for a digit left open."""
    control: int
    data: bytes = b""

    @property
    def from_meter(self) -> bool:
        """An answer; a line that echoes gives questions back."""
        return bool(self.control & _FROM_METER)

    @property
    def refused(self) -> bool:
        """The meter answers with an error word."""
        return bool(self.control & _ERROR)

    @property
    def more(self) -> bool:
        """More frames are to be fetched with READ_MORE (有后续数据帧)."""
        return bool(self.control & _MORE)

    @property
    def function(self) -> int:
        """What was asked for."""
        return self.control & _FUNCTION

    @property
    def error(self) -> MeterError:
        """The error word of a refusal; nothing said counts as "other"."""
        return MeterError(self.data[0] & 0x7F) if self.data else MeterError.OTHER


# --- addresses, identifiers, numbers -------------------------------------------------------------


def address(text: str) -> str:
    """A meter's address as twelve digits: shorter ones are filled with zeros on the left.

    `A` stands for a digit left open (缩位寻址): AAAAAAAAAAAA is whoever is there. BadFrame.
    """
    full = text.strip().upper().rjust(12, "0")
    if len(full) != 12 or not set(full) <= set("0123456789A"):
        raise BadFrame(f"电表地址应为至多 12 位数字（或 A），收到 {text!r}")
    return full


def identifier(text: str) -> str:
    """A data identifier (数据标识) as eight hexadecimal digits, DI3 first: `00010000`. BadFrame."""
    plain = text.replace(" ", "").upper()
    if len(plain) != 8 or not set(plain) <= set("0123456789ABCDEF"):
        raise BadFrame(f"数据标识应为 8 位十六进制数（DI3 在前），收到 {text!r}")
    return plain


def identifier_bytes(text: str) -> bytes:
    """As it is sent: DI0 first."""
    return bytes.fromhex(text)[::-1]


def decode_bcd(raw: bytes, *, signed: bool = False) -> int | None:
    """The number in BCD bytes, the lowest pair first; None when the meter has none (all FF).

    `signed`: the highest bit of the highest byte is the sign. BadFrame for what is no BCD.
    """
    if raw and set(raw) == {0xFF}:
        return None
    digits = bytearray(reversed(raw))
    negative = signed and bool(digits and digits[0] & 0x80)
    if negative:
        digits[0] &= 0x7F
    text = digits.hex()
    if not text.isdecimal():
        raise BadFrame(f"数据 {raw[::-1].hex(' ').upper()} 不是 BCD 码")
    return -int(text) if negative else int(text)


def encode_bcd(value: int, length: int, *, signed: bool = False) -> bytes:
    """The inverse of `decode_bcd`; BadFrame for a number that does not fit."""
    text = str(abs(value)).rjust(2 * length, "0")
    digits = bytearray.fromhex(text) if len(text) == 2 * length else bytearray()
    too_large = not digits or (signed and digits[0] & 0x80)
    if too_large or (value < 0 and not signed):
        raise BadFrame(f"{value} 放不进 {length} 字节的 BCD 码")
    if value < 0:
        digits[0] |= 0x80
    return bytes(reversed(digits))


# --- frames --------------------------------------------------------------------------------------


def encode(frame: Frame, wake_up: int = 4) -> bytes:
    """A frame as it is sent, after so many FE; BadFrame when it holds too much."""
    if len(frame.data) > 0xFF:
        raise BadFrame(f"一帧的数据不能超过 255 字节，收到 {len(frame.data)}")
    body = bytearray([START])
    body += bytes.fromhex(address(frame.address))[::-1]
    body += bytes([START, frame.control, len(frame.data)])
    body += bytes((one + MASK) & 0xFF for one in frame.data)
    body += bytes([sum(body) & 0xFF, END])
    return bytes([WAKE_UP] * wake_up) + bytes(body)


def read_request(meter: str, item: str) -> Frame:
    """Asks a meter for one data item or block."""
    return Frame(meter, Function.READ, identifier_bytes(item))


def more_request(meter: str, item: str, sequence: int) -> Frame:
    """Asks for the next frame of an item, counted from 1."""
    return Frame(meter, Function.READ_MORE, identifier_bytes(item) + bytes([sequence]))


class Decoder:
    """Finds frames in a stream of bytes, however it is cut and whatever stands before them."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.noise = 0
        """Bytes that belonged to no frame, FE not counted."""

    @property
    def waiting(self) -> bool:
        """Something that may be the beginning of a frame has come."""
        return bool(self._pending)

    def feed(self, received: bytes) -> list[Frame]:
        """The frames that are complete with these bytes, in order."""
        self._pending += received
        return self._take(at_end=False)

    def silence(self) -> list[Frame]:
        """The line has fallen silent: what is incomplete stays so (字节间停顿 at most 500 ms).

        Noise can look like the head of a long frame and swallow the real one behind it; now that
        nothing follows, whatever is complete further on counts.
        """
        return self._take(at_end=True)

    def _take(self, *, at_end: bool) -> list[Frame]:
        frames: list[Frame] = []
        pending = self._pending
        while pending:
            start = pending.find(START)
            self._drop(len(pending) if start < 0 else start)
            if not pending:
                break
            size = _size(pending)
            if size is None and not at_end:
                break  # so far it may become a frame
            frame = _read(bytes(pending[:size])) if size else None
            if frame is None:
                self._drop(1)
            else:
                frames.append(frame)
                del pending[:size]
        return frames

    def _drop(self, count: int) -> None:
        self.noise += count - self._pending[:count].count(WAKE_UP)
        del self._pending[:count]


def _size(pending: bytearray) -> int | None:
    """How long the frame at the beginning is: None, more bytes must come; 0, it is none."""
    if len(pending) > 7 and pending[7] != START:
        return 0
    if any(not _is_address_byte(one) for one in pending[1:7]):
        return 0
    if len(pending) < _HEAD:
        return None
    size = _HEAD + pending[9] + _TAIL
    return size if len(pending) >= size else None


def _is_address_byte(one: int) -> bool:
    return (one >> 4) <= 0xA and (one & 0xF) <= 0xA


def _read(raw: bytes) -> Frame | None:
    if raw[-1] != END or sum(raw[:-_TAIL]) & 0xFF != raw[-2]:
        return None
    return Frame(
        address=raw[1:7][::-1].hex().upper(),
        control=raw[8],
        data=bytes((one - MASK) & 0xFF for one in raw[_HEAD:-_TAIL]),
    )
