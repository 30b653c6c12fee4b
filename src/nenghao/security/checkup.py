"""What both doctors look at (体检): keys, certificates, lists, network interfaces, disk, clock.

Each check gives lines (`Line`): what was found, and, where that is not well, what to do. Nothing
is changed, and nothing here raises for what it finds. Which files there are, and what else belongs
to a platform or a device, is the business of `platform.doctor` and `device.doctor`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from msgspec import Struct

from nenghao.security.leaves import china

SOON = timedelta(days=30)
"""A certificate that ends within this time is to be renewed now."""
FREE_SHARE = 0.1
FREE_BYTES = 2_000_000_000
_UNSYNCHRONISED = 5
"""adjtimex(2): TIME_ERROR, the clock is not synchronised."""


class State(StrEnum):
    """How it stands with one thing; `label` is Chinese."""

    label: str

    def __new__(cls, value: str, label: str) -> State:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    OK = "ok", "正常"
    WARNING = "warning", "注意"
    FAULT = "fault", "故障"


class Line(Struct, frozen=True):
    """One line of a report."""

    subject: str
    state: State
    found: str
    advice: str = ""
    """What to do; "" where all is well."""


def well(subject: str, found: str) -> Line:
    """All is as it should be."""
    return Line(subject, State.OK, found)


def beware(subject: str, found: str, advice: str) -> Line:
    """It works, and should be looked after."""
    return Line(subject, State.WARNING, found, advice)


def fault(subject: str, found: str, advice: str) -> Line:
    """It does not work, or is not safe."""
    return Line(subject, State.FAULT, found, advice)


# --- keys ----------------------------------------------------------------------------------------


def private_files(
    root: Path, secret: Iterable[str], private: Iterable[str], *more: Path
) -> list[Line]:
    """Whether files with secrets are readable by their owner alone, and owned by the folder's.

    `secret` are patterns of files below `root`, `more` further files; `private` are patterns of
    files that may be open to others as long as the folder is not.
    """
    subject = "密钥文件权限"
    owner = root.stat().st_uid
    is_open = bool(stat.S_IMODE(root.stat().st_mode) & 0o077)
    files = {file for name in secret for file in root.rglob(name) if file.is_file()} | {*more}
    bad: list[Line] = []
    looked = 0
    for file in sorted(files):
        try:
            status = file.stat()
        except OSError as error:
            bad.append(fault(subject, f"{file}：{error.strerror}", "检查该文件及其所在目录"))
            continue
        looked += 1
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077:
            bad.append(
                fault(subject, f"{file} 的权限为 {mode:04o}，他人可读写", f"chmod 600 {file}")
            )
        if status.st_uid != owner:
            bad.append(
                fault(subject, f"{file} 的属主与目录 {root} 的属主不同", f"chown {owner} {file}")
            )
    if stat.S_IMODE(root.stat().st_mode) & 0o022:
        bad.append(fault(subject, f"目录 {root} 可被他人写入", f"chmod go-w {root}"))
    for file in sorted({file for name in private for file in root.rglob(name)}) if is_open else ():
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            bad.append(beware(subject, f"{file.name} 可被本机其他用户读取", f"chmod 700 {root}"))
    return bad or [well(subject, f"{looked} 个文件只有属主可读写")]


# --- certificates --------------------------------------------------------------------------------


def chain(subject: str, file: Path, roots: Path, now: datetime, renew: str) -> list[Line]:
    """Whether a certificate and its issuers are valid and lead to one of `roots`.

    `renew` says what to do about one that ends.
    """
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
        trusted = x509.load_pem_x509_certificates(roots.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "不是 PEM 证书"
        where = error.filename if isinstance(error, OSError) else file
        return [fault(subject, f"{where}：{reason}", "恢复该文件，或重新签发证书")]
    lines = [one for each in certificates if (one := _dates(subject, each, now, renew)) is not None]
    at = certificates[0]
    for above in certificates[1:]:
        if not _issued(at, above):
            return [*lines, fault(subject, f"{file} 中的证书链不连贯", "重新签发证书")]
        at = above
    if at not in trusted and not any(_issued(at, root) for root in trusted):
        return [
            *lines,
            fault(subject, f"{file} 不能链接到根证书 {roots}", "检查根证书是否为签发平台的根证书"),
        ]
    end = min(china(one.not_valid_after_utc) for one in certificates)
    return lines or [well(subject, f"证书链完整，有效至 {end:%Y-%m-%d}")]


def dates(subject: str, file: Path, now: datetime, renew: str) -> list[Line]:
    """Whether the certificates of a file are valid, and for how long."""
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return [fault(subject, f"{file} 不能读出证书", "从备份恢复该文件")]
    lines = [one for each in certificates if (one := _dates(subject, each, now, renew)) is not None]
    end = min(china(one.not_valid_after_utc) for one in certificates)
    return lines or [well(subject, f"{file.name} 有效至 {end:%Y-%m-%d}")]


def _dates(subject: str, certificate: x509.Certificate, now: datetime, renew: str) -> Line | None:
    begin = china(certificate.not_valid_before_utc)
    end = china(certificate.not_valid_after_utc)
    name = certificate.subject.rfc4514_string()
    if now < begin:
        return fault(subject, f"{name} 到 {begin:%Y-%m-%d %H:%M} 才生效", "检查本机时钟")
    if now >= end:
        return fault(subject, f"{name} 已于 {end:%Y-%m-%d} 过期", renew)
    if end - now < SOON:
        return beware(subject, f"{name} 将于 {end:%Y-%m-%d} 过期", renew)
    return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    except UnsupportedAlgorithm:  # SM2: the names must do
        return certificate.issuer == issuer.subject
    return True


# --- the machine ---------------------------------------------------------------------------------


def disk(folder: Path) -> Line:
    """Whether there is room for more."""
    usage = shutil.disk_usage(folder)
    told = f"{folder} 所在磁盘剩余 {usage.free / 1e9:.1f} GB，共 {usage.total / 1e9:.1f} GB"
    if usage.free < FREE_BYTES / 10:
        return fault("磁盘空间", told, "立即清理或扩容：写满后数据不能入库")
    if usage.free < FREE_BYTES or usage.free < usage.total * FREE_SHARE:
        return beware("磁盘空间", told, "清理或扩容")
    return well("磁盘空间", told)


def clock(now: datetime, known: datetime | None = None) -> Line:
    """Whether the machine's clock is kept right; `known` is a time that has certainly been."""
    subject = "时钟"
    advice = "启用 chrony 或 systemd-timesyncd，并检查时间服务器"
    told = f"本机时间 {now:%Y-%m-%d %H:%M:%S}（北京时间）"
    if known is not None and now < known - timedelta(seconds=60):
        return fault(subject, f"{told}，早于已有记录的时间 {known:%Y-%m-%d %H:%M:%S}", advice)
    if _is_unsynchronised():
        return beware(subject, f"{told}，系统报告时钟未同步", advice)
    return well(subject, told)


def _is_unsynchronised() -> bool:
    """What the kernel says; False where it cannot be asked."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        room = ctypes.create_string_buffer(512)  # struct timex, modes 0: asks and sets nothing
        return int(library.adjtimex(room)) == _UNSYNCHRONISED
    except (OSError, AttributeError):
        return False


def interface(subject: str, name: str, setting: str) -> Line:
    """Whether a network interface is there and up."""
    state = Path("/sys/class/net") / name / "operstate"
    try:
        told = state.read_text("ascii").strip()
    except OSError:
        return fault(subject, f"网卡 {name} 不存在", f"启动 VPN，或改正设置项 {setting}")
    if told in ("down", "lowerlayerdown", "notpresent"):
        return fault(subject, f"网卡 {name} 未启用（{told}）", "启动 VPN")
    return well(subject, f"只经网卡 {name}，网卡已启用")


def runs_as(root: Path) -> list[Line]:
    """A doctor who is not the owner sees other things than the program does."""
    owner = root.stat().st_uid
    if os.geteuid() in (owner, 0):
        return []
    return [beware("运行账户", f"目录属于用户 {owner}", "以该用户运行本命令，结果才完整")]
