"""What the pages of settings, health and the national uplink show, and what they do."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from nenghao import settings as settings_files
from nenghao.console.views import health, settings, uplink
from nenghao.platform import audit, settings_admin, vitals
from nenghao.platform import home as homes
from nenghao.platform.home import Home
from nenghao.platform.settings import PlatformSettings
from nenghao.platform.settings_admin import Effect, Kind
from nenghao.platform.store.engine import Store
from nenghao.platform.store.totals_schema import total_mark
from nenghao.platform.store.uplink_schema import uplink_refused
from nenghao.platform.totals.marks import AT_ONCE
from nenghao.platform.uplink import marks, operation
from nenghao.platform.uplink.credentials import CredentialsError
from nenghao.platform.uplink.marks import Mark
from nenghao.platform.uplink.operation import UplinkError
from nenghao.security.checkup import beware, fault, well
from nenghao.settings import SettingsError
from tests.platform.energy import new_peer, record, send
from tests.platform.world import NOW, unit_code

SECRET = "hunter2-" + "x" * 8


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return homes.init(tmp_path / "home", {}, NOW)


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with home.store() as opened:
        yield opened


def lines(store: Store, home: Home, word: str = "", **environ: str) -> dict[str, settings.Line]:
    with store.read() as conn:
        parts = settings.parts(conn, home.path, environ, word)
    return {line.key: line for part in parts for line in part.lines}


def trail(store: Store, action: str) -> list[Any]:
    with store.read() as conn:
        return list(audit.listing(conn, audit.Filter(action=action), 100))


def value(home: Home, key: str) -> object:
    return getattr(homes.open_home(home.path, {}).settings, key)


# --- settings ------------------------------------------------------------------------------------


def test_every_setting_is_shown_once_with_comment_value_and_default(
    home: Home, store: Store
) -> None:
    with store.read() as conn:
        parts = settings.parts(conn, home.path, {})
    shown = [line.key for part in parts for line in part.lines]
    assert sorted(shown) == sorted(PlatformSettings.__struct_fields__)
    told = lines(store, home)
    assert "端设备接口" in told["device_port"].comment
    assert (told["device_port"].value, told["device_port"].kind) == ("9443", Kind.NUMBER)
    assert told["role"].choices == {"province": "province", "national": "national"}
    assert (told["log_json"].value, told["log_json"].choices) == (
        "否",
        {"true": "是", "false": "否"},
    )
    assert told["bind"].value == "（空）"
    assert all(line.is_default and line.changed == "" for line in told.values())
    assert told["uplink_window"].effect is Effect.AT_ONCE
    assert told["device_port"].effect is Effect.SERVE


def test_settings_are_searched_by_every_word(home: Home, store: Store) -> None:
    assert set(lines(store, home, "会话 分钟")) == {"session_idle_minutes"}
    assert set(lines(store, home, "UPLINK_to")) == {"uplink_to"}
    assert lines(store, home, "没有这样的设置") == {}


def test_a_change_is_written_audited_and_named(home: Home, store: Store) -> None:
    with audit.acting("user:zhang", "10.0.0.1"):
        values = {"session_hours": "8", "log_json": "是", "strict": "not_configured， negative"}
        done = settings_admin.change(store, home.path, values, NOW, seen={"session_hours": "12"})
    assert done == ["session_hours", "log_json", "strict"]
    assert (value(home, "session_hours"), value(home, "log_json")) == (8, True)
    assert [one.value for one in value(home, "strict")] == [  # type: ignore[attr-defined]
        "not_configured",
        "negative",
    ]
    row = trail(store, settings_admin.ACTION)[-1]
    assert (row["actor"], row["address"], row["subject"], row["detail"]) == (
        "user:zhang",
        "10.0.0.1",
        "session_hours",
        "12 → 8",
    )
    told = lines(store, home, NENGHAO_SESSION_HOURS="3")["session_hours"]
    assert (told.value, told.is_default, told.overridden) == ("8", False, True)
    assert told.changed == "user:zhang 于 2026-11-22 01:30"
    text = home.settings_file.read_text("utf-8")
    home.settings_file.write_text(text.replace("session_hours = 8", "session_hours = 9"), "utf-8")
    assert "其后又在平台的机器上被编辑" in lines(store, home)["session_hours"].changed


def test_what_stays_as_it_is_leaves_no_record(home: Home, store: Store) -> None:
    assert settings_admin.change(store, home.path, {"session_hours": "12"}, NOW) == []
    assert trail(store, settings_admin.ACTION) == []


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"session_hours": "0"}, "session_hours 应为整数（不小于 1，不大于 168）"),
        ({"session_hours": "acht"}, "session_hours 应为整数"),
        ({"header_seconds": "nan"}, "header_seconds 应为数字"),
        ({"log_json": "perhaps"}, "log_json 应为布尔值"),
        ({"strict": "odd"}, "strict 应为列表"),
        ({"role": "county"}, "role 应为以下之一"),
        ({"host": "a b"}, "设置项 host 应为域名或 IP 地址"),
        ({"upload_window_start": "25:00:00"}, "upload_window_start 应为 HH:MM:SS"),
        ({"uplink_window": "02:00-02:00"}, "uplink_window 应为 always"),
        ({"sesion_hours": "1"}, "未知的设置项 sesion_hours"),
        ({"log_json": "true", "session_hours": "999"}, "session_hours"),
        ({"database": "postgresql://u:p@h/d"}, "只能在平台所在的机器上"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(
    home: Home, store: Store, values: dict[str, object], why: str
) -> None:
    before = home.settings_file.read_bytes()
    with pytest.raises(SettingsError) as told:
        settings_admin.change(store, home.path, values, NOW)
    assert why in str(told.value)
    assert home.settings_file.read_bytes() == before
    assert trail(store, settings_admin.ACTION) == []


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(home: Home, store: Store) -> None:
    settings_admin.change(store, home.path, {"workers": 4}, NOW)
    with pytest.raises(SettingsError, match="其间已被改为 4"):
        settings_admin.change(store, home.path, {"workers": "2"}, NOW, seen={"workers": "1"})
    assert value(home, "workers") == 4


def test_a_change_that_is_not_recorded_is_none(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after the first of two: the file says again what it said."""
    real = settings_files.set_value

    def full(path: Path, key: str, *rest: Any) -> None:
        if key == "workers" and rest[0] == 4:
            raise OSError("full")
        real(path, key, *rest)

    monkeypatch.setattr(settings_files, "set_value", full)
    with pytest.raises(OSError, match="full"):
        settings_admin.change(store, home.path, {"session_hours": 3, "workers": 4}, NOW)
    assert (value(home, "session_hours"), value(home, "workers")) == (12, 1)
    assert trail(store, settings_admin.ACTION) == []
    assert lines(store, home)["session_hours"].changed == ""


