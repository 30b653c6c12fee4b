"""`nenghao doctor`: each line says how it stands and what to do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nenghao.cli import main
from nenghao.clock import china_now
from nenghao.device.home import DeviceHome
from nenghao.platform import certificates, doctor, sm2_home
from nenghao.platform.home import Home, init, open_home
from nenghao.platform.web.device_api import listener
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.server import serving
from nenghao.security import checkup
from nenghao.security.checkup import Line, State
from nenghao.security.credentials import write_credentials
from nenghao.settings import set_value
from tests.platform.world import STEEL
from tests.security.sm_pki import needs_openssl

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    # A port that nobody listens on, and no exchange.
    return init(tmp_path / "home", {"device_port": 1, "exchange_port": 0}, china_now())


def report(capsys: Capture, path: Path) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Exit code and the lines by subject."""
    capsys.readouterr()
    code = main(["doctor", "--home", str(path), "--json"])
    lines: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    found: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        assert line["advice"] or line["state"] == "ok", line
        found.setdefault(line["subject"], []).append(line)
    return code, found


def states(lines: list[dict[str, str]]) -> set[str]:
    return {line["state"] for line in lines}


def test_a_fresh_platform_has_no_fault(home: Home, capsys: Capture) -> None:
    code, found = report(capsys, home.path)
    assert code == 0
    for subject in (
        "设置",
        "服务器证书",
        "签发机构证书",
        "吊销列表",
        "密钥文件权限",
        "数据库持久性",
    ):
        assert states(found[subject]) == {"ok"}, found[subject]
    assert found["端设备端口"][0]["advice"].startswith("nenghao platform serve")


def test_the_lines_are_chinese_and_say_what_to_do(home: Home, capsys: Capture) -> None:
    (home.server_key).chmod(0o644)
    assert main(["doctor", "--home", str(home.path)]) == 1
    out = capsys.readouterr().out
    assert f"[故障] 密钥文件权限：{home.server_key} 的权限为 0644" in out
    assert f"→ chmod 600 {home.server_key}" in out


def broken_list(home: Home) -> None:
    (home.ca / "device-ca.crl").write_bytes(b"nothing")


def other_root(home: Home) -> None:
    (home.ca / "root.pem").write_bytes((home.ca / "server-ca.pem").read_bytes())
    chain = home.server_chain.read_bytes().split(b"-----END CERTIFICATE-----\n")[0]
    home.server_chain.write_bytes(chain + b"-----END CERTIFICATE-----\n")
    (home.ca / "root.pem").write_bytes((home.ca / "device-ca.pem").read_bytes())


def open_folder(home: Home) -> None:
    home.path.chmod(0o777)


def rollback_journal(home: Home) -> None:
    with closing(sqlite3.connect(home.path / "nenghao.db")) as conn:
        conn.execute("DROP TABLE audit")
        conn.commit()


def absent_interface(home: Home) -> None:
    set_value(home.settings_file, "bind_interface", "wg9", type(home.settings))


def illegal_setting(home: Home) -> None:
    home.settings_file.write_text("nonsense = 1\n", "utf-8")


@pytest.mark.parametrize(
    ("harm", "subject"),
    [
        (broken_list, "吊销列表"),
        (other_root, "服务器证书"),
        (open_folder, "密钥文件权限"),
        (rollback_journal, "数据库"),
        (absent_interface, "监听范围"),
        (illegal_setting, "设置"),
    ],
)
def test_what_is_wrong_is_found(
    home: Home, capsys: Capture, harm: Callable[[Home], None], subject: str
) -> None:
    harm(home)
    code, found = report(capsys, home.path)
    assert code == 1
    assert "fault" in states(found[subject])


def test_looking_changes_nothing(home: Home, capsys: Capture) -> None:
    before = {file: file.read_bytes() for file in home.path.rglob("*") if file.is_file()}
    report(capsys, home.path)
    after = {file: file.read_bytes() for file in home.path.rglob("*") if file.is_file()}
    assert {file: after.get(file) for file in before} == before


def test_what_ends_soon_or_has_ended_is_told_in_time(home: Home) -> None:
    now = china_now()
    file, roots = home.server_chain, home.ca / "root.pem"

    def state(days: int) -> set[State]:
        later = now + timedelta(days=days)
        return {line.state for line in checkup.chain("x", file, roots, later, "renew")}

    assert [state(0), state(800), state(900)] == [{State.OK}, {State.WARNING}, {State.FAULT}]
    assert state(-10) == {State.FAULT}


