"""A full disk (磁盘已满): how it is recognised, and a reserve to get through it.

A database on a full disk cannot even delete: its journal would have to grow. So a file of a few
megabytes lies in the device's directory, to be given up in that moment and restored later.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

RESERVE_BYTES = 8_000_000
SPARE_BYTES = 64_000_000
"""The reserve is only made where so much stays free beside it."""


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk (or the database's quota) is full."""
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", None)
        return code == sqlite3.SQLITE_FULL or "disk is full" in str(error)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class Ballast:
    """The reserve of one device."""

    def __init__(self, root: Path) -> None:
        self._file = root / "reserve.bin"

    def restore(self) -> bool:
        """Make the reserve if there is room for it; whether it is there."""
        if self._file.exists():
            return True
        try:
            if shutil.disk_usage(self._file.parent).free < RESERVE_BYTES + SPARE_BYTES:
                return False
            handle = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(handle, 0, RESERVE_BYTES)
            finally:
                os.close(handle)
        except OSError:
            self._file.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> bool:
        """Give the reserve up; whether there was one."""
        try:
            self._file.unlink()
        except OSError:
            return False
        return True