def test_the_databases_address_is_nowhere(home: Home, store: Store) -> None:
    text = home.settings_file.read_text("utf-8")
    url = f"postgresql+psycopg://nenghao:{SECRET}@db/nenghao"
    home.settings_file.write_text(text.replace('database = ""', f'database = "{url}"'), "utf-8")
    told = lines(store, home, NENGHAO_DATABASE=url)
    assert told["database"].value == "postgresql（地址不显示）"
    assert told["database"].is_secret
    assert SECRET not in repr(told)
    settings_admin.change(store, home.path, {"workers": 2}, NOW)
    assert SECRET in home.settings_file.read_text("utf-8"), "kept in the file"
    assert SECRET not in repr(trail(store, ""))


def test_the_uplink_begins_only_with_the_provinces_certificate(home: Home, store: Store) -> None:
    values = {"uplink_to": "https://127.0.0.1:4711"}
    with pytest.raises(CredentialsError, match=r"device\.pem"):
        settings_admin.change(store, home.path, values, NOW)
    settings_admin.change(store, home.path, {"role": "national"}, NOW)
    with pytest.raises(SettingsError, match="国家平台不向上报送"):
        settings_admin.change(store, home.path, values, NOW)


# --- health --------------------------------------------------------------------------------------


def test_figures_of_a_platform_that_nobody_has_used(home: Home, store: Store) -> None:
    with store.read() as conn:
        told = health.figures(conn, store, home, home.settings, NOW)
    assert (told.units, told.devices, told.receipts, told.newest) == (0, 0, 0, "")
    assert (told.marks, told.due, told.backlog, told.sending) == (0, 0, 0, False)
    assert told.database == "SQLite"
    assert told.size.endswith(("kB", "MB"))


