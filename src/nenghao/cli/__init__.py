"""The command line `nenghao`: finds the command group, imports it, and says errors in Chinese.

A group's module is imported only when one of its commands runs: a device must not pay for the
platform's libraries, and neither needs the other's installed. What the commands do is in the
modules beside this one; how they print is in `output`.

Exit codes: 0 done, 1 refused or failed, 2 called wrongly.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from nenghao import __version__
from nenghao.cli import lean, output, running  # lean first, before anything logs


class GroupEntry(NamedTuple):
    """A command group before it is imported: its module (which has a Typer `app`) and its help."""

    module: str
    help: str


GROUPS = {
    "platform": GroupEntry("nenghao.cli.platform", "省级平台：建立、运行、基础数据、查询"),
    "ca": GroupEntry("nenghao.cli.ca", "数字证书：签发、注册码、续期、吊销、列出"),
    "device": GroupEntry("nenghao.cli.device", "端设备：配置、导入读数、按时上传、队列"),
    "exchange": GroupEntry("nenghao.cli.exchange", "数据交换：账户，以及向省级平台查询（第 7 章）"),
    "exchange account": GroupEntry(
        "nenghao.cli.exchange_account", "其他应用平台的账户：建立、列出、换密钥、停用、限定范围"
    ),
    "doctor": GroupEntry("nenghao.cli.doctor", "体检：检查平台或端设备的目录，逐项说明如何处理"),
    "demo": GroupEntry("nenghao.cli.demo", "演示：一个平台和若干模拟用能单位"),
}
"""The visible list of everything that `nenghao` can do. A name of two words is a group in a group,
with libraries of its own: a partner's questions need nothing of the platform's."""


_COMPLETION = ("install_completion", "show_completion")
"""What typer adds to whatever it takes for the whole program; a group is not."""


class _Door(TyperCommand):
    """Stands in the help for a group and imports it when it is entered."""

    def __init__(self, path: str, entry: GroupEntry) -> None:
        super().__init__(path.split()[-1], help=entry.help)
        self.path = path
        self.entry = entry

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        try:
            if self.name == "device":
                lean.load("httpx")
            app: typer.Typer = importlib.import_module(self.entry.module).app
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("nenghao"):
                raise
            raise output.Failure(
                f"缺少 Python 包 {error.name}，请安装 nenghao[{_extra(self.path)}]"
            ) from error
        command = typer.main.get_command(app)
        if isinstance(command, TyperGroup):
            _add_doors(command, f"{self.path} ")
        command.params = [one for one in command.params if one.name not in _COMPLETION]
        _translate_help(command)
        _tell_name(command, self.path)
        return command.make_context(info_name, args, *rest, **extra)


def _translate_help(command: Any) -> None:
    """Say what `--help` does in Chinese, for a command and all below it."""
    option = command.get_help_option(typer.Context(command))
    if option is not None:
        option.help = "显示帮助后退出"
    write = command.format_help

    def format_help(*given: Any) -> None:
        _speak_chinese()
        write(*given)

    command.format_help = format_help
    for one in getattr(command, "commands", {}).values():
        if not isinstance(one, _Door):
            _translate_help(one)


def _tell_name(command: Any, path: str) -> None:
    """Have a command and all below it run as `running.command` of its words."""
    below = getattr(command, "commands", None)
    if below is not None:
        for name, one in below.items():
            if not isinstance(one, _Door):
                _tell_name(one, f"{path} {name}")
        return
    invoke = command.invoke

    def named(context: Any) -> Any:
        with running.command(path):
            return invoke(context)

    command.invoke = named


def _add_doors(group: TyperGroup, within: str) -> None:
    """Put a door into a group for each that is registered directly within it."""
    for path, entry in GROUPS.items():
        name = path.removeprefix(within)
        if path.startswith(within) and " " not in name:
            group.add_command(_Door(path, entry), name)


def _extra(group: str) -> str:
    needed = {"ca": "platform", "demo": "platform,device", "exchange account": "platform"}
    return needed.get(group, group)


def _version(wanted: bool) -> None:
    if wanted:
        output.say(f"nenghao {__version__}")
        raise typer.Exit


def _root() -> TyperGroup:
    app = typer.Typer(add_completion=False)

    @app.callback(help="能耗在线监测数据接口：省级平台与端设备", no_args_is_help=True)
    def nenghao(
        version: bool = typer.Option(
            False, "--version", help="显示版本后退出", is_eager=True, callback=_version
        ),
    ) -> None:
        pass

    root = typer.main.get_group(app)
    _add_doors(root, "")
    _translate_help(root)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (default: of `sys.argv`) and say its exit code."""
    output.configure_logging()
    try:
        code = _root().main(arguments, prog_name="nenghao", standalone_mode=False)
    except output.Failure as failure:
        output.complain(str(failure))
        return failure.code
    except typer.Abort:
        output.complain("已中止")
        return 1
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of a pipe has gone: nobody to tell
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        if error.filename is None:
            raise
        reason = next((say for kind, say in _OS_ERRORS if isinstance(error, kind)), error.strerror)
        output.complain(f"{error.filename}：{reason}")
        return 1
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer's own way to say a wrong call
            raise
        return _wrong_call(error)
    return code if isinstance(code, int) else 0


