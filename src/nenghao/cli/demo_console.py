"""The demo's console: an operator to log in with, made through the services like any other.

How the demo goes is `demo`'s business. The demo's platform wants no one-time codes (`login_totp`),
so that whoever tries it needs no authenticator.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from nenghao.clock import china_now
from nenghao.platform import home as platform_homes
from nenghao.platform import operators, operators_admin
from nenghao.platform.home import Home
from nenghao.platform.operators import Policy
from nenghao.platform.operators_admin import By
from nenghao.platform.permissions import Role
from nenghao.security.files import write_secret
from nenghao.security.passwords import fresh_password

NAME, FULL_NAME = "demo", "演示业务员"
SETTINGS = {"login_totp": False}
"""What the demo's platform is set up with."""
PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.2


class Login(msgspec.Struct):
    """How the visitor gets in."""

    name: str
    password: str


def prepare(path: Path, kept: Path) -> Login:
    """The demo's operator, made if there is none yet; `kept` remembers the password (0600)."""
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Login)
    login = Login(NAME, fresh_password())
    _make(platform_homes.open_home(path, os.environ), login)
    write_secret(kept, msgspec.json.encode(login))
    return login


def _make(home: Home, login: Login) -> None:
    now = china_now()
    policy = Policy.of(home.settings)
    master = home.master_key()
    by = By(None)
    with home.store() as store:
        first = operators_admin.add(store, by, login.name, FULL_NAME, now, scheme=policy.scheme)
        given = operators_admin.grant(
            store, by, login.name, Role.CLERK, now, master=master, with_totp=False, policy=policy
        )
        session = operators.login(
            store, login.name, first, given.activation, "", now, master=master, policy=policy
        )
        operators.change_password(store, session, first, login.password, "", now, policy=policy)


async def until_reached(host: str, port: int) -> bool:
    """Whether the console listens, with some patience."""
    end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while asyncio.get_running_loop().time() < end:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            writer.close()
            return True
    return False