def test_figures_count_what_there_is(home: Home, store: Store) -> None:
    peer = new_peer(store)
    send(store, peer, [record(1)])
    send(store, peer, [record(2, "2026-11-20 00:00:00")])
    later = NOW + timedelta(days=1)
    with store.write() as conn:
        conn.execute(total_mark.delete())
        rows = [{"stat_type": 1, "frame": n, "slots": 1, "unit_id": peer.unit_id} for n in (1, 2)]
        conn.execute(insert(total_mark), [rows[0] | {"due": AT_ONCE}, rows[1] | {"due": later}])
    with store.read() as conn:
        told = health.figures(conn, store, home, home.settings, NOW)
    assert (told.units, told.receipts, told.newest) == (1, 2, f"{NOW:%Y-%m-%d %H:%M}")
    assert (told.marks, told.marked_units, told.due) == (2, 1, 1)


def test_listeners_are_those_of_the_settings_and_are_tried() -> None:
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        ports = taken.getsockname()[1], free.getsockname()[1]
        asked = vitals.ports(
            PlatformSettings(bind="0.0.0.0", device_port=ports[0], exchange_port=ports[1])
        )
        told = health.listening((port, vitals.answers(port)) for port in asked)
    assert [(one.setting, one.state, one.kind) for one in told] == [
        ("device_port", "可连接", "good"),
        ("exchange_port", "没有监听", "bad"),
    ]
    assert told[0].address == f"0.0.0.0:{ports[0]}"
    assert len(vitals.ports(PlatformSettings(health_port=9464, enrol_port=1, exchange_port=0))) == 3


def test_certificates_are_told_with_their_end(home: Home) -> None:
    found = vitals.endings(home)
    told = health.certificates(found, found[0].not_after - timedelta(days=10, hours=1))
    assert (told[0].what, told[0].state, told[0].kind) == ("服务器证书", "还有 10 天", "warn")
    assert {one.what for one in told} == {"服务器证书", "签发机构"}
    assert told[-1].kind == "good"
    (over, *_) = health.certificates(found, found[0].not_after + timedelta(days=1))
    assert (over.state, over.kind) == ("已过期", "bad")
    (home.ca / "broken.pem").write_text("no certificate")
    assert vitals.endings(home) == found


def test_the_checkup_begins_with_what_is_wrong() -> None:
    asked = [well("时钟", "对"), fault("数据库", "坏", "修"), beware("磁盘", "少", "清理")]
    told = health.findings(asked)
    assert [(one.subject, one.state, one.kind) for one in told] == [
        ("数据库", "故障", "bad"),
        ("磁盘", "注意", "warn"),
        ("时钟", "正常", "good"),
    ]
    assert told[0].advice == "修"


METRICS = b"""# HELP nenghao_requests_total Requests
nenghao_requests_total{listener="device",code="0"} 40.0
nenghao_requests_total{listener="device",code="E2001"} 2.0
nenghao_requests_created{listener="device",code="0"} 1.7e+09
nenghao_limit_reached_total{listener="device",limit="body"} 1.0
nenghao_connections{listener="device"} 3.0
nenghao_handshakes_refused_total{listener="exchange"} 5.0
python_info 1.0
"""


def test_what_the_health_listener_counts_is_summed_by_listener() -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        found = vitals.counts(PlatformSettings(health_port=server.server_address[1]))
        thread.join()
    told = {one.name: one for one in health.counted(found)}
    device = told["端设备接口"]
    assert (device.answered, device.faults, device.limits, device.connections) == (42, 2, 1, 3)
    assert told["其他应用平台接口"].handshakes == 5
    assert vitals.counts(PlatformSettings()) == []


