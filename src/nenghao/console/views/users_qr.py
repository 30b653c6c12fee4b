"""Draws a text as a QR code (二维码; ISO/IEC 18004), so that an authenticator's app can read it.

Bytes only, error correction level M, versions 1 to 20 (666 bytes): enough for an `otpauth://`
address, and no library to install for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

_ECC: Final = (10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26)
"""Correction codewords of each block, by version."""
_BLOCKS: Final = (1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16)
_LEVEL_M: Final = 0
_QUIET: Final = 4
"""Light modules around the symbol."""

Matrix = list[list[bool]]
"""Rows of modules, True for dark."""

_MASKS: Final[tuple[Callable[[int, int], bool], ...]] = (
    lambda x, y: (x + y) % 2 == 0,
    lambda x, y: y % 2 == 0,
    lambda x, y: x % 3 == 0,
    lambda x, y: (x + y) % 3 == 0,
    lambda x, y: (x // 3 + y // 2) % 2 == 0,
    lambda x, y: x * y % 2 + x * y % 3 == 0,
    lambda x, y: (x * y % 2 + x * y % 3) % 2 == 0,
    lambda x, y: ((x + y) % 2 + x * y % 3) % 2 == 0,
)
_FINDER: Final = ("10111010000", "00001011101")


def matrix(text: str) -> Matrix:
    """The symbol without its quiet zone. ValueError for a text that is too long."""
    content = text.encode()
    version = _version_for(len(content))
    modules, fixed = _frame(version)
    _place(modules, fixed, _interleaved(_codewords(content, version), version))
    masked = [_masked(modules, fixed, number, version) for number in range(len(_MASKS))]
    return min(masked, key=_penalty)


def path(made: Matrix) -> tuple[str, int]:
    """The dark modules as the data of an SVG path, and the side of its picture with quiet zone."""
    squares = [
        f"M{x + _QUIET} {y + _QUIET}h1v1h-1z"
        for y, row in enumerate(made)
        for x, dark in enumerate(row)
        if dark
    ]
    return "".join(squares), len(made) + 2 * _QUIET


# --- bits and codewords --------------------------------------------------------------------------


def correction(data: bytes, count: int) -> bytes:
    """The Reed-Solomon codewords of a block, over GF(256) with 0x11D."""
    divisor = [0] * (count - 1) + [1]
    root = 1
    for _ in range(count):
        for i in range(count):
            divisor[i] = _times(divisor[i], root)
            if i + 1 < count:
                divisor[i] ^= divisor[i + 1]
        root = _times(root, 2)
    rest = [0] * count
    for one in data:
        factor = one ^ rest.pop(0)
        rest.append(0)
        rest = [old ^ _times(part, factor) for old, part in zip(rest, divisor, strict=True)]
    return bytes(rest)


def _times(one: int, other: int) -> int:
    product = 0
    for bit in range(7, -1, -1):
        product = (product << 1) ^ ((product >> 7) * 0x11D)
        product ^= ((other >> bit) & 1) * one
    return product


def _modules_for_data(version: int) -> int:
    """How many modules of a symbol carry codewords, a few bits that are left over included."""
    count = (16 * version + 128) * version + 64
    if version >= 2:
        lines = version // 7 + 2
        count -= (25 * lines - 10) * lines - 55
        if version >= 7:
            count -= 36
    return count


def _data_codewords(version: int) -> int:
    return _modules_for_data(version) // 8 - _ECC[version - 1] * _BLOCKS[version - 1]


def _version_for(length: int) -> int:
    for version in range(1, len(_ECC) + 1):
        if 4 + _length_bits(version) + 8 * length <= 8 * _data_codewords(version):
            return version
    raise ValueError(f"{length} bytes are too many for a QR code of version {len(_ECC)}")


def _length_bits(version: int) -> int:
    return 8 if version <= 9 else 16


def _codewords(content: bytes, version: int) -> bytes:
    """Mode, length, bytes, terminator and padding."""
    room = _data_codewords(version)
    bits = f"0100{len(content):0{_length_bits(version)}b}"
    bits += "".join(f"{byte:08b}" for byte in content)
    bits += "0" * min(4, 8 * room - len(bits))
    bits += "0" * (-len(bits) % 8)
    made = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return made + bytes((0xEC, 0x11)[number % 2] for number in range(room - len(made)))


def _interleaved(data: bytes, version: int) -> bytes:
    """The blocks' data codeword by codeword, then their corrections likewise."""
    blocks, count = _BLOCKS[version - 1], _ECC[version - 1]
    short = len(data) // blocks
    longer = len(data) % blocks
    parts, at = [], 0
    for number in range(blocks):
        size = short + (number >= blocks - longer)
        parts.append(data[at : at + size])
        at += size
    made = [part[i] for i in range(short + 1) for part in parts if i < len(part)]
    corrections = [correction(part, count) for part in parts]
    made += [one[i] for i in range(count) for one in corrections]
    return bytes(made)


# --- the symbol ----------------------------------------------------------------------------------


