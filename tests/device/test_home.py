from __future__ import annotations

import ssl
import stat
from pathlib import Path

import msgspec
import pytest

from nenghao.device.home import DeviceHome, HomeBusy, HomeError, write_file
from nenghao.device.urls import BadAddress
from nenghao.security.authority import CertificateAuthority
from tests.device.world import UNIT_CODE, World, make_credentials


def create(folder: Path, credentials: Path, platform: str = "p.test:9443") -> DeviceHome:
    return DeviceHome.create(folder, platform=platform, credentials=credentials)


@pytest.mark.clause("6.1-2")
def test_a_new_home_has_settings_credentials_and_an_empty_database(
    tmp_path: Path, credentials: Path
) -> None:
    home = create(tmp_path / "device", credentials)
    assert home.settings({}).platform == "https://p.test:9443"
    assert home.unit().code == UNIT_CODE
    assert stat.S_IMODE((home.credentials / "device.key").stat().st_mode) == 0o600
    context = home.context(home.settings({}))
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert home.configuration() is None
    assert home.configuration_digest() is None
    home.store().close()


def test_an_existing_home_is_never_overwritten(tmp_path: Path, credentials: Path) -> None:
    create(tmp_path / "device", credentials)
    with pytest.raises(HomeError, match="已经是一个端设备目录"):
        create(tmp_path / "device", credentials)


def test_http_makes_no_home(tmp_path: Path, credentials: Path) -> None:
    with pytest.raises(BadAddress):
        create(tmp_path / "device", credentials, "http://p.test")
    assert not (tmp_path / "device").exists()


def test_credentials_that_do_not_fit_together_make_no_home(
    tmp_path: Path, credentials: Path, authority: CertificateAuthority
) -> None:
    other = make_credentials(tmp_path / "other", authority, "91210000573973053F")
    with pytest.raises(HomeError, match=r"缺少 device\.pem"):
        create(tmp_path / "device", tmp_path)
    key = (other / "device.key").read_bytes()
    (other / "device.key").write_bytes((credentials / "device.key").read_bytes())
    with pytest.raises(HomeError, match="不可用"):
        create(tmp_path / "device", other)
    (other / "device.key").write_bytes(key)
    (other / "unit.json").write_bytes((credentials / "unit.json").read_bytes())
    with pytest.raises(HomeError, match="证书属于 91210000573973053F"):
        create(tmp_path / "device", other)
    (other / "unit.json").write_text("{}")
    with pytest.raises(HomeError, match="内容不合法"):
        create(tmp_path / "device", other)
    (other / "unit.json").write_bytes(
        msgspec.json.encode({"code": "x", "name": "n", "region": "r", "regionName": "r"})
    )
    with pytest.raises(HomeError, match="不是统一社会信用代码"):
        create(tmp_path / "device", other)
    assert not (tmp_path / "device").exists()


def test_a_folder_that_is_no_device_says_so(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="nenghao device init"):
        DeviceHome.open(tmp_path)


def test_one_process_runs_a_device_and_the_next_one_may_when_it_ends(world: World) -> None:
    with (
        world.home.lock(),
        pytest.raises(HomeBusy, match="另一个进程"),
        world.home.lock(patience=0),
    ):
        raise AssertionError("two at once")
    with world.home.lock(patience=0):
        pass


def test_a_file_is_replaced_in_one_step_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"one", 0o600)
    write_file(path, b"two", 0o600)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
