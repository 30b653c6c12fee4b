"""A platform's folder: made once, whole or not at all, and its server certificate kept fresh."""

from __future__ import annotations

import stat
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from nenghao.platform import dictionary, registry
from nenghao.platform.home import Home, HomeError, init, open_home
from nenghao.platform.settings import PlatformSettings
from nenghao.settings import SettingsError, set_value

NOW = datetime(2026, 11, 22, 1, 30)


def contents(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def names(home: Home) -> set[str]:
    leaf = x509.load_pem_x509_certificate(home.server_chain.read_bytes())
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return init(tmp_path_factory.mktemp("home") / "province", {"device_port": 19443}, NOW)


def test_init_makes_settings_database_authority_and_server_certificate(made: Home) -> None:
    again = open_home(made.path, {})
    assert again == made
    assert again.settings.device_port == 19443
    with again.store() as store, store.read() as conn:
        assert registry.versions(conn) == (1, 1)
        assert len(dictionary.rows(conn, "region")) == 129
    assert again.authority().root_file.is_file()
    assert names(again) == {"127.0.0.1", "localhost"}


def test_what_holds_keys_or_passwords_is_for_the_owner_alone(made: Home) -> None:
    assert mode(made.path) == 0o700
    assert mode(made.settings_file) == 0o600
    assert mode(made.server_key) == 0o600


def test_init_refuses_an_initialised_folder_says_what_it_found_and_changes_nothing(
    made: Home,
) -> None:
    before = contents(made.path)
    with pytest.raises(HomeError, match=r"已经初始化过（ca, nenghao.db, platform.toml, server）"):
        init(made.path, {"host": "10.0.0.1"}, NOW)
    assert contents(made.path) == before


def test_an_interrupted_init_is_completed_by_the_next(tmp_path: Path) -> None:
    first = init(tmp_path / "home", {}, NOW)
    root = (first.ca / "root.pem").read_bytes()
    first.settings_file.unlink()
    half = tmp_path / "home" / "ca.new"
    half.mkdir()
    (half / "root.key").write_text("half a key")
    with pytest.raises(HomeError, match="不是平台目录"):
        open_home(first.path, {})
    second = init(tmp_path / "home", {}, NOW)
    assert (second.ca / "root.pem").read_bytes() == root
    with second.store() as store, store.read() as conn:
        assert registry.versions(conn) == (1, 1)


def test_wrong_values_leave_nothing_behind(tmp_path: Path) -> None:
    for values in ({"host": "a b"}, {"device_port": 0}, {"no_such_key": 1}):
        with pytest.raises(SettingsError, match=next(iter(values))):
            init(tmp_path / "home", values, NOW)
    assert not (tmp_path / "home").exists()


def test_the_database_may_lie_elsewhere(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    home = init(tmp_path / "home", {"database": url}, NOW)
    assert (tmp_path / "elsewhere.db").is_file()
    assert not (home.path / "nenghao.db").exists()


def test_a_wrong_key_in_the_file_is_named(tmp_path: Path, made: Home) -> None:
    (tmp_path / "platform.toml").write_text("device_prot = 1\n")
    with pytest.raises(SettingsError, match="device_prot"):
        open_home(tmp_path, {})
    assert open_home(made.path, {"NENGHAO_LOG_LEVEL": "debug"}).settings.log_level == "debug"


@pytest.mark.parametrize(
    ("host", "bind", "expected"),
    [
        ("127.0.0.1", "", ["127.0.0.1", "localhost"]),
        ("localhost", "", ["localhost", "127.0.0.1"]),
        ("nh.example.org", "10.0.0.8", ["nh.example.org", "10.0.0.8"]),
        ("nh.example.org", "0.0.0.0", ["nh.example.org", "127.0.0.1", "localhost"]),
        ("2001:db8::8", "", ["2001:db8::8"]),
    ],
)
def test_the_certificate_is_for_every_name_under_which_the_platform_is_reached(
    tmp_path: Path, host: str, bind: str, expected: list[str]
) -> None:
    assert Home(tmp_path, PlatformSettings(host=host, bind=bind)).hosts() == expected


def test_the_server_certificate_is_renewed_for_another_host_or_shortly_before_its_end(
    tmp_path: Path,
) -> None:
    home = init(tmp_path / "home", {}, NOW)
    chain = home.server_chain.read_bytes()
    assert not home.renew_server_certificate(NOW)
    assert not home.renew_server_certificate(NOW + timedelta(days=825 - 30))
    assert home.server_chain.read_bytes() == chain
    assert home.renew_server_certificate(NOW + timedelta(days=825 - 29))
    assert home.server_chain.read_bytes() != chain
    moved = msgspec.structs.replace(home.settings, host="nh.example.org", bind="10.0.0.8")
    moved_home = Home(home.path, moved)
    assert moved_home.renew_server_certificate(NOW)
    assert names(moved_home) == {"nh.example.org", "10.0.0.8"}
    home.server_key.unlink()
    assert moved_home.renew_server_certificate(NOW)


@pytest.mark.clause("6.2.3-1")
@pytest.mark.clause("6.3.3.2-c")
@pytest.mark.parametrize(
    ("key", "value", "raised"),
    [
        ("host", "nh.example.org", True),
        ("device_port", 9444, True),
        ("url_style", "https", True),
        ("upload_window_start", "02:00:00", True),
        ("upload_step_seconds", 5, True),
        ("log_level", "debug", False),
        ("bind", "0.0.0.0", False),
    ],
)
def test_changed_registration_settings_raise_the_registration_version_at_the_next_start(
    tmp_path: Path, key: str, value: str | int, raised: bool
) -> None:
    home = init(tmp_path / "home", {}, NOW)
    set_value(home.settings_file, key, value, PlatformSettings)
    changed = open_home(home.path, {})
    with changed.store() as store:
        for again in (raised, False):
            with store.write() as conn:
                assert registry.note_registration_settings(conn, changed.settings) is again
        with store.read() as conn:
            assert registry.versions(conn) == (2 if raised else 1, 1)
