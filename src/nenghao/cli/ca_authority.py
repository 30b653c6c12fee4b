"""`nenghao ca init|crl|import-issuer|issuers`: the authority itself, its lists, outside issuers."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509

from nenghao.cli import output
from nenghao.cli.ca_home import PassphraseOption, chosen_passphrase, opened_ca
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened, opened_store
from nenghao.clock import china_now
from nenghao.platform import audit, outside, trust_files
from nenghao.platform.home import PASSPHRASE_VARIABLE, make_authority, read_passphrase
from nenghao.security import revocations
from nenghao.security.authority import ROOT, CertificateAuthority
from nenghao.security.issuers import CHINESE_RULE, read_certificate
from nenghao.security.names import AuthorityError


class SealKind(StrEnum):
    """What the CA's keys are encrypted under."""

    KEY_FILE = "key-file"
    PASSPHRASE = "passphrase"  # noqa: S105 - a word, no secret


def init(
    home: HomeOption,
    seal: Annotated[
        SealKind,
        typer.Option("--seal", help="密钥的封存方式：key-file 密钥文件，passphrase 口令"),
    ] = SealKind.KEY_FILE,
    root_dir: Annotated[
        Path | None,
        typer.Option(
            "--root-dir",
            help="离线根：根 CA 的密钥写入这个目录（如移动介质），不留在平台上",
            metavar="ROOT",
            file_okay=False,
        ),
    ] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """在平台目录中建立证书签发机构；之后的 platform init 会沿用它。"""
    with failures():
        passphrase = None
        if seal is SealKind.PASSPHRASE:
            passphrase = chosen_passphrase(passphrase_file, os.environ.get(PASSPHRASE_VARIABLE))
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_authority(
            home.absolute() / "ca", china_now(), passphrase=passphrase, root_directory=root_dir
        )
    output.say(f"证书签发机构已建立：{home / 'ca'}")
    if root_dir is not None:
        output.say(f"根 CA 的密钥在 {root_dir}，请离线保管")


def crl(
    home: HomeOption,
    root_dir: Annotated[
        Path | None,
        typer.Option("--root-dir", help="离线根的目录；只发布根 CA 的列表", metavar="ROOT"),
    ] = None,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """发布吊销列表，并列出各列表的有效期；运行中的平台每天自动发布。"""
    now = china_now()
    with failures():
        if root_dir is not None:
            secret = None if passphrase_file is None else read_passphrase(passphrase_file)
            secret = secret or os.environ.get(PASSPHRASE_VARIABLE)
            platform = opened(home)
            root = CertificateAuthority.open_root(root_dir, secret)
            if root.root_pem != platform.authority().root_pem:
                raise AuthorityError(f"{root_dir} 中的根 CA 不是这个平台的")
            root.publish_revocations(ROOT, (), now, folder=platform.ca)
        else:
            platform = opened_ca(home, passphrase_file)
            with platform.store() as store, store.read() as conn:
                trust_files.publish(conn, platform.authority(), now)
        with platform.store() as store, store.read() as conn:
            told = trust_files.alarms(conn, platform.ca, now)
    rows = []
    own, national = (sorted(platform.ca.glob(f"{each}*-ca.crl")) for each in ("", "sm2/"))
    for path in [*own, platform.ca / f"{ROOT}.crl", *national]:
        found = revocations.read(path)
        if found is not None:
            rows.append(
                {
                    "file": str(path),
                    "number": found.number,
                    "lastUpdate": found.last_update,
                    "nextUpdate": found.next_update,
                    "revoked": len(found.serials),
                }
            )
    columns = {"file": "文件", "revoked": "已吊销", "nextUpdate": "有效至", "number": "编号"}
    output.emit_rows(rows, columns, as_json=as_json)
    for line in told:
        output.warn(line)


def import_issuer(
    home: HomeOption,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="直接签发端设备证书的 CA 的证书（PEM）", metavar="FILE"),
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            "--rule",
            help="统一社会信用代码在证书中的位置：subject:名称或OID、extension:OID、san:uri、"
            "san:dns，其后可加 :前缀",
            metavar="RULE",
        ),
    ] = CHINESE_RULE,
    name: Annotated[
        str, typer.Option("--name", help="显示的名称，默认为证书主体", metavar="NAME")
    ] = "",
    crl_file: Annotated[
        Path | None,
        typer.Option("--crl", help="该机构的吊销列表（PEM 或 DER）", metavar="FILE"),
    ] = None,
    remove: Annotated[
        str,
        typer.Option(
            "--remove", help="不再接受指纹以此开头的机构；立即生效", metavar="FINGERPRINT"
        ),
    ] = "",
) -> None:
    """接受外部签发机构的端设备证书，更新其规则或吊销列表，或不再接受。"""
    if (file is None) == (not remove):
        raise output.Misuse("--file 与 --remove 须给出其中一个")
    now = china_now()
    with failures():
        platform = opened(home)
        certificate = None if file is None else _one_certificate(file)
        with platform.store() as store, store.write() as conn:
            if certificate is None:
                gone = outside.remove(conn, remove, now)
                if gone is None:
                    raise output.Failure(f"没有唯一一个指纹以 {remove} 开头的外部签发机构")
                said, action, subject = (
                    f"不再接受：{gone['name']}",
                    "ca.remove-issuer",
                    gone["name"],
                )
            else:
                subject = outside.add(conn, certificate, rule, name, now)
                if crl_file is not None:
                    listed = revocations.parse(crl_file.read_bytes(), certificate)
                    if not listed.is_current(now):
                        raise AuthorityError(f"吊销列表已于 {listed.next_update} 失效")
                    outside.take_list(conn, subject, listed)
                said, action = f"已接受外部签发机构，指纹 {subject}", "ca.import-issuer"
            audit.record(conn, now, audit.OPERATOR, "", action, subject, detail=rule)
            trust_files.write_trust(conn, platform.ca, now)
    output.say(said)
    if certificate is not None and crl_file is None:
        output.warn("没有给出吊销列表：该机构吊销的证书只能由 nenghao ca revoke 拒绝")


def _one_certificate(file: Path) -> x509.Certificate:
    try:
        return read_certificate(file.read_bytes())
    except AuthorityError as error:
        raise AuthorityError(f"{file}：{error}") from None


def issuers(home: HomeOption, as_json: JsonOption = False) -> None:
    """列出接受的外部签发机构。"""
    with opened_store(home) as store, store.read() as conn:
        listed = outside.listing(conn)
    rows = [
        {
            "fingerprint": row["fingerprint"],
            "name": row["name"],
            "rule": row["rule"],
            "notAfter": row["not_after"],
            "addedAt": row["added_at"],
            "hasList": bool(row["crl"]),
        }
        for row in listed
    ]
    columns = {
        "name": "名称",
        "rule": "信用代码的位置",
        "notAfter": "有效至",
        "hasList": "吊销列表",
        "fingerprint": "指纹",
    }
    output.emit_rows(rows, columns, as_json=as_json)