def _frame(version: int) -> tuple[Matrix, Matrix]:
    """The modules that are the same in every symbol of a version, and which these are.

    The places of the format are among them, still light.
    """
    size = 4 * version + 17
    modules = [[False] * size for _ in range(size)]
    fixed = [[False] * size for _ in range(size)]

    def put(x: int, y: int, dark: bool) -> None:
        modules[y][x], fixed[y][x] = dark, True

    for i in range(size):
        put(6, i, i % 2 == 0)
        put(i, 6, i % 2 == 0)
    for left, top in ((3, 3), (size - 4, 3), (3, size - 4)):
        for x, y in _square(left, top, 4, size):
            put(x, y, max(abs(x - left), abs(y - top)) not in (2, 4))
    lines = _alignments(version)
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}  # where the finders are
    for x, y in ((x, y) for x in lines for y in lines if (x, y) not in corners):
        for at, to in _square(x, y, 2, size):
            put(at, to, max(abs(at - x), abs(to - y)) != 1)
    for x, y, _ in _format_places(size, 0):
        put(x, y, False)
    put(8, size - 8, True)
    if version >= 7:
        for x, y, dark in _version_places(size, version):
            put(x, y, dark)
    return modules, fixed


def _square(x: int, y: int, reach: int, size: int) -> Iterator[tuple[int, int]]:
    for to in range(max(0, y - reach), min(size, y + reach + 1)):
        for at in range(max(0, x - reach), min(size, x + reach + 1)):
            yield at, to


def _alignments(version: int) -> list[int]:
    """Rows and columns whose crossings carry alignment patterns."""
    if version == 1:
        return []
    count = version // 7 + 2
    step = (version * 8 + count * 3 + 5) // (count * 4 - 4) * 2
    return [6, *reversed([4 * version + 10 - i * step for i in range(count - 1)])]


def _format_places(size: int, mask: int) -> Iterator[tuple[int, int, bool]]:
    """Both copies of level and mask, BCH coded."""
    data = rest = _LEVEL_M << 3 | mask
    for _ in range(10):
        rest = (rest << 1) ^ ((rest >> 9) * 0x537)
    bits = (data << 10 | rest) ^ 0x5412
    near = [(8, y) for y in range(6)] + [(8, 7), (8, 8), (7, 8)]
    near += [(x, 8) for x in range(5, -1, -1)]
    far = [(size - 1 - i, 8) for i in range(8)] + [(8, size - 7 + i) for i in range(7)]
    for places in (near, far):
        for number, (x, y) in enumerate(places):
            yield x, y, bool(bits >> number & 1)


def _version_places(size: int, version: int) -> Iterator[tuple[int, int, bool]]:
    rest = version
    for _ in range(12):
        rest = (rest << 1) ^ ((rest >> 11) * 0x1F25)
    bits = version << 12 | rest
    for number in range(18):
        across, along = size - 11 + number % 3, number // 3
        dark = bool(bits >> number & 1)
        yield across, along, dark
        yield along, across, dark


def walk(fixed: Matrix) -> Iterator[tuple[int, int]]:
    """The places (x, y) of the codewords' bits, in their order."""
    size = len(fixed)
    for right in [*range(size - 1, 6, -2), *range(5, 0, -2)]:
        upwards = (right + 1) & 2 == 0
        for step in range(size):
            y = size - 1 - step if upwards else step
            for x in (right, right - 1):
                if not fixed[y][x]:
                    yield x, y


def _place(modules: Matrix, fixed: Matrix, codewords: bytes) -> None:
    bits = (byte >> bit & 1 for byte in codewords for bit in range(7, -1, -1))
    for (x, y), bit in zip(walk(fixed), bits, strict=False):  # a few places are left over
        modules[y][x] = bool(bit)


def _masked(modules: Matrix, fixed: Matrix, number: int, version: int) -> Matrix:
    turns = _MASKS[number]
    made = [
        [dark != (not fixed[y][x] and turns(x, y)) for x, dark in enumerate(row)]
        for y, row in enumerate(modules)
    ]
    for x, y, dark in _format_places(len(made), number):
        made[y][x] = dark
    made[4 * version + 9][8] = True
    return made


def _penalty(made: Matrix) -> int:
    """How hard the symbol is to read: runs, blocks, what looks like a finder, imbalance."""
    size = len(made)
    rows = ["".join("01"[dark] for dark in row) for row in made]
    columns = ["".join(column) for column in zip(*rows, strict=True)]
    found = 0
    for line in (*rows, *columns):
        for run in line.replace("01", "0 1").replace("10", "1 0").split():
            found += len(run) - 2 if len(run) >= 5 else 0
        found += 40 * sum(line.startswith(_FINDER, at) for at in range(size - 10))
    for y in range(size - 1):
        for x in range(size - 1):
            four = rows[y][x : x + 2] + rows[y + 1][x : x + 2]
            found += 3 * (four in ("0000", "1111"))
    dark = sum(row.count("1") for row in rows)
    return found + 10 * (abs(20 * dark - 10 * size * size) // (size * size))
