"""A running platform publishes its lists early, and says what an operator must do in time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from nenghao.clock import china_now
from nenghao.platform import sm2_home, trust_files
from nenghao.platform.home import Home, init, make_authority
from nenghao.platform.store.engine import Store
from nenghao.platform.upkeep import Upkeep, running
from nenghao.security import revocations
from nenghao.security.authority import AuthorityLocked
from tests.security.sm_pki import needs_openssl

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return init(tmp_path_factory.mktemp("upkeep") / "home", {}, china_now())


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    shutil.copytree(made.path, tmp_path / "home")
    return Home(tmp_path / "home", made.settings)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with home.store() as opened:
        yield opened


def number(home: Home) -> int:
    crl = revocations.read(home.ca / "device-ca.crl")
    assert crl is not None
    return crl.number


def alarms(store: Store, home: Home, days: float) -> list[str]:
    with store.read() as conn:
        return trust_files.alarms(conn, home.ca, china_now() + days * DAY)


def test_lists_are_published_daily_and_not_every_ten_minutes(home: Home, store: Store) -> None:
    upkeep, now, first = Upkeep(home, store), china_now(), number(home)
    upkeep.look(now + timedelta(hours=22))
    assert number(home) == first
    upkeep.look(now + DAY)
    assert number(home) > first
    assert home.client_lists.read_bytes() == (home.ca / "device-ca.crl").read_bytes()


def test_a_month_without_a_platform_is_told_of_a_week_before(home: Home, store: Store) -> None:
    assert alarms(store, home, 0) == []
    assert alarms(store, home, 22) == []
    assert any("device-ca.crl 将于" in line for line in alarms(store, home, 24))
    assert any("device-ca.crl 已于" in line for line in alarms(store, home, 31))
    assert any("root.crl 将于" in line for line in alarms(store, home, 395))


def test_what_cannot_be_done_is_told_once_an_hour_and_ends_nothing(
    home: Home, store: Store
) -> None:
    (home.ca / "device-ca.key").unlink()
    upkeep, later = Upkeep(home, store), china_now() + 25 * DAY
    with capture_logs() as logs:
        for minutes in (0, 10, 50, 61):
            upkeep.look(later + timedelta(minutes=minutes))
    told = [entry["reason"] for entry in logs if "缺少" in entry["reason"]]
    assert len(told) == 2
    assert any("将于" in entry["reason"] for entry in logs)


def test_an_expired_list_is_no_longer_what_handshakes_go_by(home: Home, store: Store) -> None:
    with store.read() as conn:
        trust_files.write_trust(conn, home.ca, china_now() + 31 * DAY)
    assert home.client_lists.read_bytes() == b""


def test_the_servers_certificate_is_renewed_while_the_platform_runs(
    home: Home, store: Store
) -> None:
    before = home.server_chain.read_bytes()
    Upkeep(home, store).look(china_now() + 800 * DAY)
    assert home.server_chain.read_bytes() != before


def test_it_looks_when_the_platform_starts_and_ends_with_it(home: Home, store: Store) -> None:
    home.client_cas.unlink()
    with running(home, store, china_now):
        assert home.client_cas.read_bytes() == (home.ca / "device-ca.pem").read_bytes()


@needs_openssl
def test_the_sm2_listener_is_kept_as_the_other_one_is(home: Home, store: Store) -> None:
    now = china_now()
    home = Home(home.path, msgspec.structs.replace(home.settings, sm_port=9446))
    Upkeep(home, store).look(now)
    chain, _ = sm2_home.server_files(home)
    first, listed = chain.read_bytes(), sm2_home.list_file(home).read_bytes()
    assert alarms(store, home, 0) == []
    assert any("sm2/device-ca.crl 将于" in line for line in alarms(store, home, 24))
    Upkeep(home, store).look(now + DAY)
    assert sm2_home.list_file(home).read_bytes() != listed
    assert chain.read_bytes() == first
    Upkeep(home, store).look(now + 800 * DAY)
    assert chain.read_bytes() != first


@needs_openssl
def test_the_sm2_authority_is_sealed_by_the_passphrase_of_the_ca(tmp_path: Path) -> None:
    now, passphrase = china_now(), "a long passphrase"
    (tmp_path / "home").mkdir()
    make_authority(tmp_path / "home" / "ca", now, passphrase=passphrase)
    opened = init(tmp_path / "home", {}, now, passphrase)
    locked = Home(opened.path, opened.settings)
    with pytest.raises(AuthorityLocked):
        sm2_home.authority(locked, now)
    assert not sm2_home.folder(locked).exists()
    sm2_home.authority(opened, now)
    with opened.store() as store, store.read() as conn:
        before = sm2_home.list_file(opened).read_bytes()
        trust_files.publish(conn, opened.authority(), now)
        assert sm2_home.list_file(opened).read_bytes() != before
        with pytest.raises(AuthorityLocked):
            trust_files.publish(conn, locked.authority(), now)
