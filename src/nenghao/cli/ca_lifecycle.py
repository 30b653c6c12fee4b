"""`nenghao ca code|codes|renew|revoke`: what becomes of a device's certificate in its life."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection, RowMapping

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
    region_name_of,
    warn_of_code,
)
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened, opened_store
from nenghao.clock import china_now
from nenghao.platform import audit, certificates, enrolment, outside, registry, trust_files
from nenghao.platform.dictionary import vocabulary
from nenghao.platform.home import Home
from nenghao.security.authority import AuthorityError
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
        int, typer.Option("--hours", help="注册码的有效小时数", min=1, max=720)
    ] = enrolment.DEFAULT_HOURS,
    as_json: JsonOption = False,
) -> None:
    """生成一次性注册码：端设备凭它用自己的密钥领取证书。"""
    check_unit(code, name, region)
    now = china_now()
    with failures():
        platform = opened(home)
        with platform.store() as store, store.write() as conn:
            who = {
                "credit_code": code,
                "device_number": device,
                "name": name.strip(),
                "region": region,
                "region_name": region_name_of(vocabulary(conn), region, region_name),
            }
            made = enrolment.create(conn, platform.authority(), who, now, hours=hours, days=days)
    warn_of_code(code)
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
            old = _old(conn, code, device, serial, now)
            issued = platform.authority().issue_device(
                old["credit_code"], old["name"], old["region"], old["device_number"], now, days,
                key=key,
            )  # fmt: skip
            certificates.register(conn, issued, now)
            found = region_name_of(vocabulary(conn), old["region"], "")
            who = registry.actor(issued.credit_code, issued.device)
            detail = f"序列号 {old['serial']} 续为 {issued.serial}"
            audit.record(conn, now, audit.OPERATOR, "", "ca.renew", who, detail=detail)
        about = {"code": issued.credit_code, "name": issued.name, "region": issued.region}
        write_credentials(out, issued, {**about, "regionName": found, "device": issued.device})
    output.say(f"证书已续期：{who}，有效至 {issued.not_after}，写入 {out}")


def _old(conn: Connection, code: str, device: int, serial: str, now: datetime) -> RowMapping:
    """The registered certificate that is renewed; it may have ended, but not been revoked."""
    if serial:
        found = certificates.find(conn, serial)
    else:
        rows = [
            row for row in certificates.listing(conn, code)
            if row["device_number"] == device and row["revoked_at"] is None
        ]  # fmt: skip
        found = certificates.find(conn, rows[-1]["serial"]) if rows else None
    if found is not None and found["purpose"] == certificates.PROVINCE:
        raise output.Failure("省级平台的证书请用 nenghao ca issue --province 重新签发")
    if found is None:
        raise output.Failure("登记中没有这台端设备的证书，请用 nenghao ca issue 签发")
    if found["revoked_at"] is not None:
        raise output.Failure(f"证书已于 {found['revoked_at']} 吊销，请用 nenghao ca issue 签发")
    if certificates.of_sm2(found):
        raise output.Failure("国密证书不能续期，请用 nenghao ca issue --algorithm sm2 重新签发")
    return found


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
            gone = certificates.revoke(conn, now, serial=serial, credit_code=code)
            known = (
                certificates.find(conn, serial) is not None
                if serial
                else bool(certificates.listing(conn, code))
            )
            issuers = 0
            if code:
                issuers = outside.revoke_unit(conn, code, now)
                enrolment.cancel(conn, code, None, now)
            elif not known:
                issuers = outside.revoke_serial(conn, serial, now)
            if not known and not issuers:
                raise output.Failure(f"登记中没有这样的证书：{code or serial}")
            others = _others(conn, gone, now)
            audit.record(
                conn, now, audit.OPERATOR, "", "ca.revoke", code or serial,
                detail="；".join(filter(None, [*(row["serial"] for row in gone), reason])),
            )  # fmt: skip
        # The register is what counts, and is written; the list follows where the CA can sign.
        published = _published(platform, passphrase_file)
    if as_json:
        output.emit_json({"revoked": [row["serial"] for row in gone], "published": published})
        return
    for row in gone:
        output.say(f"已吊销 {row['credit_code']} 端设备 {row['device_number']} {row['serial']}")
    if not gone:
        output.say("没有仍有效的本机构证书需要吊销" if known else "已拒绝外部签发机构的证书")
    if serial and others:
        output.warn(f"该端设备另有 {others} 份有效证书；密钥若已泄露，请用 --code 全部吊销")


def _others(conn: Connection, gone: list[RowMapping], now: datetime) -> int:
    return sum(
        len(certificates.live(conn, row["credit_code"], row["device_number"], now)) for row in gone
    )


def _published(platform: Home, passphrase_file: Path | None) -> bool:
    try:
        opened_home = opened_ca(platform.path, passphrase_file)
        with opened_home.store() as store, store.read() as conn:
            trust_files.publish(conn, opened_home.authority(), china_now())
    except AuthorityError as error:
        output.warn(f"{error}；吊销已生效，但吊销列表未更新，请运行 nenghao ca crl")
        return False
    return True


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
