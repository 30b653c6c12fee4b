"""The permission table, written down once more by hand: role by role, act by act."""

from __future__ import annotations

from itertools import product

import pytest

from nenghao.platform.permissions import ABOUT_UNITS, TABLE, Act, Role, may, reaches
from tests.platform.world import STEEL, unit_code

MATRIX = """
                      system security auditor clerk unit
own.account           x      x        x       x     x
platform.run          x      .        .       .     .
schedule.read         x      .        .       x     .
schedule.edit         x      .        .       .     .
journal.read          x      .        x       x     .
journal.verify        x      .        x       .     .
journal.prune         x      .        .       .     .
data.rebuild          x      .        .       .     .
units.read            x      x        x       x     own
units.edit            .      .        .       x     .
data.read             .      .        .       x     own
reports.fill          .      .        .       x     own
totals.read           .      .        .       x     own
totals.verify         x      .        x       x     .
totals.recompute      x      .        .       .     .
base-data.read        x      .        .       x     x
base-data.edit        .      .        .       x     .
coefficients.read     .      .        x       x     .
coefficients.edit     .      .        .       x     .
projects.read         .      .        .       x     .
projects.edit         .      .        .       x     .
certificates.read     x      x        x       .     .
certificates.edit     .      x        .       .     .
partners.read         .      x        x       .     .
partners.edit         .      x        .       .     .
uplink.read           x      .        x       x     .
uplink.edit           x      .        .       .     .
users.read            x      x        x       .     .
users.add             x      .        .       .     .
users.password        x      .        .       .     .
users.grant           .      x        .       .     .
users.totp            .      x        .       .     .
users.lock            .      x        .       .     .
audit.read            .      .        x       .     .
audit.verify          .      .        x       .     .
audit.export          .      .        x       .     .
"""
OTHER = unit_code(1)


def matrix() -> dict[tuple[Role, Act], str]:
    head, *lines = MATRIX.strip().splitlines()
    roles = [Role(name) for name in head.split()]
    found: dict[tuple[Role, Act], str] = {}
    for line in lines:
        act, *cells = line.split()
        found |= {(role, Act(act)): cell for role, cell in zip(roles, cells, strict=True)}
    return found


EXPECTED = matrix()


def test_the_matrix_has_every_role_and_every_act() -> None:
    assert set(EXPECTED) == set(product(Role, Act))


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_exactly_what_the_matrix_says(role: Role) -> None:
    permitted = {act for act in Act if may(role, act)}
    assert permitted == {act for act in Act if EXPECTED[role, act] != "."}


@pytest.mark.parametrize("role", Role)
def test_of_units_a_role_reaches_exactly_what_the_matrix_says(role: Role) -> None:
    own = STEEL if role is Role.UNIT else ""
    for act in Act:
        cell = EXPECTED[role, act]
        found = [reaches(role, own, act, unit) for unit in (STEEL, OTHER, None)]
        assert found == {"x": [True] * 3, ".": [False] * 3, "own": [True, False, False]}[cell], act


def test_a_units_user_without_a_unit_reaches_none() -> None:
    for act in ABOUT_UNITS:
        for unit in (STEEL, "", None):
            assert not reaches(Role.UNIT, "", act, unit)


def test_no_role_holds_both_halves_of_making_an_operator() -> None:
    for role in Role:
        assert not TABLE[role] >= {Act.USERS_ADD, Act.USERS_GRANT}
        assert not TABLE[role] >= {Act.USERS_PASSWORD, Act.USERS_TOTP}
        assert not (Act.AUDIT_READ in TABLE[role] and Act.USERS_GRANT in TABLE[role])


def test_every_role_and_act_has_its_chinese_name() -> None:
    assert [role.label for role in Role] == [
        "系统管理员",
        "安全管理员",
        "审计员",
        "业务员",
        "企业用户",
    ]
    assert len({act.label for act in Act}) == len(Act)
