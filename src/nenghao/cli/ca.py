"""`nenghao ca …`: certificates for devices (端设备数字证书), issued on the platform's machine.

A certificate is entered in the platform's register before it is handed out: an unregistered one
would be refused on every request.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import (
    CodeOption,
    HomeOption,
    JsonOption,
    failures,
    opened,
    opened_store,
)
from nenghao.clock import china_now
from nenghao.platform import audit, certificates, registry, sm2_home
from nenghao.platform.dictionary import Vocabulary, vocabulary
from nenghao.security.credentials import write_credentials
from nenghao.standard import credit_code
from nenghao.standard.regions import COUNTY

app = typer.Typer(help="数字证书：为端设备签发、列出", no_args_is_help=True)


@app.command()
def issue(
    home: HomeOption,
    code: Annotated[
        str, typer.Option("--code", help="用能单位的统一社会信用代码，18 位", metavar="USCC")
    ],
    name: Annotated[str, typer.Option("--name", help="用能单位全称", metavar="NAME")],
    region: Annotated[
        str, typer.Option("--region", help="行政区划代码，6 位，具体到县级", metavar="CODE")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="写入证书和密钥的目录", metavar="OUT", file_okay=False)
    ],
    device: Annotated[
        int, typer.Option("--device", help="单位内的端设备序号", min=1, max=999_999)
    ] = 1,
    region_name: Annotated[
        str, typer.Option("--region-name", help="行政区划名称，默认查基础数据", metavar="NAME")
    ] = "",
    days: Annotated[int, typer.Option("--days", help="有效天数", min=1, max=3650)] = 1095,
    algorithm: Annotated[
        Literal["p256", "sm2"],
        typer.Option("--algorithm", help="密钥的算法；sm2 用于国密端口，需要 openssl 命令"),
    ] = "p256",
) -> None:
    """为一台端设备签发证书，登记并写入 OUT。"""
    _check_form(code, name, region)
    now = china_now()
    with failures():
        platform = opened(home)
        sm2 = algorithm == "sm2"
        authority = sm2_home.authority(platform, now) if sm2 else platform.authority()
        issued = authority.issue_device(code, name, region, device, now, days)
        out.mkdir(parents=True, exist_ok=True)
        with platform.store() as store, store.write() as conn:
            found = _region_name(vocabulary(conn), region, region_name)
            certificates.register(conn, issued, now)
            subject = registry.actor(code, device)
            audit.record(
                conn, now, audit.OPERATOR, "", "ca.issue", subject, detail=f"序列号 {issued.serial}"
            )
        write_credentials(
            out,
            issued,
            {
                "code": code,
                "name": issued.name,
                "region": region,
                "regionName": found,
                "device": device,
            },
        )
    if not credit_code.has_valid_check(code):
        output.warn(f"统一社会信用代码 {code} 的校验位不符，请核对")
    output.say(f"证书已签发：{code} 端设备 {device}，有效至 {issued.not_after}，写入 {out}")


def _check_form(code: str, name: str, region: str) -> None:
    wrong = credit_code.explain(code)
    if wrong is not None:
        raise output.Misuse(f"--code：{wrong}")
    if not name.strip():
        raise output.Misuse("--name：用能单位全称不能为空")
    if not re.fullmatch(r"[0-9]{6}", region):
        raise output.Misuse(f"--region：应为 6 位数字，收到 {region!r}")


def _region_name(words: Vocabulary, region: str, given: str) -> str:
    """The region's name for the registration; its code where nobody knows one."""
    known = words.regions.get(region)
    if known is None:
        output.warn(f"行政区划代码 {region} 不在基础数据中，请核对")
        if not given:
            output.warn(
                f"不知其名称，unit.json 的 regionName 暂写 {region}；可用 --region-name 给出"
            )
        return given or region
    if known.type != COUNTY:
        output.warn(f"行政区划代码 {region}（{known.name}）未具体到县级，请核对")
    return given or known.name


@app.command("list")
def list_certificates(home: HomeOption, code: CodeOption = "", as_json: JsonOption = False) -> None:
    """列出签发过的端设备证书。"""
    with opened_store(home) as store, store.read() as conn:
        listed = certificates.listing(conn, code)
    rows = [
        {
            "serial": row["serial"],
            "code": row["credit_code"],
            "device": row["device_number"],
            "name": row["name"],
            "region": row["region"],
            "notBefore": row["not_before"],
            "notAfter": row["not_after"],
            "issuedAt": row["issued_at"],
            "revokedAt": row["revoked_at"],
        }
        for row in listed
    ]
    columns = {
        "code": "统一社会信用代码",
        "device": "端设备",
        "name": "名称",
        "notAfter": "有效至",
        "revokedAt": "吊销时间",
        "serial": "序列号",
    }
    output.emit_rows(rows, columns, as_json=as_json)
