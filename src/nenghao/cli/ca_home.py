"""What the commands of `nenghao ca` share: the CA's passphrase, options, a unit's names.

The passphrase comes from `--passphrase-file`, else from the environment or the settings, else
from whoever sits at the terminal; without a terminal nobody is asked.
"""

from __future__ import annotations

import getpass
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import opened
from nenghao.platform import issuing
from nenghao.platform.dictionary import Vocabulary
from nenghao.platform.home import Home, read_passphrase
from nenghao.platform.issuing import Wanted
from nenghao.security.leaves import PublicKey
from nenghao.security.requests import key_of_request
from nenghao.standard import credit_code

PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="签发机构的口令文件，权限 0600", metavar="FILE", dir_okay=False
    ),
]
UnitOption = Annotated[
    str, typer.Option("--code", help="用能单位的统一社会信用代码，18 位", metavar="USCC")
]
NameOption = Annotated[
    str, typer.Option("--name", help="用能单位（或省、自治区、直辖市）全称", metavar="NAME")
]
ProvinceOption = Annotated[
    str,
    typer.Option(
        "--province", help="省级平台的行政区划代码，如 210000；用于国家平台", metavar="CODE"
    ),
]
RegionOption = Annotated[
    str, typer.Option("--region", help="行政区划代码，6 位，具体到县级", metavar="CODE")
]
RegionNameOption = Annotated[
    str, typer.Option("--region-name", help="行政区划名称，默认查基础数据", metavar="NAME")
]
DeviceOption = Annotated[
    int, typer.Option("--device", help="单位内的端设备序号", min=1, max=999_999)
]
DaysOption = Annotated[int, typer.Option("--days", help="有效天数", min=1, max=3650)]


def opened_ca(path: Path, passphrase_file: Path | None) -> Home:
    """The platform's folder, its CA opened by a passphrase if need be. Use within `failures`."""
    home = opened(path)
    if passphrase_file is not None:
        return replace(home, passphrase=read_passphrase(passphrase_file))
    if home.authority().is_locked and sys.stdin.isatty():
        return replace(home, passphrase=getpass.getpass("签发机构的口令："))
    return home


def chosen_passphrase(passphrase_file: Path | None, given: str | None) -> str:
    """A passphrase for a new CA. Raises output.Misuse where there is nobody to ask."""
    if passphrase_file is not None:
        return read_passphrase(passphrase_file)
    if given:
        return given
    if not sys.stdin.isatty():
        raise output.Misuse(
            "--seal passphrase：没有终端，请用 --passphrase-file 或环境变量 NENGHAO_CA_PASSPHRASE"
        )
    first = getpass.getpass("签发机构的口令：")
    if first != getpass.getpass("再输入一次："):
        raise output.Misuse("两次输入的口令不同")
    return first


def check_unit(code: str, name: str, region: str) -> None:
    """Raise output.Misuse for a code, name or region that cannot be meant."""
    check_code(code)
    if not name.strip():
        raise output.Misuse("--name：用能单位全称不能为空")
    if not re.fullmatch(r"[0-9]{6}", region, re.ASCII):
        raise output.Misuse(f"--region：应为 6 位数字，收到 {region!r}")


def check_code(code: str) -> None:
    """Raise output.Misuse for an ill-formed credit code."""
    wrong = credit_code.explain(code)
    if wrong is not None:
        raise output.Misuse(f"--code：{wrong}")


def told(words: Vocabulary, wanted: Wanted) -> Wanted:
    """With its region's name; what is odd is warned of, and no reason to refuse."""
    given = wanted.region_name
    wanted, odd = issuing.completed(words, wanted)
    for line in odd:
        output.warn(line)
    if wanted.region not in words.regions and not given:
        region = wanted.region
        output.warn(f"不知其名称，unit.json 的 regionName 暂写 {region}；可用 --region-name 给出")
    return wanted


def key_of_csr(file: Path | None) -> PublicKey | None:
    """The key of a request in a file; None without a file. Raises AuthorityError."""
    return None if file is None else key_of_request(file.read_bytes())
