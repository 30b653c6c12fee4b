"""How a device may compress what it uploads (Content-Encoding), where its platform takes that.

The standard knows plain bodies only, so `identity` is the default; gzip needs nothing beyond
Python, zstd the package `zstandard`. What a platform makes of it is the platform's business.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
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


def compressor(encoding: ContentEncoding) -> Callable[[bytes], bytes] | None:
    """What makes a body of this encoding; None: it goes as it is."""
    if encoding == "gzip":
        return lambda body: gzip.compress(body, _LEVEL, mtime=0)
    if encoding == "zstd":
        import zstandard

        return zstandard.compress
    return None
