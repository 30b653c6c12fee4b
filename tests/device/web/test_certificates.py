"""The page tells how long the device's certificates still hold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from nenghao.clock import china_now
from nenghao.device.web import certificates
from tests.device.world import UNIT_CODE


def test_the_devices_own_certificate_comes_first_with_its_dates(credentials: Path) -> None:
    leaf, issuing = certificates.read(credentials / "device.pem")
    assert UNIT_CODE in leaf.subject or "示例" in leaf.subject
    assert leaf.issuer == issuing.subject
    assert 1090 < leaf.days_left(china_now()) <= 1095
    assert not leaf.is_ending(china_now())


def test_a_certificate_is_to_be_renewed_thirty_days_before_it_ends(credentials: Path) -> None:
    leaf = certificates.read(credentials / "device.pem")[0]
    assert leaf.is_ending(leaf.end - timedelta(days=29))
    assert not leaf.is_ending(leaf.end - timedelta(days=30))
    assert leaf.days_left(leaf.end + timedelta(seconds=1)) == -1


def test_what_is_no_certificate_file_has_none(tmp_path: Path) -> None:
    assert certificates.read(tmp_path / "absent.pem") == []
    (tmp_path / "odd.pem").write_text("-----BEGIN CERTIFICATE-----\nxyz\n-----END CERTIFICATE-----")
    assert certificates.read(tmp_path / "odd.pem") == []
