"""`nenghao ca …`: certificates for devices (端设备数字证书), issued on the platform's machine.

A certificate is entered in the platform's register before it is handed out: an unregistered one
would be refused on every request. Making the CA, its lists and outside issuers are in
`ca_authority`; codes, renewal and revocation in `ca_lifecycle`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from nenghao.cli import ca_authority, ca_lifecycle, ca_province, output
from nenghao.cli.ca_home import (
    DaysOption,
    DeviceOption,
    NameOption,
    PassphraseOption,
    ProvinceOption,
    RegionNameOption,
    RegionOption,
    UnitOption,
    check_unit,
    key_of_csr,
    opened_ca,
    told,
)
from nenghao.cli.platform_home import (
    CodeOption,
    HomeOption,
    JsonOption,
    failures,
    opened_store,
)
from nenghao.clock import china_now
from nenghao.platform import certificates, issuing
from nenghao.platform.dictionary import vocabulary
from nenghao.platform.issuing import Wanted
from nenghao.security.credentials import write_credentials

app = typer.Typer(help="数字证书：签发、注册码、续期、吊销、列出", no_args_is_help=True)


@app.command()
def issue(
    home: HomeOption,
    name: NameOption,
    out: Annotated[
        Path, typer.Option("--out", help="写入证书和密钥的目录", metavar="OUT", file_okay=False)
    ],
    code: UnitOption = "",
    region: RegionOption = "",
    province: ProvinceOption = "",
    device: DeviceOption = 1,
    region_name: RegionNameOption = "",
    days: DaysOption = 1095,
    algorithm: Annotated[
        Literal["p256", "rsa2048", "sm2"],
        typer.Option(
            "--algorithm",
            help="密钥的算法；sm2 用于国密端口，需要 openssl 命令",
            show_choices=True,
        ),
    ] = "p256",
    csr: Annotated[
        Path | None,
        typer.Option(
            "--csr", help="端设备自己生成的证书签名请求（PEM）；不再生成密钥", metavar="FILE"
        ),
    ] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """为一台端设备，或（国家平台）为一个省级平台签发证书，登记并写入 OUT。"""
    if province:
        if code or region or device != 1 or region_name:
            raise output.Misuse("--province 不与 --code、--region、--region-name、--device 同用")
        if algorithm == "sm2":
            raise output.Misuse("--algorithm sm2：省级平台的证书只有 p256 和 rsa2048")
        ca_province.issue(home, province, name, out, days, algorithm, csr, passphrase_file)
        return
    for option, value in (("--code", code), ("--region", region)):
        if not value:
            raise output.Misuse(f"缺少必需的参数 {option}")
    check_unit(code, name, region)
    now = china_now()
    with failures():
        platform = opened_ca(home, passphrase_file)
        key = key_of_csr(csr)
        if algorithm == "sm2" and key is not None:
            raise output.Misuse("--csr：SM2 证书不支持证书签名请求")
        with platform.store() as store, store.write() as conn:
            wanted = told(vocabulary(conn), Wanted(code, device, name, region, region_name))
            issued = issuing.issue(
                conn, platform, wanted, now, days=days, algorithm=algorithm, key=key
            )
            out.mkdir(parents=True, exist_ok=True)
        about = {"code": code, "name": issued.name, "region": region}
        found = wanted.region_name
        write_credentials(out, issued, {**about, "regionName": found, "device": device})
    output.say(f"证书已签发：{code} 端设备 {device}，有效至 {issued.not_after}，写入 {out}")


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


app.command("init")(ca_authority.init)
app.command("crl")(ca_authority.crl)
app.command("import-issuer")(ca_authority.import_issuer)
app.command("issuers")(ca_authority.issuers)
app.command("code")(ca_lifecycle.code)
app.command("codes")(ca_lifecycle.codes)
app.command("renew")(ca_lifecycle.renew)
app.command("revoke")(ca_lifecycle.revoke)
