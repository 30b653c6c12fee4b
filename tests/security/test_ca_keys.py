"""How the CA's keys are sealed: by a key file, by a passphrase, with the root elsewhere."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from nenghao.security import revocations
from nenghao.security.authority import (
    DEVICE_CA,
    ROOT,
    AuthorityError,
    AuthorityLocked,
    CertificateAuthority,
)
from nenghao.security.ca_keys import SALT_FILE

CODE = "91210000573973053F"
NOW = datetime(2026, 11, 21, 8, 0, 0)
SECRET = "一句很长的口令 correct horse"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sealed") / "ca"
    CertificateAuthority.create(path, NOW, passphrase=SECRET)
    return path


def issue(authority: CertificateAuthority) -> str:
    return authority.issue_device(CODE, "鞍钢", "210302", 1, NOW).serial


def test_with_its_passphrase_it_signs_and_the_disk_alone_holds_nothing(sealed: Path) -> None:
    assert issue(CertificateAuthority.open(sealed, SECRET))
    assert not (sealed / "seal").exists()
    texts = [path.read_bytes() for path in sealed.iterdir()]
    assert all(SECRET.encode() not in text for text in texts)


def test_without_it_the_ca_is_locked_and_says_so_and_its_certificates_are_there(
    sealed: Path,
) -> None:
    locked = CertificateAuthority.open(sealed)
    assert locked.is_locked
    assert locked.root_pem == (sealed / "root.pem").read_bytes()
    with pytest.raises(AuthorityLocked, match="口令"):
        issue(locked)
    with pytest.raises(AuthorityLocked):
        locked.publish_revocations(DEVICE_CA, (), NOW)


def test_a_wrong_passphrase_is_refused(sealed: Path) -> None:
    with pytest.raises(AuthorityError, match="口令不对"):
        CertificateAuthority.open(sealed, "another passphrase")


@pytest.mark.parametrize("change", [{"n": 2}, {"n": 2**24}, {"r": 1}, {"salt": 3}])
def test_costs_that_somebody_lowered_or_raised_are_not_obeyed(
    sealed: Path, tmp_path: Path, change: dict[str, int]
) -> None:
    copy = tmp_path / "ca"
    shutil.copytree(sealed, copy)
    costs = json.loads((copy / SALT_FILE).read_text())
    (copy / SALT_FILE).write_text(json.dumps(costs | change))
    with pytest.raises(AuthorityError, match="无法打开"):
        CertificateAuthority.open(copy, SECRET)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="至少 12"):
        CertificateAuthority.create(tmp_path / "ca", NOW, passphrase="short")
    assert not list((tmp_path / "ca").glob("*.key"))


def test_with_an_offline_root_the_platform_issues_and_only_the_root_signs_its_own_list(
    tmp_path: Path,
) -> None:
    CertificateAuthority.create(tmp_path / "ca", NOW, root_directory=tmp_path / "stick")
    assert not (tmp_path / "ca" / "root.key").exists()
    online = CertificateAuthority.open(tmp_path / "ca")
    assert issue(online)
    assert not online.has_root_key
    with pytest.raises(AuthorityLocked, match="离线根"):
        online.publish_revocations(ROOT, (), NOW)
    before = revocations.read(tmp_path / "ca" / "root.crl")
    root = CertificateAuthority.open_root(tmp_path / "stick")
    root.publish_revocations(ROOT, (), NOW, folder=tmp_path / "ca")
    after = revocations.read(tmp_path / "ca" / "root.crl")
    assert before is not None
    assert after is not None
    assert after.number > before.number
    with pytest.raises(AuthorityLocked):
        issue_of_root(root)


def issue_of_root(root: CertificateAuthority) -> str:
    return issue(root)
