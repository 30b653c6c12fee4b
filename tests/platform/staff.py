"""Operators for tests: each with his password and authenticator, made as a site would."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nenghao.platform import operators, operators_admin
from nenghao.platform.operators import Policy
from nenghao.platform.operators_admin import MACHINE, By
from nenghao.platform.permissions import Role
from nenghao.platform.sessions import Session
from nenghao.platform.store.engine import Store
from nenghao.security import totp
from nenghao.security.sealing import MasterKey
from tests.platform.world import ADDRESS, NOW, STEEL

MASTER = MasterKey(bytes(range(16)))
PASSWORD = "Correct-Horse-7"


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    store: Store
    name: str
    password: str
    secret: bytes = b""
    activation: str = ""
    master: MasterKey = MASTER

    def code(self, now: datetime = NOW) -> str:
        """What his app shows."""
        if not self.secret:
            return self.activation
        return totp.code_of(self.secret, totp.step_of(now))

    def login(
        self,
        now: datetime = NOW,
        *,
        password: str | None = None,
        code: str | None = None,
        address: str = ADDRESS,
        policy: Policy | None = None,
    ) -> Session:
        return operators.login(
            self.store,
            self.name,
            self.password if password is None else password,
            self.code(now) if code is None else code,
            address,
            now,
            master=self.master,
            policy=policy,
        )

    def settled(self, now: datetime) -> Person:
        """The same with a password of his own."""
        session = self.login(now)
        operators.change_password(self.store, session, self.password, PASSWORD, ADDRESS, now)
        return replace(self, password=PASSWORD)


def hire(
    store: Store,
    name: str,
    role: Role,
    *,
    unit: str = "",
    with_totp: bool = True,
    master: MasterKey = MASTER,
    now: datetime = NOW,
) -> Person:
    """A new account with a role, its first password unchanged."""
    if role is Role.UNIT and not unit:
        unit = STEEL
    password = operators_admin.add(store, MACHINE, name, "张三", now)
    issued = operators_admin.grant(
        store, MACHINE, name, role, now, master=master, unit=unit, with_totp=with_totp
    )
    secret = base64.b32decode(issued.secret)
    return Person(store, name, password, secret, issued.activation, master)


def at_work(store: Store, name: str, role: Role, now: datetime = NOW) -> Session:
    """Somebody of that role who has his own password and is logged in."""
    person = hire(store, name, role, now=now - timedelta(hours=1))
    return person.settled(now - timedelta(hours=1)).login(now)


def by(session: Session) -> By:
    return By(session, ADDRESS)
