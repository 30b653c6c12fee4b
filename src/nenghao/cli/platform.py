"""`nenghao platform …`: make a province's platform, run it, look into it.

Thin: options in, a service of `nenghao.platform` called, its result printed. Base data, schedule,
the journal and the lists are in `platform_data`, `platform_journal` and `platform_views`; what the
operator keeps is in `platform_reports`, `platform_projects` and `platform_coefficients`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from nenghao.cli import (
    output,
    platform_audit,
    platform_coefficients,
    platform_console,
    platform_data,
    platform_journal,
    platform_projects,
    platform_reports,
    platform_totals,
    platform_uplink,
    platform_users,
    platform_views,
)
from nenghao.cli.platform_home import HomeOption, failures, opened
from nenghao.clock import china_now
from nenghao.platform import children, console_child, registry, sm2_home, trust_files, upkeep
from nenghao.platform import home as homes
from nenghao.platform.home import Home
from nenghao.platform.settings import Role
from nenghao.platform.totals import options
from nenghao.platform.totals.settler import settling
from nenghao.platform.uplink import child as uplink_child
from nenghao.platform.web import (
    device_api,
    enrol_api,
    exchange_api,
    gateway,
    health_api,
    sm_listener,
    workers,
)
from nenghao.platform.web.binding import BindError, Listener
from nenghao.platform.web.endpoint import Platform
from nenghao.security.authority import AuthorityLocked

app = typer.Typer(help="省级平台：建立、运行、基础数据、查询", no_args_is_help=True)


@app.command()
def init(
    home: HomeOption,
    database: Annotated[
        str | None,
        typer.Option(help="数据库地址，默认为目录中的 SQLite 文件", metavar="URL"),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="端设备访问平台用的域名或 IP 地址，默认 127.0.0.1", metavar="H"),
    ] = None,
    device_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="端设备接口的端口，默认 9443")
    ] = None,
    exchange_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="其他应用平台接口的端口，默认 9001；0 表示不开放"),
    ] = None,
    console_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="管理控制台的端口，默认 8443；0 表示不开放"),
    ] = None,
    enrol_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="端设备凭注册码领取证书的端口，默认 0，即不开放"),
    ] = None,
    role: Annotated[
        Role | None,
        typer.Option(help="province 为省级平台（默认），national 为国家平台", show_choices=True),
    ] = None,
) -> None:
    """建立平台目录：设置、数据库和基础数据、证书签发机构、服务器证书。"""
    given: dict[str, Any] = {
        "database": database,
        "host": host,
        "device_port": device_port,
        "exchange_port": exchange_port,
        "console_port": console_port,
        "enrol_port": enrol_port,
        "role": role,
    }
    values = {key: value for key, value in given.items() if value is not None}
    with failures():
        made = homes.init(home, values, china_now(), os.environ.get(homes.PASSPHRASE_VARIABLE))
    output.say(f"平台目录已建立：{made.path}")
    output.say(f"设置：{made.settings_file}")
    output.say(f"运行：nenghao platform serve --home {home}")


@app.command()
def serve(home: HomeOption) -> None:
    """在前台运行平台；各监听端口就绪后逐一打印 ready。"""
    with failures():
        _serve(opened(home))


def _serve(home: Home) -> None:
    now = china_now()
    with home.store() as store, store.write() as conn:
        registry.note_registration_settings(conn, home.settings)
        options.note(conn, home.settings)
        trust_files.write_trust(conn, home.ca, now)
    _keep_certificate(home.renew_server_certificate, home.server_chain, now)
    if home.settings.sm_port:
        sm_listener.check()
        chain, _ = sm2_home.server_files(home)
        _keep_certificate(partial(sm2_home.renew_server_certificate, home), chain, now)
    if home.settings.gateway_port:
        gateway.prepare(home)
    if home.settings.exchange_port:
        home.master_key()  # made before there are several workers to make it

    @contextmanager
    def opened_listeners() -> Iterator[list[Listener]]:
        # In each worker: a store must not be carried across a fork.
        with (
            home.store() as store,
            settling(store, china_now),
            upkeep.running(home, store, china_now),
            children.running(home.path, uplink_child.kind(store, china_now)),
            children.running(home.path, console_child.kind(home.path)),
        ):
            platform = Platform(store, home.settings, china_now, home.authority)
            yield [
                device_api.listener(home, platform),
                *sm_listener.listeners(home, platform),
                *gateway.listeners(home, platform),
                *exchange_api.listeners(home, platform),
                *enrol_api.listeners(home, platform),
                *health_api.listeners(home.settings, store, china_now),
            ]

    settings = home.settings
    places = [
        device_api.place(settings),
        *sm_listener.places(settings),
        *gateway.places(settings),
        *exchange_api.place(settings),
        *enrol_api.place(settings),
        *health_api.places(settings),
    ]
    try:
        workers.serve(places, home.settings.workers, opened_listeners, partial(_ready, home))
    except (workers.WorkersFailed, BindError) as error:
        raise output.Failure(str(error)) from error


def _keep_certificate(renew: Callable[[datetime], bool], chain: Path, now: datetime) -> None:
    """A server certificate that holds; one that ends soon will do where the CA is locked."""
    try:
        renew(now)
    except AuthorityLocked as locked:
        if not chain.exists():
            raise
        output.warn(f"{locked}；仍用现有的服务器证书")


def _ready(home: Home, listener: Listener) -> None:
    if listener.name in (gateway.NAME, health_api.NAME):
        output.say(f"ready {listener.name} {listener.url}")  # of no use to devices
        return
    host = home.settings.host
    shown = f"[{host}]" if ":" in host else host
    output.say(f"ready {listener.name} https://{shown}:{listener.port}")


@app.command("gateway")
def prepare_gateway(home: HomeOption) -> None:
    """写出 nginx 等网关要引用的文件：网关口令、所信任的签发机构。"""
    with failures():
        folder = gateway.prepare(opened(home))
    output.say(f"网关的文件已写入 {folder}；nginx 配置见 deploy/nginx")


app.command("console")(platform_console.console)
app.add_typer(platform_data.base_data, name="base-data")
app.add_typer(platform_data.schedule, name="schedule")
app.add_typer(platform_reports.reports, name="reports")
app.add_typer(platform_projects.projects, name="projects")
app.add_typer(platform_coefficients.coefficients, name="coefficients")
app.add_typer(platform_views.unit, name="unit")
app.add_typer(platform_journal.journal, name="journal")
app.add_typer(platform_totals.totals, name="totals")
app.add_typer(platform_users.user, name="user")
app.add_typer(platform_audit.audit, name="audit")
app.add_typer(platform_uplink.uplink, name="uplink")
platform_journal.add_to(app)
platform_views.add_to(app)