@needs_openssl
def test_what_of_sm2_ends_is_told_because_nothing_renews_it(home: Home) -> None:
    now = china_now()
    authority = sm2_home.authority(home, now)
    issued = [authority.issue_device(STEEL, "示例", "210102", 1, now, days) for days in (20, 400)]
    set_value(home.settings_file, "sm_port", 9446, type(home.settings))
    opened = open_home(home.path, {})

    def lines(subject: str, days: int = 0) -> list[Line]:
        later = now + timedelta(days=days)
        return [line for line in doctor.examine(home.path, {}, later) if line.subject == subject]

    assert [line.state for line in lines("国密服务器证书")] == [State.FAULT]
    sm2_home.renew_server_certificate(opened, now)
    assert [line.state for line in lines("国密服务器证书")] == [State.OK]
    assert {line.state for line in lines("国密签发机构证书")} == {State.OK}
    with home.store() as store, store.write() as conn:
        certificates.register(conn, issued[0], now)
    (line,) = lines("国密端设备证书")
    assert "端设备 1" in line.found
    assert "nenghao ca issue --algorithm sm2" in line.advice
    with home.store() as store, store.write() as conn:
        certificates.register(conn, issued[1], now)
    assert lines("国密端设备证书") == []
    assert len(lines("国密端设备证书", 375)) == 1
    assert [line.state for line in lines("吊销列表")] == [State.OK]
    assert {line.state for line in lines("吊销列表", 25)} == {State.WARNING}
    assert State.FAULT in {line.state for line in lines("吊销列表", 40)}


def test_a_clock_behind_what_is_known_is_a_fault() -> None:
    now = china_now()
    assert checkup.clock(now, now + timedelta(hours=1)).state is State.FAULT
    assert isinstance(checkup.clock(now, now), Line)


def test_a_folder_that_is_neither_is_said_so(tmp_path: Path, capsys: Capture) -> None:
    assert main(["doctor", "--home", str(tmp_path)]) == 1
    assert "既不是平台目录也不是端设备目录" in capsys.readouterr().err


# --- a device ---------------------------------------------------------------------------------


@pytest.fixture
def device(home: Home, tmp_path: Path) -> DeviceHome:
    issued = home.authority().issue_device(STEEL, "示例钢铁", "210102", 1, china_now())
    with home.store() as store, store.write() as conn:
        certificates.register(conn, issued, china_now())
    unit = {
        "code": STEEL,
        "name": "示例钢铁",
        "region": "210102",
        "regionName": "和平区",
        "device": 1,
    }
    write_credentials(tmp_path / "out", issued, unit)
    made = DeviceHome.create(
        tmp_path / "device", platform="127.0.0.1:1", credentials=tmp_path / "out"
    )
    set_value(made.settings_file, "leave_by", "lo", type(made.settings({})))
    made.root.chmod(0o700)
    return made


def test_a_device_reaches_a_running_platform(
    home: Home, device: DeviceHome, capsys: Capture
) -> None:
    opened = open_home(home.path, {})
    with (
        opened.store() as store,
        serving([replace(listener(opened, Platform(store, opened.settings)), port=0)]) as running,
    ):
        address = running["device"].url
        set_value(device.settings_file, "platform", address, type(device.settings({})))
        code, found = report(capsys, device.root)
    assert code == 0, found
    for subject in ("端设备证书", "密钥文件权限", "数据库持久性", "出口", "平台连接", "时钟"):
        assert states(found[subject]) == {"ok"}, found[subject]


def test_a_device_without_its_platform_says_where_to_look(
    device: DeviceHome, capsys: Capture
) -> None:
    code, found = report(capsys, device.root)
    assert (code, states(found["平台连接"])) == (1, {"fault"})
    assert "拒绝连接" in found["平台连接"][0]["found"]


def settings_of(device: DeviceHome, **values: Any) -> None:
    for key, value in values.items():
        set_value(device.settings_file, key, value, type(device.settings({})))


def test_a_device_whose_tunnel_is_gone_is_told(device: DeviceHome, capsys: Capture) -> None:
    settings_of(device, leave_by="wg9")
    _, found = report(capsys, device.root)
    assert "没有网卡 wg9" in found["出口"][0]["found"]
    settings_of(device, leave_by="")
    _, found = report(capsys, device.root)
    assert states(found["出口"]) == {"warning"}


def test_a_key_that_others_can_read_and_a_broken_database_are_found(
    device: DeviceHome, capsys: Capture
) -> None:
    (device.credentials / "device.key").chmod(0o640)
    device.database.write_bytes(b"no database" * 1000)
    _, found = report(capsys, device.root)
    assert states(found["密钥文件权限"]) == {"fault"}
    assert states(found["数据库持久性"]) == {"fault"}