def test_nobody_at_the_health_port_is_no_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert vitals.counts(PlatformSettings(health_port=free.getsockname()[1])) == []


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_340_000_000, "2.3 GB")]
)
def test_sizes_have_a_unit_that_fits(count: int, text: str) -> None:
    assert health.size(count) == text


# --- the national uplink -------------------------------------------------------------------------


def refuse(store: Store, unit_id: int, number: int, words: str = "E2002 dataCode") -> None:
    row = {"unit_id": unit_id, "kind": 1, "number": number, "slots": 3, "since": NOW}
    times = {"received_at": NOW, "refused_at": NOW + timedelta(minutes=number % 7)}
    with store.write() as conn:
        conn.execute(insert(uplink_refused).values(**row, **times, code="E2002", words=words))


def test_an_uplink_that_is_not_set_up_says_so(home: Home, store: Store) -> None:
    with store.read() as conn:
        told = uplink.standing(conn, home, home.settings, NOW)
        assert uplink.refusals(conn) == ([], 0)
    assert (told.to, told.province, told.trouble, told.running) == ("", "", "", False)
    assert (told.backlog, told.oldest, told.waiting, told.refused) == (0, "", [], 0)
    (home.path / "uplink").mkdir()
    with store.read() as conn:
        told = uplink.standing(conn, home, home.settings, NOW)
    assert "缺少 device.pem" in told.trouble


def test_what_waits_is_told_by_kind_with_the_oldest(home: Home, store: Store) -> None:
    peers = [new_peer(store, unit_code(n)) for n in (1, 2)]
    with store.write() as conn:
        marks.put(conn, peers[0].unit_id, [Mark(marks.UNIT, 0), Mark(1, 322)], NOW)
        later = NOW + timedelta(hours=1)
        marks.put(conn, peers[1].unit_id, [Mark(1, 322), Mark(1, 321)], later)
    with store.read() as conn:
        told = uplink.standing(conn, home, home.settings, NOW + timedelta(hours=2))
    assert (told.backlog, told.oldest, told.age_minutes) == (4, "2026-11-22 01:30", 120)
    assert [(one.kind, one.marks, one.units, one.oldest) for one in told.waiting] == [
        ("用能单位登记", 1, 1, "2026-11-22 01:30"),
        ("日数据", 3, 2, "2026-11-22 01:30"),
    ]


def test_refusals_are_paged_searched_and_sent_again(store: Store) -> None:
    peers = [new_peer(store, unit_code(n)) for n in (1, 2)]
    for number in range(320, 325):
        refuse(store, peers[0].unit_id, number)
    refuse(store, peers[1].unit_id, 320, "100% <b>不是数</b>")
    with store.read() as conn:
        page, total = uplink.refusals(conn, limit=2, offset=4)
        assert (len(page), total) == (2, 6)
        ((found,), total) = uplink.refusals(conn, "100%")
    assert (found.code, found.words, found.item, total) == (
        unit_code(2),
        "100% <b>不是数</b>",
        "日数据 2026-09",
        1,
    )
    with audit.acting("user:li", "10.0.0.2"):
        assert operation.retry(store, NOW, unit_code(2)) == 1
        assert operation.retry(store, NOW, unit_code(2)) == 0
    (row,) = trail(store, "uplink.retry")
    assert (row["actor"], row["subject"], row["detail"]) == ("user:li", unit_code(2), "1 条")
    with store.read() as conn:
        assert uplink.refusals(conn)[1] == 5


def test_what_cannot_be_compared_says_why(home: Home, store: Store) -> None:
    first = date(2026, 11, 1)
    for last, why in (
        (date(2026, 10, 31), "不晚于"),
        (date(2027, 11, 2), "至多核对 366 天"),
        (date(2026, 11, 30), "没有设置上送"),
    ):
        with pytest.raises(UplinkError, match=why):
            operation.compare(store, home, first, last, NOW)
    with pytest.raises(UplinkError, match="没有设置上送"):
        operation.approve(store, home, NOW)
    assert trail(store, "uplink.") == []