_OS_ERRORS = (
    (FileNotFoundError, "找不到文件或目录"),
    (PermissionError, "没有权限"),
    (IsADirectoryError, "是一个目录"),
    (NotADirectoryError, "不是目录"),
    (FileExistsError, "已经存在"),
)


def _wrong_call(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        return 2
    if context is not None:
        print(context.get_usage().replace("Usage: ", "用法：", 1), file=sys.stderr)
    output.complain(_in_chinese(error))
    if context is not None:
        print(f"用法见 {context.command_path} --help", file=sys.stderr)
    return 2


def _in_chinese(error: Any) -> str:
    text = error.format_message()
    option = getattr(error, "param", None)
    names = " / ".join(getattr(option, "opts", None) or [getattr(option, "name", None) or ""])
    match type(error).__name__:
        case "MissingParameter":
            return f"缺少必需的参数 {names}"
        case "NoSuchOption":
            return f"没有这个选项：{error.option_name}"
        case "BadParameter":
            return f"参数 {names} 的值不合法：{_reason(error.message)}"
        case "BadOptionUsage":
            return f"选项 {error.option_name} 后面缺少值"
        case "UsageError" if text.startswith("No such command"):
            return f"没有这个命令：{text.split(maxsplit=3)[3]}"
        case "UsageError" if text.startswith("Missing command"):
            return "缺少命令"
        case "UsageError" if text.startswith("Got unexpected extra"):
            return f"多余的参数：{text.rpartition('(')[2].rstrip(')')}"
    return str(text)


_REASONS = (
    ("Input should be a valid integer", "应为整数"),
    ("Input should be a valid number", "应为数值"),
    ("Input should be greater than or equal to ", "应不小于 "),
    ("Input should be less than or equal to ", "应不大于 "),
)


def _reason(text: str) -> str:
    """What typer's own types say of a value, in Chinese where it is one of the usual."""
    for words, chinese in _REASONS:
        if text.startswith(words):
            rest = text.removeprefix(words)
            return chinese + ("" if rest.startswith(",") else rest)
    return text


def _speak_chinese() -> None:
    """The headings of help, when help is shown: a device does without rich (`lean`)."""
    from typer import rich_utils

    rich_utils.ARGUMENTS_PANEL_TITLE = "参数"
    rich_utils.OPTIONS_PANEL_TITLE = "选项"
    rich_utils.COMMANDS_PANEL_TITLE = "命令"
    rich_utils.REQUIRED_LONG_STRING = "[必需]"
    rich_utils.DEFAULT_STRING = "[默认：{}]"
