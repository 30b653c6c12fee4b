"""`nenghao exchange account …`: accounts of other application platforms, on the platform's machine.

What a partner must be given (key, password) is printed once and kept nowhere in the clear.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened, opened_store
from nenghao.clock import china_now
from nenghao.platform import accounts
from nenghao.platform.accounts import Account, Issued, Scope
from nenghao.security.envelope import CBC, GCM, CipherName
from nenghao.standard.messages.exchange_interfaces import INTERFACES

account = typer.Typer(
    help="其他应用平台的账户：建立、列出、换密钥、停用、限定范围", no_args_is_help=True
)

app = account

UserOption = Annotated[str, typer.Option("--user", help="用户名", metavar="NAME")]
_NAMES = "、".join(INTERFACES)


@account.command()
def add(
    home: HomeOption,
    user: UserOption,
    app_id: Annotated[
        str, typer.Option("--app-id", help="appId，1 至 64 个字母、数字或 . _ -", metavar="ID")
    ],
    region: Annotated[
        str, typer.Option(help="只许查询这个行政区划及其下级，默认不限", metavar="CODE")
    ] = "",
    industry: Annotated[
        list[str] | None,
        typer.Option(help="只许查询这个行业及其下级，可多次给出，默认不限", metavar="CODE"),
    ] = None,
    interfaces: Annotated[
        str, typer.Option(help=f"只许调用的接口，以逗号分隔，默认全部：{_NAMES}", metavar="NAMES")
    ] = "",
    rate: Annotated[
        int, typer.Option(help="每分钟至多的请求数", min=1)
    ] = accounts.REQUESTS_PER_MINUTE,
    cbc: Annotated[
        bool, typer.Option("--cbc", help="用 SM4-CBC 加 HMAC-SM3，对方的密码库没有 SM4-GCM 时")
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="允许不加密的请求（不符合标准 7.1），还须打开设置项 "
            "allow_nonconforming_plain_exchange",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """建立一个账户，打印其密钥和口令（只此一次）。"""
    cipher: CipherName = CBC if cbc else GCM
    with failures():
        platform = opened(home)
        with platform.store() as store, store.write() as conn:
            issued = accounts.add(
                conn,
                platform.master_key(),
                user_name=user,
                app_id=app_id,
                now=china_now(),
                scope=Scope(_listed(interfaces), region, tuple(industry or ())),
                plain=plain,
                cipher=cipher,
                requests_per_minute=rate,
                scheme=platform.settings.exchange_password_scheme,
            )
    if plain and not platform.settings.allow_nonconforming_plain_exchange:
        output.warn("设置项 allow_nonconforming_plain_exchange 未打开，明文请求仍会被拒绝")
    _hand_over(issued, cipher, as_json=as_json)


@account.command("list")
def list_accounts(home: HomeOption, as_json: JsonOption = False) -> None:
    """列出账户、有效的密钥标识、范围和锁定情况。"""
    now = china_now()
    with opened_store(home) as store, store.read() as conn:
        listed = [
            _shown(one, [key.kid for key in accounts.keys(conn, one) if key.retired_at is None])
            | {"lockedUntil": one.locked_until if (one.locked_until or now) > now else None}
            for one in accounts.listing(conn)
        ]
    if as_json:
        output.emit_json(listed)
        return
    rows = [
        one
        | {
            "kids": "、".join(one["kids"]),
            "interfaces": "、".join(one["interfaces"]) or "全部",
            "region": one["region"] or "全部",
            "industries": "、".join(one["industries"]) or "全部",
        }
        for one in listed
    ]
    columns = {
        "userName": "用户名",
        "appId": "appId",
        "kids": "有效密钥",
        "cipher": "加密方式",
        "plain": "明文",
        "interfaces": "接口",
        "region": "行政区划",
        "industries": "行业",
        "rate": "每分钟",
        "lockedAt": "停用",
        "lockedUntil": "因口令错误锁定至",
    }
    output.emit_rows(rows, columns, as_json=False)


@account.command()
def rotate(
    home: HomeOption,
    user: UserOption,
    password: Annotated[
        bool, typer.Option("--password", help="同时换新口令，旧口令立即失效")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="对方已换用新密钥：停用旧密钥，不产生新的")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """产生新密钥并打印（只此一次）；原来的密钥在 --finish 或下一次更换之前仍有效。"""
    if finish and password:
        raise output.Misuse("--finish 与 --password 不能同时使用")
    with failures():
        platform = opened(home)
        with platform.store() as store, store.write() as conn:
            before = accounts.named(conn, user)
            cipher = before.cipher if before else GCM
            if finish:
                retired = accounts.retire(conn, user, china_now())
            else:
                issued = accounts.rotate(
                    conn,
                    platform.master_key(),
                    user,
                    china_now(),
                    password=password,
                    scheme=platform.settings.exchange_password_scheme,
                )
    if not finish:
        _hand_over(issued, cipher, as_json=as_json)
    elif as_json:
        output.emit_json({"userName": user, "retired": list(retired)})
    else:
        output.say(f"{user}：已停用密钥 {'、'.join(retired) or '（无）'}")


@account.command()
def lock(
    home: HomeOption,
    user: UserOption,
    off: Annotated[bool, typer.Option("--off", help="解除停用，也解除因口令错误的锁定")] = False,
) -> None:
    """停用账户，即时生效；--off 重新启用。"""
    with opened_store(home) as store, store.write() as conn:
        (accounts.unlock if off else accounts.lock)(conn, user, china_now())
    output.say(f"{user}：{'已启用' if off else '已停用'}")


@account.command()
def scope(
    home: HomeOption,
    user: UserOption,
    region: Annotated[
        str | None, typer.Option(help="行政区划，空文本表示不限", metavar="CODE")
    ] = None,
    industry: Annotated[
        list[str] | None,
        typer.Option(help="行业，可多次给出，空文本表示不限", metavar="CODE"),
    ] = None,
    interfaces: Annotated[
        str | None, typer.Option(help="接口，以逗号分隔，空文本表示全部", metavar="NAMES")
    ] = None,
    rate: Annotated[int | None, typer.Option(help="每分钟至多的请求数", min=1)] = None,
    plain: Annotated[
        bool | None,
        typer.Option("--plain/--no-plain", help="是否允许不加密的请求（不符合标准 7.1）"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """改变账户的范围，即时生效；未给出的不变。"""
    with opened_store(home) as store, store.write() as conn:
        before = accounts.named(conn, user)
        kept = before.scope if before else Scope()
        changed = accounts.limit(
            conn,
            user,
            china_now(),
            scope=Scope(
                kept.interfaces if interfaces is None else _listed(interfaces),
                kept.region if region is None else region,
                kept.industries if industry is None else tuple(filter(None, industry)),
            ),
            plain=plain,
            requests_per_minute=rate,
        )
        kids = [key.kid for key in accounts.keys(conn, changed) if key.retired_at is None]
    if as_json:
        output.emit_json(_shown(changed, kids))
    else:
        output.say(f"{user}：{accounts.described(changed.scope)}")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _hand_over(issued: Issued, cipher: CipherName, *, as_json: bool) -> None:
    given: dict[str, Any] = {
        "appId": issued.app_id,
        "kid": issued.kid,
        "key": issued.key.hex(),
        "userName": issued.user_name,
    }
    if issued.password:
        given["password"] = issued.password
    if cipher != GCM:  # what a partner expects unless it is told
        given["cipher"] = cipher
    output.hand_over(given, "以上密钥和口令只显示这一次，请经安全途径交给对方", as_json=as_json)


def _shown(one: Account, kids: list[str]) -> dict[str, Any]:
    return {
        "userName": one.user_name,
        "appId": one.app_id,
        "kids": kids,
        "cipher": one.cipher,
        "plain": one.plain,
        "interfaces": list(one.scope.interfaces),
        "region": one.scope.region,
        "industries": list(one.scope.industries),
        "rate": one.requests_per_minute,
        "createdAt": one.created_at,
        "lockedAt": one.locked_at,
    }
