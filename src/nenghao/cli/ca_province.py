"""`nenghao ca issue --province`: a certificate for the platform of a province (省级平台证书)."""

from __future__ import annotations

from pathlib import Path

from nenghao.cli import output
from nenghao.cli.ca_home import key_of_csr, opened_ca
from nenghao.cli.platform_home import failures
from nenghao.clock import china_now
from nenghao.platform import audit, certificates
from nenghao.platform.national import provinces
from nenghao.security.credentials import write_province
from nenghao.security.identity import is_province
from nenghao.security.leaves import Algorithm


def issue(
    home: Path,
    region: str,
    name: str,
    out: Path,
    days: int,
    algorithm: Algorithm,
    csr: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Issue, register and write to `out`; the province's deviceId is made the first time.

    Issued again for the same province, the old certificate stays valid until revoked or expired.
    """
    if not is_province(region):
        raise output.Misuse(f"--province：应为省级行政区划代码，如 210000，收到 {region!r}")
    if not name.strip():
        raise output.Misuse("--name：名称不能为空")
    now = china_now()
    with failures():
        platform = opened_ca(home, passphrase_file)
        if platform.settings.role != provinces.NATIONAL:
            raise output.Failure(
                '本平台不是国家平台（设置项 role 应为 "national"），不能为省级平台签发证书'
            )
        issued = platform.authority().issue_province(
            region, name, now, days, algorithm=algorithm, key=key_of_csr(csr)
        )
        out.mkdir(parents=True, exist_ok=True)
        with platform.store() as store, store.write() as conn:
            device_id = provinces.enter(conn, region, issued.name, now)
            certificates.register(conn, issued, now)
            audit.record(
                conn,
                now,
                audit.OPERATOR,
                "",
                "ca.issue",
                f"province:{region}",
                detail=f"序列号 {issued.serial}",
            )
        about = {"province": region, "name": issued.name, "deviceId": device_id}
        write_province(out, issued, about)
    output.say(f"省级平台证书已签发：{region} {issued.name}，有效至 {issued.not_after}，写入 {out}")
    output.say(f"在省级平台上运行：nenghao platform uplink set --credentials {out}")
