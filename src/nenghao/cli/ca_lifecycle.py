"""`nenghao ca code|codes|renew|revoke`: what becomes of a device's certificate in its life."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.ca_home import (
    DaysOption,
    DeviceOption,
    NameOption,
    PassphraseOption,
    RegionNameOption,
    RegionOption,
    UnitOption,
    check_code,
    check_unit,
    key_of_csr,
    opened_ca,
    told,
)
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened, opened_store
from nenghao.clock import china_now
from nenghao.platform import enrolment, enrolment_list, issuing, registry
from nenghao.platform.dictionary import vocabulary
from nenghao.platform.home import Home
from nenghao.platform.issuing import Wanted
from nenghao.security.authority import AuthorityError, Issued
from nenghao.security.credentials import write_credentials

SerialOption = Annotated[
    str, typer.Option("--serial", help="证书的序列号，十六进制", metavar="HEX")
]


def code(
    home: HomeOption,
    code: UnitOption,
    name: NameOption,
    region: RegionOption,
    device: DeviceOption = 1,
    region_name: RegionNameOption = "",
    days: DaysOption = 1095,
    hours: Annotated[
        int,
        typer.Option("--hours", help="注册码的有效小时数", min=1, max=enrolment_list.MOST_HOURS),
    ] = enrolment.DEFAULT_HOURS,
    as_json: JsonOption = False,
) -> None:
    """生成一次性注册码：端设备凭它用自己的密钥领取证书。"""
    check_unit(code, name, region)
    now = china_now()
    with failures():
        platform = opened(home)
        with platform.store() as store, store.write() as conn:
            wanted = told(vocabulary(conn), Wanted(code, device, name, region, region_name))
            (made,) = enrolment_list.make(
                conn, platform.authority(), [wanted], now, hours=hours, days=days
            )
    settings = platform.settings
    if settings.enrol_port == 0:
        output.warn("设置项 enrol_port 为 0：平台没有开放领取证书的端口，请设置并重启平台")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"https://{host}:{settings.enrol_port}"
    if as_json:
        output.emit_json({"code": made.text, "hours": hours, "url": url})
        return
    output.say(made.text)
    output.say(f"{hours} 小时内有效，只能使用一次。在端设备上运行：")
    output.say(f"nenghao device enrol --home DEV --url {url} --code {made.text}")


def codes(home: HomeOption, as_json: JsonOption = False) -> None:
    """列出一次性注册码的使用情况，不含注册码本身。"""
    with opened_store(home) as store, store.read() as conn:
        listed = enrolment.listing(conn)
    rows = [
        {
            "code": row["credit_code"],
            "device": row["device_number"],
            "name": row["name"],
            "createdAt": row["created_at"],
            "expiresAt": row["expires_at"],
            "usedAt": row["used_at"],
            "cancelledAt": row["cancelled_at"],
            "serial": row["serial"],
        }
        for row in listed
    ]
    columns = {
        "code": "统一社会信用代码",
        "device": "端设备",
        "expiresAt": "有效至",
        "usedAt": "使用时间",
        "cancelledAt": "取消时间",
        "serial": "证书序列号",
    }
    output.emit_rows(rows, columns, as_json=as_json)


def renew(
    home: HomeOption,
    out: Annotated[
        Path, typer.Option("--out", help="写入证书和密钥的目录", metavar="OUT", file_okay=False)
    ],
    code: Annotated[
        str, typer.Option("--code", help="用能单位的统一社会信用代码", metavar="USCC")
    ] = "",
    device: DeviceOption = 1,
    serial: SerialOption = "",
    days: DaysOption = 1095,
    csr: Annotated[
        Path | None,
        typer.Option("--csr", help="端设备自己生成的证书签名请求（PEM）", metavar="FILE"),
    ] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """由运维人员续期：为同一端设备签发新证书；原证书到期前仍有效。"""
    _one_of(code, serial)
    now = china_now()
    with failures():
        platform = opened_ca(home, passphrase_file)
        key = key_of_csr(csr)
        with platform.store() as store, store.write() as conn:
            old = issuing.renewable(conn, serial=serial, code=code, device=device)
            issued = issuing.renew(conn, platform, old, now, days=days, key=key)
            wanted = told(vocabulary(conn), _held(issued))
        who = registry.actor(issued.credit_code, issued.device)
        about = {"code": issued.credit_code, "name": issued.name, "region": issued.region}
        write_credentials(
            out, issued, {**about, "regionName": wanted.region_name, "device": issued.device}
        )
    output.say(f"证书已续期：{who}，有效至 {issued.not_after}，写入 {out}")


def _held(issued: Issued) -> Wanted:
    """Whom a certificate is for."""
    return Wanted(issued.credit_code, issued.device, issued.name, issued.region)


def revoke(
    home: HomeOption,
    code: Annotated[
        str, typer.Option("--code", help="吊销这个用能单位的全部证书和注册码", metavar="USCC")
    ] = "",
    serial: SerialOption = "",
    reason: Annotated[
        str, typer.Option("--reason", help="原因，写入审计记录", metavar="TEXT")
    ] = "",
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """吊销证书：从下一个请求起生效，并重新发布吊销列表。"""
    serial = _one_of(code, serial)
    now = china_now()
    with failures():
        platform = opened(home)
        with platform.store() as store, store.write() as conn:
            done = issuing.revoke(conn, now, serial=serial, code=code, reason=reason)
        # The register is what counts, and is written; the list follows where the CA can sign.
        published = _published(platform, passphrase_file)
    if as_json:
        output.emit_json({"revoked": [row["serial"] for row in done.gone], "published": published})
        return
    for row in done.gone:
        output.say(f"已吊销 {row['credit_code']} 端设备 {row['device_number']} {row['serial']}")
    if not done.gone:
        output.say("没有仍有效的本机构证书需要吊销" if done.known else "已拒绝外部签发机构的证书")
    if serial and done.others:
        output.warn(f"该端设备另有 {done.others} 份有效证书；密钥若已泄露，请用 --code 全部吊销")


def _published(platform: Home, passphrase_file: Path | None) -> bool:
    try:
        opened_home = opened_ca(platform.path, passphrase_file)
        with opened_home.store() as store:
            why = issuing.published(opened_home, store, china_now())
    except AuthorityError as error:
        why = str(error)
    if why:
        output.warn(f"{why}；吊销已生效，但吊销列表未更新，请运行 nenghao ca crl")
    return not why


def _one_of(code: str, serial: str) -> str:
    """Exactly one of the two is given; the serial as the register has it."""
    if bool(code) == bool(serial):
        raise output.Misuse("--code 与 --serial 须给出其中一个")
    if code:
        check_code(code)
        return ""
    plain = serial.replace(":", "").lower().lstrip("0")
    if not re.fullmatch(r"[0-9a-f]{1,40}", plain):
        raise output.Misuse(f"--serial：应为十六进制数，收到 {serial!r}")
    return plain
