"""WebSockets and open pages (长连接): for whom they open, and whose page a message counts for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from nenghao.clock import china_now
from nenghao.platform import operators, sessions
from nenghao.platform.permissions import Role
from nenghao.platform.sessions import Lasting
from tests.console.attackers import SOCKET, dial, origins, post, refusal
from tests.console.ground import COOKIE, Ground


@pytest.fixture
def stranger(ground: Ground) -> Iterator[httpx.Client]:
    with ground.client() as client:
        yield client


@pytest.fixture
def clerk(ground: Ground) -> Iterator[httpx.Client]:
    with ground.client(Role.CLERK) as client:
        yield client


def test_a_websocket_needs_the_session_and_our_own_origin(ground: Ground) -> None:
    token = ground.token(Role.CLERK)
    assert refusal(ground, token) is None
    for origin in origins(ground):
        assert refusal(ground, token, origin or None) == 403, origin
    assert refusal(ground, "") == 403
    assert refusal(ground, "", None) == 403
    assert refusal(ground, "A" * 43) == 403
    assert refusal(ground, token, path="/_nicegui_ws/../units") == 403
    assert refusal(ground, token, path="/units") == 403


def test_polling_is_no_way_round(ground: Ground, stranger: httpx.Client) -> None:
    asked = f"{SOCKET}?EIO=4&transport=polling"
    assert stranger.get(asked).status_code in (303, 401)
    with ground.client(Role.CLERK) as client:
        for origin in origins(ground):
            assert post(client, asked, {}, origin=origin).status_code == 403


def test_an_ended_session_opens_nothing(ground: Ground) -> None:
    with ground.client(Role.CLERK) as client:
        token = client.cookies[COOKIE]
        answer = post(client, "/logout", {})
        assert answer.status_code == 303
        assert 'nenghao=""' in answer.headers["set-cookie"]
    with ground.client() as thief:
        thief.cookies.set(COOKIE, token)
        assert thief.get("/units").status_code == 303
    assert refusal(ground, token) == 403


def test_an_idle_session_opens_nothing(ground: Ground) -> None:
    begun = china_now() - timedelta(hours=2)
    with ground.store.write() as conn:
        found = operators.named(conn, ground.operators[Role.CLERK])
        assert found is not None
        idle = sessions.begin(conn, found.id, "127.0.0.1", begun, Lasting())
        old = Lasting(idle=timedelta(days=1), longest=timedelta(hours=1))
        over = sessions.begin(conn, found.id, "127.0.0.1", begun, old)
    for token in (idle, over):
        with ground.client() as client:
            client.cookies.set(COOKIE, token)
            assert client.get("/units").status_code == 303
        assert refusal(ground, token) == 403


# --- other people's pages -----------------------------------------------------------------------

_CLIENT = re.compile(r"'client_id': '([0-9a-f-]{36})'")
_UPLOAD = re.compile(r"/_nicegui/client/[0-9a-f-]{36}/upload/[0-9]+")


_REQUEST = re.compile(r'"(\d+)":{"tag":"nicegui-table".*?"listener_id":"([^"]*)","type":"request"')


@dataclass(frozen=True)
class Tab:
    """A list's page as a browser gets it, and what must be known to speak for that page."""

    token: str
    client_id: str
    element: str
    listener: str

    def event(self, **pagination: object) -> str:
        """The message that asks for other rows."""
        message = {
            "id": int(self.element),
            "client_id": self.client_id,
            "listener_id": self.listener,
            "args": [json.dumps({"pagination": {"rowsPerPage": 20} | pagination})],
        }
        return "42" + json.dumps(["event", message])


def tab(ground: Ground, role: Role) -> Tab:
    with ground.client(role) as client:
        text = client.get("/units").text
        page, table = _CLIENT.search(text), _REQUEST.search(text)
        assert page is not None
        assert table is not None
        return Tab(client.cookies[COOKIE], page[1], table[1], table[2])


@contextmanager
def joined(ground: Ground, token: str, client_id: str) -> Iterator[tuple[ClientConnection, str]]:
    """A WebSocket that wants to be that page's, and the answer: 40 yes, 44 no."""
    query = {
        "client_id": client_id,
        "tab_id": "00000000-0000-4000-8000-000000000001",
        "document_id": "00000000-0000-4000-8000-000000000002",
        "next_message_id": "0",
        "implicit_handshake": "true",
    }
    with dial(ground, token, ground.url, **query) as socket:
        assert str(socket.recv(20)).startswith("0"), "engine.io is open"
        socket.send("40")
        yield socket, str(socket.recv(20))[:2]


def heard(socket: ClientConnection, word: str) -> str:
    """All that comes until a message has that word in it; the server's few pings are answered."""
    messages, pings = "", 0
    while word not in messages:
        assert pings < 8, f"nothing came with {word}: {messages}"
        message = socket.recv(30)
        messages += message if isinstance(message, str) else ""
        if message == "2":
            pings += 1
            socket.send("3")
    return messages


def test_a_page_belongs_to_the_session_that_opened_it(ground: Ground) -> None:
    mine = tab(ground, Role.CLERK)
    for token in (ground.token(Role.AUDITOR), ground.token(Role.CLERK), ""):
        with pytest.raises(InvalidStatus) as refused, joined(ground, token, mine.client_id):
            pass
        assert refused.value.response.status_code == 403
    with joined(ground, mine.token, mine.client_id) as (_, answer):
        assert answer == "40"
    with ground.client(Role.AUDITOR) as other:
        asked = {"EIO": "4", "transport": "polling", "client_id": mine.client_id}
        assert other.get(SOCKET, params=asked).status_code == 403


def test_a_message_counts_for_the_page_of_its_own_websocket(ground: Ground) -> None:
    mine, other = tab(ground, Role.CLERK), tab(ground, Role.AUDITOR)
    with (
        joined(ground, mine.token, mine.client_id) as (my_socket, _),
        joined(ground, other.token, other.client_id) as (other_socket, _),
    ):
        other_socket.send(mine.event(page=1, sortBy="industry"))
        other_socket.send(other.event(page=1, sortBy="code"))
        heard(other_socket, "?sort=code")
        my_socket.send(mine.event(page=1, sortBy="name"))
        assert "?sort=industry" not in heard(my_socket, "?sort=name")


def test_an_upload_belongs_to_the_session_whose_page_it_is_on(
    ground: Ground, clerk: httpx.Client, stranger: httpx.Client
) -> None:
    found = None
    for path in UPLOADING:
        found = found or _UPLOAD.search(clerk.get(path).text)
    assert found is not None, "no page has an upload"
    file = {"file": ("x.csv", b"a,b\n", "text/csv")}
    own = {"origin": ground.url}
    assert stranger.post(found[0], files=file, headers=own).status_code in (303, 401)
    for role in (Role.AUDITOR, Role.UNIT, Role.CLERK):
        with ground.client(role) as other:
            assert other.post(found[0], files=file, headers=own).status_code in (403, 404), role
    foreign = {"origin": "https://evil.example"}
    assert clerk.post(found[0], files=file, headers=foreign).status_code == 403
    assert clerk.post(found[0], files=file, headers=own).status_code == 200, "his own"


UPLOADING = ("/reports", "/coefficients", "/base-data/energyType", "/projects")
"""Pages of which one at least has a field for files."""
