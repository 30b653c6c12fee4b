"""How a device may compress what it uploads (Content-Encoding), where its platform takes that.

The standard knows plain bodies only, so `identity` is the default; gzip needs nothing beyond
Python, zstd the package `zstandard`. What a platform makes of it is the platform's business.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Literal

ContentEncoding = Literal["identity", "gzip", "zstd"]

_LEVEL = 6
"""gzip's usual one; the time of a day's batch is milliseconds, on the line it is seconds."""


def unavailable(encoding: ContentEncoding) -> str | None:
    """Why this encoding cannot be used here, in Chinese; None when it can."""
    if encoding == "zstd" and find_spec("zstandard") is None:
        return "zstd 需要 Python 包 zstandard，本机没有安装"
    return None


Compressor = Callable[[Iterable[bytes], int], bytes]
"""Makes a compressed body of one that comes in pieces and of its length."""


def compressor(encoding: ContentEncoding) -> Compressor | None:
    """What makes a body of this encoding; None: it goes as it is."""
    return {"identity": None, "gzip": _gzip, "zstd": _zstd}[encoding]


def _gzip(pieces: Iterable[bytes], _: int) -> bytes:
    deflate = zlib.compressobj(_LEVEL, wbits=16 + zlib.MAX_WBITS)
    return b"".join([*map(deflate.compress, pieces), deflate.flush()])


def _zstd(pieces: Iterable[bytes], size: int) -> bytes:
    import zstandard

    squeeze = zstandard.ZstdCompressor().compressobj(size=size)
    return b"".join([*map(squeeze.compress, pieces), squeeze.flush()])
