"""What the pages of operators show: nothing secret, everything paged, a code that can be read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from nenghao.console.views import users, users_qr
from nenghao.console.views.users import Wanted
from nenghao.platform import operators_admin, sessions
from nenghao.platform.operators_admin import MACHINE
from nenghao.platform.permissions import TABLE, Act, Role
from nenghao.platform.store.engine import Store
from nenghao.security import passwords
from tests.platform.energy import new_peer
from tests.platform.staff import MASTER, at_work, hire
from tests.platform.world import ADDRESS, NOW, STEEL, fill, unit_code


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "fresh.db"
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID)
    monkeypatch.setattr(passwords, "_ARGON2", cheap)
    shutil.copy(fresh, tmp_path / "nenghao.db")
    opened = Store.open(f"sqlite:///{tmp_path / 'nenghao.db'}")
    yield opened
    opened.close()


def shown(store: Store, **wanted: str) -> list[str]:
    """The user names that a search finds."""
    with store.read() as conn:
        found, total = users.people(conn, Wanted(**wanted), NOW)
    assert total == len(found)
    return [one.name for one in found]


def test_no_operator_no_row(store: Store) -> None:
    with store.read() as conn:
        assert users.people(conn, Wanted(), NOW) == ([], 0)
        assert users.one(conn, 1, NOW) is None


def test_a_search_goes_by_text_role_and_state(store: Store) -> None:
    hire(store, "zhang", Role.SYSTEM)
    hire(store, "li", Role.CLERK)
    hire(store, "wang", Role.UNIT, unit=STEEL, with_totp=False)
    operators_admin.add(store, MACHINE, "new_one", "100% 新人", NOW)
    operators_admin.lock(store, MACHINE, "li", NOW)
    at_work(store, "settled", Role.AUDITOR)
    assert shown(store) == ["li", "new_one", "settled", "wang", "zhang"]
    assert shown(store, text="an") == ["wang", "zhang"]
    assert shown(store, text=STEEL[:10]) == ["wang"]
    assert shown(store, text="100%") == ["new_one"]
    assert shown(store, text="_") == ["new_one"], "no wildcard"
    assert shown(store, role="unit") == ["wang"]
    assert shown(store, role="none") == ["new_one"]
    assert shown(store, state="locked") == ["li"]
    assert shown(store, state="active") == ["settled", "wang", "zhang"]
    assert shown(store, state="fresh") == ["li", "new_one", "wang", "zhang"]


def test_pages_are_cut_and_sorted_by_the_database(store: Store) -> None:
    for number in range(7):
        operators_admin.add(store, MACHINE, f"user{number}", f"姓名{9 - number}", NOW)
    with store.read() as conn:
        page, total = users.people(conn, Wanted(), NOW, limit=3, offset=6)
        assert ([one.name for one in page], total) == (["user6"], 7)
        page, _ = users.people(conn, Wanted(), NOW, sort="full_name", limit=2)
        assert [one.name for one in page] == ["user6", "user5"]
        page, _ = users.people(conn, Wanted(), NOW, sort="name", descending=True, limit=1)
        assert [one.name for one in page] == ["user6"]
        assert users.people(conn, Wanted(), NOW, offset=99) == ([], 7)


def test_states_are_told_in_words(store: Store) -> None:
    person = hire(store, "zhang", Role.UNIT, unit=unit_code(1))
    with store.read() as conn:
        (row,), _ = users.people(conn, Wanted(), NOW)
    assert (row.state, row.role, row.totp) == ("须改口令", "企业用户", "有")
    assert row.unit == f"{unit_code(1)} （尚未注册）"
    new_peer(store, unit_code(1))
    for _ in range(5):
        with pytest.raises(Exception, match="登录失败"):
            person.login(password="wrong")
    with store.read() as conn:
        found = users.one(conn, row.number, NOW)
        later = users.one(conn, row.number, NOW + timedelta(minutes=15))
    assert found is not None
    assert later is not None
    assert (found.person.state, found.person.kind, found.is_locked) == ("登录失败锁定", "bad", True)
    assert found.locked == "因登录失败锁定至 2026-11-22 01:45"
    assert (later.is_locked, later.locked) == (False, "")
    assert found.person.unit.startswith(f"{unit_code(1)} ")
    assert "尚未注册" not in found.person.unit


def test_sessions_say_which_one_asks_and_nothing_secret_is_shown(store: Store) -> None:
    person = hire(store, "zhang", Role.SYSTEM).settled(NOW - timedelta(hours=1))
    mine = person.login(NOW)
    person.login(NOW + timedelta(minutes=1), address="10.9.9.9")
    at = NOW + timedelta(minutes=2)
    with store.read() as conn:
        seats = users.seats(conn, "zhang", at, mine)
        everything, _ = users.people(conn, Wanted(), at)
        found = users.one(conn, everything[0].number, at)
    assert [(one.address, one.is_own) for one in seats[-2:]] == [
        (ADDRESS, True),
        ("10.9.9.9", False),
    ]
    assert found is not None
    told = repr((everything, asdict(found)))
    assert mine.token not in told
    assert person.password not in told
    assert "argon2" not in told
    ended = sessions.end_others(store, mine, at, ADDRESS)
    with store.read() as conn:
        assert [one.is_own for one in users.seats(conn, "zhang", at, mine)] == [True]
    assert ended == 2, "the other one, and one that had been left idle"
    assert sessions.of(store, mine.token, at) is not None
    assert sessions.end_others(store, mine, at, ADDRESS) == 0


def test_the_table_is_the_whole_table() -> None:
    rows = users.permissions()
    assert [row.act for row in rows] == [act.value for act in Act]
    for row in rows:
        for role in Role:
            assert row.roles[role.value] == (Act(row.act) in TABLE[role])


# --- the code ------------------------------------------------------------------------------------


def decoded(made: users_qr.Matrix) -> str:
    """Read a symbol of level M as a reader does: format, mask, blocks, bytes."""
    version = (len(made) - 17) // 4
    near = (
        [(8, y) for y in (0, 1, 2, 3, 4, 5, 7, 8)] + [(7, 8)] + [(x, 8) for x in range(5, -1, -1)]
    )
    bits = sum(made[y][x] << number for number, (x, y) in enumerate(near)) ^ 0b101010000010010
    assert bits >> 13 == 0, "level M"
    turned: Callable[[int, int], int] = [
        lambda x, y: (x + y) % 2,
        lambda x, y: y % 2,
        lambda x, y: x % 3,
        lambda x, y: (x + y) % 3,
        lambda x, y: (y // 2 + x // 3) % 2,
        lambda x, y: (x * y) % 2 + (x * y) % 3,
        lambda x, y: ((x * y) % 2 + (x * y) % 3) % 2,
        lambda x, y: ((x + y) % 2 + (x * y) % 3) % 2,
    ][bits >> 10]
    _, fixed = users_qr._frame(version)
    stream = "".join("01"[made[y][x] ^ (turned(x, y) == 0)] for x, y in users_qr.walk(fixed))
    words = [int(stream[at : at + 8], 2) for at in range(0, len(stream) - 7, 8)]
    blocks, count = users_qr._BLOCKS[version - 1], users_qr._ECC[version - 1]
    room = len(words) - blocks * count
    sizes = [room // blocks + (n >= blocks - room % blocks) for n in range(blocks)]
    parts: list[list[int]] = [[] for _ in range(blocks)]
    at = 0
    for i in range(max(sizes)):
        for part, size in zip(parts, sizes, strict=True):
            if i < size:
                part.append(words[at])
                at += 1
    for number, part in enumerate(parts):
        rest = [words[room + i * blocks + number] for i in range(count)]
        assert users_qr.correction(bytes(part), count) == bytes(rest)
    text = "".join(f"{word:08b}" for part in parts for word in part)
    long = 8 if version < 10 else 16
    assert text[:4] == "0100", "bytes"
    length = int(text[4 : 4 + long], 2)
    body = text[4 + long : 4 + long + 8 * length]
    return bytes(int(body[at : at + 8], 2) for at in range(0, len(body), 8)).decode()


def test_corrections_are_those_of_the_standards_example() -> None:
    """ISO/IEC 18004, annex I: 01234567 in version 1-M."""
    data = bytes.fromhex("10200C566180EC11EC11EC11EC11EC11")
    assert users_qr.correction(data, 10) == bytes.fromhex("A524D4C1ED36C787 2C55")


@pytest.mark.parametrize("length", [1, 14, 15, 90, 180, 213, 300, 452, 666])
def test_a_code_is_read_back(length: int) -> None:
    text = ("otpauth://totp/nenghao%3Azhang?secret=" + "ABC234" * 110)[: max(length - 2, 0)]
    text += "é" if length > 1 else "x"
    assert len(text.encode()) == length
    assert decoded(users_qr.matrix(text)) == text


def test_a_code_has_its_finders_and_an_end() -> None:
    made = users_qr.matrix("otpauth://totp/nenghao%3Azhang?secret=ABC")
    finder = ["1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111"]
    for top, left in ((0, 0), (0, len(made) - 7), (len(made) - 7, 0)):
        rows = [made[top + i][left : left + 7] for i in range(7)]
        assert ["".join("01"[dark] for dark in row) for row in rows] == finder
    data, side = users_qr.path(made)
    assert side == len(made) + 8
    assert data.count("M") == sum(map(sum, made))
    with pytest.raises(ValueError, match="too many"):
        users_qr.matrix("x" * 667)


def test_what_an_authenticator_is_given_fits(store: Store) -> None:
    name = "名" * 40
    operators_admin.add(store, MACHINE, name, "长名", NOW)
    issued = operators_admin.grant(store, MACHINE, name, Role.CLERK, NOW, master=MASTER)
    assert decoded(users_qr.matrix(issued.uri)) == issued.uri
