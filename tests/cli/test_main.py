"""The command line as a whole: groups that cost nothing until used, Chinese words, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import pytest
import typer

from nenghao import __version__, cli
from nenghao.cli import GROUPS, GroupEntry, main, output

PLATFORM_LIBRARIES = ("sqlalchemy", "alembic", "starlette", "uvicorn", "nenghao.platform")
DEVICE_LIBRARIES = ("httpx", "nenghao.device")


def imported_by(*arguments: str) -> set[str]:
    """The packages that a call of the command line has imported, in a process of its own."""
    program = (
        "import contextlib, io, json, sys\n"
        "from nenghao.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    code = main({list(arguments)!r})\n"
        "print(json.dumps([code, sorted(sys.modules)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    code, modules = json.loads(done.stdout)
    assert code == 0
    return set(modules)


def of(modules: set[str], names: tuple[str, ...]) -> set[str]:
    return {one for one in modules if one.startswith(names)}


def test_the_help_imports_no_group() -> None:
    modules = imported_by("--help")
    assert of(modules, PLATFORM_LIBRARIES + DEVICE_LIBRARIES) == set()


def test_a_device_does_not_pay_for_the_platforms_imports() -> None:
    modules = imported_by("device", "--help")
    assert "nenghao.cli.device" in modules
    assert of(modules, PLATFORM_LIBRARIES) == set()


def test_the_platform_does_not_pay_for_the_devices() -> None:
    modules = imported_by("platform", "--help")
    assert "nenghao.cli.platform" in modules
    assert of(modules, DEVICE_LIBRARIES) == set()


def test_the_help_names_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, entry in GROUPS.items():
        inside = " " in name  # a group in a group, which that one's help names
        assert inside or name in shown
        assert (entry.help[:12] in shown) is not inside
    assert "completion" not in shown


@pytest.mark.parametrize("group", ["platform", "ca"])
def test_a_groups_help_is_chinese_and_offers_no_shell_completion(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([group, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "选项" in shown
    assert "命令" in shown
    assert "显示帮助后退出" in shown
    assert "completion" not in shown
    assert "exit" not in shown


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nenghao {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["platfrom"], "没有这个命令"),
        (["--verbose"], "没有这个选项：--verbose"),
        (["platform", "start"], "没有这个命令"),
        (["platform", "init"], "缺少必需的参数 --home"),
        (
            ["platform", "init", "--home", "x", "--device-port", "x"],
            "--device-port 的值不合法：应为整数",
        ),
        (["platform", "init", "--home", "x", "--device-port", "0"], "应不小于 1"),
        (["platform", "init", "--home", "x", "y"], "多余的参数：y"),
        (["platform", "init", "--home"], "选项 --home 后面缺少值"),
        (["ca", "issue", "--home", "x"], "缺少必需的参数 --name"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why_in_chinese_on_stderr(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "错误：" in err
    assert said in err


def test_no_arguments_show_the_help_and_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "platform" in capsys.readouterr().out


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """A command group `x` of this test."""
    app = typer.Typer()
    module = types.ModuleType("group_of_this_test")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "group_of_this_test", module)
    monkeypatch.setitem(cli.GROUPS, "x", GroupEntry("group_of_this_test", "试验"))
    return app


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (output.Failure("不行"), 1, "错误：不行"),
        (output.Misuse("不对"), 2, "错误：不对"),
        (FileNotFoundError(2, "No such file", "a.csv"), 1, "a.csv：找不到文件或目录"),
        (PermissionError(13, "Permission denied", "a.csv"), 1, "a.csv：没有权限"),
        (OSError(28, "No space left on device", "a.csv"), 1, "a.csv：No space left on device"),
        (typer.Abort(), 1, "已中止"),
        (typer.Exit(3), 3, ""),
    ],
)
def test_what_a_command_raises_decides_the_exit_code(
    group: typer.Typer,
    error: Exception,
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @group.command()
    def fail() -> None:
        raise error

    assert main(["x"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_an_unforeseen_error_keeps_its_traceback(group: typer.Typer) -> None:
    @group.command()
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        main(["x"])


def test_a_missing_library_is_named_with_the_extra_that_has_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def import_module(name: str) -> types.ModuleType:
        raise ModuleNotFoundError("No module named 'sqlalchemy'", name="sqlalchemy")

    monkeypatch.setattr("importlib.import_module", import_module)
    assert main(["ca", "list"]) == 1
    assert "缺少 Python 包 sqlalchemy，请安装 nenghao[platform]" in capsys.readouterr().err


def test_a_closed_pipe_ends_quietly() -> None:
    program = "import sys; from nenghao.cli import main; sys.exit(main(['--help']))"
    done = subprocess.run(
        f'"{sys.executable}" -c "{program}" | true', shell=True, capture_output=True
    )
    assert b"Traceback" not in done.stderr


def test_json_is_one_value_on_stdout_and_the_log_goes_to_stderr(
    group: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    import structlog

    @group.command()
    def tell() -> None:
        structlog.get_logger().warning("注意", what="x")
        output.warn("小心")
        output.emit_rows([{"a": "甲", "b": 1}], {"a": "A"}, as_json=True)

    assert main(["x"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == [{"a": "甲", "b": 1}]
    assert "注意" in err
    assert "警告：小心" in err


def test_a_log_of_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    output.configure_logging("warning", as_json=True)
    try:
        structlog.get_logger().info("看不见")
        try:
            raise ValueError("坏")
        except ValueError:
            structlog.get_logger().exception("出错", unit="甲")
    finally:
        output.configure_logging()
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["unit"], entry["level"]) == ("出错", "甲", "error")
    assert "ValueError: 坏" in entry["exception"]


def test_an_empty_list_is_said_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_rows([], {"a": "A"}, as_json=False)
    output.emit_rows([], {"a": "A"}, as_json=True)
    assert capsys.readouterr().out == "（无）\n[]\n"
