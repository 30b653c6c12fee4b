"""`nenghao platform user …`: operators of the platform (操作员), their roles and sessions.

What an operator must be given is printed once and kept nowhere in the clear. Passwords come from
files that their owner alone can read, never from the command line, where others see them.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from nenghao.cli import acts, output
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened, opened_store
from nenghao.clock import china_now
from nenghao.platform import operators, operators_admin, sessions
from nenghao.platform.home import Home
from nenghao.platform.operators import Policy
from nenghao.platform.operators_admin import MACHINE, By, Issued
from nenghao.platform.permissions import TABLE, Act, Role

user = typer.Typer(help="操作员：账户、角色、动态口令、会话", no_args_is_help=True)

UserOption = Annotated[str, typer.Option("--user", help="用户名", metavar="NAME")]
PasswordFile = Annotated[
    Path,
    typer.Option(
        "--password-file", help="写有口令的文件，权限 0600；- 表示标准输入", metavar="FILE"
    ),
]
_ROLES = "、".join(f"{role.value} {role.label}" for role in Role)
NONE = "none"


@user.command()
def add(
    home: HomeOption,
    user: UserOption,
    full_name: Annotated[str, typer.Option("--full-name", help="姓名", metavar="NAME")],
    as_json: JsonOption = False,
) -> None:
    """建立账户，打印初始口令（只此一次）；授予角色（grant）之前不能登录。"""
    with failures():
        platform = opened(home)
        with platform.store() as store:
            scheme = Policy.of(platform.settings).scheme
            password = operators_admin.add(
                store, _by(platform), user, full_name, china_now(), scheme=scheme
            )
    _hand_over({"userName": user, "password": password}, as_json=as_json)


@user.command()
def grant(
    home: HomeOption,
    user: UserOption,
    role: Annotated[str, typer.Option(help=f"角色：{_ROLES}；{NONE} 收回角色", metavar="ROLE")],
    unit: Annotated[
        str, typer.Option(help="企业用户所属单位的统一社会信用代码", metavar="USCC")
    ] = "",
    without_totp: Annotated[
        bool,
        typer.Option("--without-totp", help="企业用户不用动态口令；首次登录另须这里打印的激活码"),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """授予角色，取代原有的角色；首次授予时打印动态口令的密钥（只此一次）。"""
    wanted = None if role == NONE else _role(role)
    with failures():
        platform = opened(home)
        with platform.store() as store:
            issued = operators_admin.grant(
                store,
                _by(platform),
                user,
                wanted,
                china_now(),
                master=platform.master_key(),
                unit=unit,
                with_totp=not without_totp,
            )
    given = {"userName": user, "role": wanted.value if wanted else ""} | _issued(issued)
    if len(given) > 2 or as_json:
        _hand_over(given, as_json=as_json)
    else:
        output.say(f"{user}：{wanted.label if wanted else '已收回角色'}")


@user.command("reset-password")
def reset_password(home: HomeOption, user: UserOption, as_json: JsonOption = False) -> None:
    """换一个初始口令并打印（只此一次）；没有动态口令的账户须重新授予角色。"""
    with failures():
        platform = opened(home)
        with platform.store() as store:
            scheme = Policy.of(platform.settings).scheme
            password = operators_admin.reset_password(
                store, _by(platform), user, china_now(), scheme=scheme
            )
    _hand_over({"userName": user, "password": password}, as_json=as_json)


@user.command("reset-totp")
def reset_totp(home: HomeOption, user: UserOption, as_json: JsonOption = False) -> None:
    """换动态口令的密钥并打印（只此一次）。"""
    with failures():
        platform = opened(home)
        with platform.store() as store:
            issued = operators_admin.reset_totp(
                store, _by(platform), user, china_now(), master=platform.master_key()
            )
    _hand_over({"userName": user} | _issued(issued), as_json=as_json)


@user.command()
def lock(
    home: HomeOption,
    user: UserOption,
    off: Annotated[bool, typer.Option("--off", help="重新启用，也解除因登录失败的锁定")] = False,
) -> None:
    """停用账户并结束其会话，即时生效；--off 重新启用。"""
    with failures():
        platform = opened(home)
        with platform.store() as store:
            change = operators_admin.unlock if off else operators_admin.lock
            change(store, _by(platform), user, china_now())
    output.say(f"{user}：{'已启用' if off else '已停用'}")


@user.command("end-sessions")
def end_sessions(home: HomeOption, user: UserOption) -> None:
    """结束一个操作员的全部会话。"""
    with failures():
        platform = opened(home)
        with platform.store() as store:
            ended = operators_admin.end_sessions(store, _by(platform), user, china_now())
    output.say(f"{user}：已结束 {ended} 个会话")


@user.command("list")
def list_operators(home: HomeOption, as_json: JsonOption = False) -> None:
    """列出操作员、角色和锁定情况。"""
    now = china_now()
    with opened_store(home) as store, store.read() as conn:
        found = operators.listing(conn)
    rows = [
        {
            "userName": one.name,
            "fullName": one.full_name,
            "role": one.role.value if one.role else "",
            "roleName": one.role.label if one.role else "（未授予）",
            "unit": one.unit,
            "totp": one.has_totp,
            "mustChange": one.must_change,
            "createdAt": one.created_at,
            "lastLoginAt": one.last_login_at,
            "lockedAt": one.locked_at,
            "lockedUntil": one.locked_until if (one.locked_until or now) > now else None,
        }
        for one in found
    ]
    columns = {
        "userName": "用户名",
        "fullName": "姓名",
        "roleName": "角色",
        "unit": "用能单位",
        "totp": "动态口令",
        "mustChange": "须改口令",
        "lastLoginAt": "最近登录",
        "lockedAt": "停用",
        "lockedUntil": "因登录失败锁定至",
    }
    output.emit_rows(rows, columns, as_json=as_json)


@user.command("sessions")
def list_sessions(home: HomeOption, as_json: JsonOption = False) -> None:
    """列出未结束的会话。"""
    with opened_store(home) as store, store.read() as conn:
        found = sessions.listing(conn, china_now())
    rows = [
        {
            "userName": one.name,
            "role": one.role,
            "address": one.address,
            "createdAt": one.created_at,
            "seenAt": one.seen_at,
            "expiresAt": one.expires_at,
        }
        for one in found
    ]
    columns = {
        "userName": "用户名",
        "role": "角色",
        "address": "地址",
        "createdAt": "登录",
        "seenAt": "最近使用",
        "expiresAt": "最迟结束",
    }
    output.emit_rows(rows, columns, as_json=as_json)


@user.command()
def permissions(as_json: JsonOption = False) -> None:
    """打印权限表：五种角色各可做什么。"""
    rows: list[dict[str, Any]] = [
        {"act": act.value, "name": act.label} | {role.value: act in TABLE[role] for role in Role}
        for act in Act
    ]
    columns = {"name": "操作", "act": "标识"} | {role.value: role.label for role in Role}
    output.emit_rows(rows, columns, as_json=as_json)


@user.command()
def login(
    home: HomeOption,
    user: UserOption,
    password_file: PasswordFile,
    totp: Annotated[str, typer.Option(help="动态口令，或首次登录的激活码", metavar="CODE")] = "",
) -> None:
    """登录，打印会话令牌：写入环境变量 NENGHAO_SESSION 后，各命令以此操作员的身份执行。"""
    with failures():
        platform = opened(home)
        password = _password(password_file)
        with platform.store() as store:
            session = operators.login(
                store,
                user,
                password,
                totp,
                "",
                china_now(),
                master=platform.master_key(),
                policy=Policy.of(platform.settings),
            )
    if session.must_change:
        output.warn("口令是他人给的，请先以 nenghao platform user password 改成自己的")
    output.say(session.token)


@user.command()
def logout(home: HomeOption) -> None:
    """结束环境变量 NENGHAO_SESSION 所指的会话。"""
    with failures():
        platform = opened(home)
        session = acts.logged_in(platform)
        with platform.store() as store:
            sessions.end(store, session, china_now(), "")
    output.say(f"{session.name}：已退出")


@user.command()
def password(
    home: HomeOption,
    password_file: PasswordFile,
    new_password_file: Annotated[
        Path, typer.Option("--new-password-file", help="写有新口令的文件", metavar="FILE")
    ],
) -> None:
    """改自己的口令（须已登录）；自己的其他会话随之结束。"""
    with failures():
        platform = opened(home)
        session = acts.logged_in(platform)
        with platform.store() as store:
            operators.change_password(
                store,
                session,
                _password(password_file),
                _password(new_password_file),
                "",
                china_now(),
                policy=Policy.of(platform.settings),
            )
    output.say(f"{session.name}：口令已改")


def _by(platform: Home) -> By:
    """Who gives the command: whoever is logged in where a login is wanted."""
    if not platform.settings.command_line_login:
        return MACHINE
    return By(acts.logged_in(platform))


def _role(text: str) -> Role:
    for role in Role:
        if text in (role.value, role.label):
            return role
    raise output.Misuse(f"--role 应为 {_ROLES} 或 {NONE}，收到 {text!r}")


def _password(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.readline().rstrip("\r\n")
    mode = stat.S_IMODE(file.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise output.Failure(f"口令文件 {file} 的权限应为 0600，现为 {mode:04o}")
    return file.read_text("utf-8").rstrip("\r\n")


def _issued(issued: Issued) -> dict[str, str]:
    named = {
        "totpSecret": issued.secret,
        "totpUri": issued.uri,
        "activationCode": issued.activation,
    }
    return {name: value for name, value in named.items() if value}


def _hand_over(given: dict[str, str], *, as_json: bool) -> None:
    output.hand_over(given, "以上只显示这一次，请经安全途径交给本人", as_json=as_json)
