"""Secrets at rest: sealed under a file of mode 0600, bound to their purpose."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nenghao.security.sealing import MasterKey, SealingError


def test_the_first_to_ask_makes_the_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "exchange" / "master.key"
    sealed = MasterKey.load_or_create(path).seal(b"secret", "purpose")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert MasterKey.load_or_create(path).open(sealed, "purpose") == b"secret"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.clause("7.1-3")
def test_what_is_sealed_does_not_show_and_never_looks_the_same_twice(tmp_path: Path) -> None:
    master = MasterKey.load_or_create(tmp_path / "key")
    one, other = (master.seal(b"a secret of a partner", "p") for _ in range(2))
    assert b"secret" not in one
    assert one != other
    assert "a secret" not in repr(master)


def test_it_opens_for_its_purpose_and_under_its_key_alone(tmp_path: Path) -> None:
    master = MasterKey.load_or_create(tmp_path / "key")
    sealed = master.seal(b"secret", "account 1")
    for key, data, purpose in [
        (master, sealed, "account 2"),
        (MasterKey.load_or_create(tmp_path / "other"), sealed, "account 1"),
        (master, sealed[:-1], "account 1"),
        (master, b"", "account 1"),
    ]:
        with pytest.raises(SealingError, match="无法打开"):
            key.open(data, purpose)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_file_that_others_may_read_is_not_taken(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    MasterKey.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(SealingError, match="0600"):
        MasterKey.load_or_create(path)


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 15, b"\xff" * 16])
def test_a_damaged_file_is_said_to_be_so_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SealingError, match="已损坏"):
        MasterKey.load_or_create(path)
    assert path.read_bytes() == content


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SealingError, match="缺少主密钥文件"):
        MasterKey.load(tmp_path / "key")
