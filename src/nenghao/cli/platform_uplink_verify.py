"""`nenghao platform uplink verify|dictionary`: the province held against the nation (对账)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

import typer

from nenghao.cli import output
from nenghao.cli.platform_home import HomeOption, JsonOption, failures, opened
from nenghao.clock import china_now
from nenghao.platform.home import Home
from nenghao.platform.store.engine import Store
from nenghao.platform.uplink import operation
from nenghao.platform.uplink.operation import UplinkError

DayOption = Annotated[str, typer.Option(metavar="YYYY-MM-DD")]

dictionary = typer.Typer(help="国家平台下发的基础数据", no_args_is_help=True)


def verify_days(
    home: HomeOption,
    first: Annotated[str, typer.Option("--from", help="第一天", metavar="YYYY-MM-DD")],
    last: Annotated[str, typer.Option("--to", help="最后一天（含）", metavar="YYYY-MM-DD")],
    as_json: JsonOption = False,
) -> None:
    """按用能单位和日期与国家平台核对数据的条数和 SM3 摘要；不一致的日期重新上送。"""
    begin, end = _day("--from", first), _day("--to", last)
    if begin > end:
        raise output.Misuse("--from 应不晚于 --to")
    with _uplink(home) as (platform, store):
        found = operation.compare(store, platform, begin, end, china_now())
    rows = [
        {
            "code": one.code,
            "day": one.day.isoformat(),
            "province": one.here,
            "national": one.there,
        }
        for one in found
    ]
    if as_json:
        output.emit_json({"differences": rows})
        return
    columns = {
        "code": "统一社会信用代码",
        "day": "日期",
        "province": "本平台条数",
        "national": "国家平台条数",
    }
    output.emit_rows(rows, columns, as_json=False)
    if rows:
        output.say(f"{len(rows)} 处不一致，已列入上送")
    else:
        output.say(f"{begin} 至 {end}：与国家平台一致")


@dictionary.command()
def approve(home: HomeOption) -> None:
    """采用国家平台现有的基础数据，并以新的 dicVersion 下发给端设备。"""
    with _uplink(home) as (platform, store):
        changed = operation.approve(store, platform, china_now())
    if changed is None:
        output.say("已是国家平台的现有版本")
    elif not changed:
        output.say("已采用，内容与现有的相同")
    else:
        output.say(f"已采用，改动的表：{'、'.join(changed)}")


def add_to(app: typer.Typer) -> None:
    """Put these commands into the group `uplink`."""
    app.command("verify")(verify_days)
    app.add_typer(dictionary, name="dictionary")


@contextmanager
def _uplink(home: HomeOption) -> Iterator[tuple[Home, Store]]:
    """The platform and its store; why something could not be done said in Chinese."""
    with failures():
        platform = opened(home)
        try:
            with platform.store() as store:
                yield platform, store
        except UplinkError as error:
            raise output.Failure(str(error)) from error


def _day(option: str, text: str) -> date:
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise output.Misuse(f"{option}：应为 YYYY-MM-DD，收到 {text!r}") from None
