"""Settings files: written, read, overridden, changed."""

import stat
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nenghao.settings import Setting, SettingsError, load, set_value, template


class Kind(StrEnum):
    FUTURE = "future_period"
    NEGATIVE = "negative"


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    host: Annotated[str, Setting("域名或 IP\n第二行说明")] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535), Setting("端口")] = 9443
    rate: Annotated[float, Setting("速率，MB/s")] = 1.5
    log_json: Annotated[bool, Setting("日志写成 JSON")] = False
    url_style: Annotated[Literal["plain", "https"], Setting("地址写法")] = "plain"
    names: Annotated[list[str], Setting("名称")] = []
    pauses: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], Setting("间隔，秒")] = []
    strict: Annotated[tuple[Kind, ...], Setting("升级为拒绝的类别")] = ()
    limit: Annotated[int | None, Setting("上限，空表示不限")] = None
    label: Annotated[str | None, Setting("标签，空表示没有")] = "甲"


class Required(msgspec.Struct, frozen=True):
    platform: Annotated[str, Setting("平台地址")]
    port: Annotated[int, Setting("端口")] = 1


class Checked(msgspec.Struct, frozen=True):
    start: Annotated[int, Setting("开始")] = 1
    end: Annotated[int, Setting("结束")] = 2

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError("设置项 start 应小于 end")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sample.toml"


texts = st.text(st.characters(codec="utf-8"), max_size=30)
samples = st.builds(
    Sample,
    host=texts,
    port=st.integers(1, 65535),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    log_json=st.booleans(),
    url_style=st.sampled_from(["plain", "https"]),
    names=st.lists(texts, max_size=3),
    pauses=st.lists(st.integers(0, 10**6), max_size=3),
    strict=st.lists(st.sampled_from(Kind), max_size=2).map(tuple),
    limit=st.none() | st.integers(-(10**12), 10**12),
    label=st.none() | texts.filter(bool),
)


# --- written and read ---------------------------------------------------------------------------


def test_the_template_has_the_comment_above_every_key() -> None:
    text = template(Sample)
    assert text.startswith('# 域名或 IP\n# 第二行说明\nhost = "127.0.0.1"\n\n# 端口\nport = 9443\n')
    assert "# 升级为拒绝的类别\nstrict = []\n" in text
    assert '# 上限，空表示不限\nlimit = ""\n' in text


def test_the_template_of_the_defaults_reads_as_the_defaults(path: Path) -> None:
    path.write_text(template(Sample), encoding="utf-8")
    assert load(Sample, path, {}) == Sample()


def test_values_replace_defaults_in_the_template(path: Path) -> None:
    text = template(Sample, {"port": 1, "strict": (Kind.NEGATIVE,), "label": None})
    path.write_text(text, encoding="utf-8")
    assert load(Sample, path, {}) == Sample(port=1, strict=(Kind.NEGATIVE,), label=None)


@hypothesis_settings(deadline=None)
@given(samples)
def test_every_value_survives_the_template(
    tmp_path_factory: pytest.TempPathFactory, sample: Sample
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.toml"
    path.write_text(template(Sample, msgspec.structs.asdict(sample)), encoding="utf-8", newline="")
    assert load(Sample, path, {}) == sample


def test_a_template_refuses_unknown_and_ill_typed_values_naming_all() -> None:
    with pytest.raises(SettingsError, match=r"未知的设置项 prot（是否应为 port？）；设置项 rate"):
        template(Sample, {"prot": 1, "rate": "x"})


def test_a_text_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(SettingsError, match="含有无法写入的字符"):
        template(Sample, {"host": "\ud800"})


def test_a_field_without_a_default_must_be_given(path: Path) -> None:
    with pytest.raises(SettingsError, match="缺少设置项 platform"):
        template(Required)
    path.write_text("port = 2\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"sample\.toml：缺少设置项 platform"):
        load(Required, path, {})
    path.write_text(template(Required, {"platform": "https://a:1"}), encoding="utf-8")
    assert load(Required, path, {}) == Required("https://a:1")
    assert load(Required, None, {"NENGHAO_PLATFORM": "b"}) == Required("b")


def test_a_field_without_its_comment_is_a_mistake_of_ours() -> None:
    class Bare(msgspec.Struct):
        port: int = 1

    with pytest.raises(SettingsError, match=r"port 没有注释"):
        template(Bare)


def test_without_a_file_the_defaults_hold() -> None:
    assert load(Sample, None, {}) == Sample()


def test_keys_that_a_file_leaves_out_have_their_defaults(path: Path) -> None:
    path.write_text("port = 1\n", encoding="utf-8")
    assert load(Sample, path, {}) == Sample(port=1)


def test_a_byte_order_mark_and_windows_line_ends_are_read(path: Path) -> None:
    path.write_bytes(b'\xef\xbb\xbf# x\r\nport = 1\r\nhost = "a"\r\n')
    assert load(Sample, path, {}) == Sample(port=1, host="a")


def test_a_whole_number_serves_where_a_number_is_asked(path: Path) -> None:
    path.write_text("rate = 2\n", encoding="utf-8")
    assert load(Sample, path, {}).rate == 2.0


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("prot = 1", "未知的设置项 prot（是否应为 port？）"),
        ("zzz = 1", "未知的设置项 zzz"),
        ("[server]\nport = 1", "未知的设置项 server"),
        ('port = "9443"', '设置项 port 应为整数（不小于 1，不大于 65535），收到 "9443"'),
        ("port = 0", "设置项 port 应为整数（不小于 1，不大于 65535），收到 0"),
        ("port = 1.5", "设置项 port 应为整数（不小于 1，不大于 65535），收到 1.5"),
        ("port = true", "设置项 port 应为整数（不小于 1，不大于 65535），收到 true"),
        ('port = ""', "设置项 port 应为整数"),
        ("rate = true", "设置项 rate 应为数字，收到 true"),
        ("rate = nan", "设置项 rate 应为数字，收到 nan"),
        ("rate = inf", "设置项 rate 应为数字，收到 inf"),
        ("log_json = 1", "设置项 log_json 应为布尔值（true 或 false），收到 1"),
        ("host = 1", "设置项 host 应为文本，收到 1"),
        ("host = 01:00:00", "设置项 host 应为文本，收到 01:00:00"),
        ('url_style = "http"', '设置项 url_style 应为以下之一：plain、https，收到 "http"'),
        ('names = "a"', '设置项 names 应为列表，其中每项为文本，收到 "a"'),
        ("names = [1]", "设置项 names 应为列表，其中每项为文本，收到 [1]"),
        ("pauses = [-1]", "设置项 pauses 应为列表，其中每项为整数（不小于 0），收到 [-1]"),
        (
            'strict = ["x"]',
            '设置项 strict 应为列表，其中每项为以下之一：future_period、negative，收到 ["x"]',
        ),
        ("limit = 1.5", "设置项 limit 应为整数，收到 1.5"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_file_and_name(
    path: Path, line: str, reason: str
) -> None:
    path.write_text(line, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(Sample, path, {})
    assert str(caught.value).startswith(f"设置文件 {path}：{reason}")


def test_everything_wrong_is_named_at_once(path: Path) -> None:
    path.write_text("prot = 1\nrate = true\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(Sample, path, {"NENGHAO_PORT": "x"})
    assert [key in str(caught.value) for key in ("prot", "rate", "NENGHAO_PORT")] == [True] * 3


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port =\n", 1),
        ('host = "a"\nport = = 1\nrate = 1', 2),
        ("\n\nport = 1\nport = 2\n", 4),
        ('host = """a\n\nb\n', 3),
        ("port 1", 1),
    ],
)
def test_what_is_no_toml_is_refused_by_its_line(path: Path, text: str, line: int) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(Sample, path, {})
    assert str(caught.value).startswith(f"设置文件 {path} 第 {line} 行不是合法的 TOML：")


def test_a_file_that_is_missing_or_no_text_is_refused_by_name(path: Path) -> None:
    with pytest.raises(SettingsError, match=r"找不到设置文件 .*sample\.toml"):
        load(Sample, path, {})
    path.write_bytes(b'host = "\xff"')
    with pytest.raises(SettingsError, match="不是 UTF-8 编码"):
        load(Sample, path, {})
    with pytest.raises(SettingsError, match="无法读取设置文件"):
        load(Sample, path.parent, {})


def test_what_the_class_itself_refuses_is_a_settings_error_too() -> None:
    with pytest.raises(SettingsError, match="start 应小于 end"):
        load(Checked, None, {"NENGHAO_START": "2"})


# --- overridden ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("NENGHAO_PORT", "1", "port", 1),
        ("NENGHAO_RATE", "0.25", "rate", 0.25),
        ("NENGHAO_RATE", "2", "rate", 2.0),
        ("NENGHAO_HOST", " a ", "host", " a "),
        ("NENGHAO_HOST", "", "host", ""),
        ("NENGHAO_LOG_JSON", "true", "log_json", True),
        ("NENGHAO_LOG_JSON", "1", "log_json", True),
        ("NENGHAO_LOG_JSON", "False", "log_json", False),
        ("NENGHAO_URL_STYLE", "https", "url_style", "https"),
        ("NENGHAO_NAMES", "a, b,", "names", ["a", "b"]),
        ("NENGHAO_NAMES", "", "names", []),
        ("NENGHAO_NAMES", '["a,b", " c"]', "names", ["a,b", " c"]),
        ("NENGHAO_PAUSES", "60,300", "pauses", [60, 300]),
        ("NENGHAO_STRICT", "negative", "strict", (Kind.NEGATIVE,)),
        ("NENGHAO_LIMIT", "5", "limit", 5),
        ("NENGHAO_LIMIT", "", "limit", None),
        ("NENGHAO_LABEL", "", "label", None),
    ],
)
def test_the_environment_wins_over_the_file_and_is_read_by_the_type(
    path: Path, name: str, text: str, key: str, value: object
) -> None:
    path.write_text(template(Sample, {"port": 7, "limit": 7, "rate": 7.0}), encoding="utf-8")
    assert getattr(load(Sample, path, {name: text}), key) == value


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("NENGHAO_PORT", "x", '设置项 port 应为整数（不小于 1，不大于 65535），收到 "x"'),
        ("NENGHAO_PORT", "", "设置项 port 应为整数"),
        ("NENGHAO_PORT", "0", "设置项 port 应为整数"),
        ("NENGHAO_PORT", "１", "设置项 port 应为整数"),
        ("NENGHAO_RATE", "fast", "设置项 rate 应为数字"),
        ("NENGHAO_RATE", "nan", "设置项 rate 应为数字"),
        ("NENGHAO_LOG_JSON", "ja", "设置项 log_json 应为布尔值"),
        ("NENGHAO_URL_STYLE", "http", "设置项 url_style 应为以下之一"),
        ("NENGHAO_NAMES", "[1]", "设置项 names 应为列表"),
        ("NENGHAO_NAMES", "[a", "设置项 names 应为列表"),
        ("NENGHAO_PAUSES", "60,x", "设置项 pauses 应为列表"),
    ],
)
def test_an_override_that_does_not_parse_is_refused_by_its_name(
    name: str, text: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Sample, None, {name: text})
    assert str(caught.value).startswith(f"环境变量 {name}：{reason}")


def test_an_override_saves_a_key_that_the_file_has_wrong(path: Path) -> None:
    path.write_text('port = "x"\n', encoding="utf-8")
    assert load(Sample, path, {"NENGHAO_PORT": "3"}).port == 3


def test_unknown_variables_of_ours_are_warned_of_and_those_of_tests_and_others_are_not() -> None:
    environ = {"NENGHAO_PROT": "1", "NENGHAO_TEST_URL": "x", "PATH": "/", "NENGHAO_PORT": "1"}
    warnings: list[str] = []
    load(Sample, None, environ, warnings.append)
    assert warnings == ["环境变量 NENGHAO_PROT 不对应任何设置项，已忽略"]


# --- changed ------------------------------------------------------------------------------------

COMMENTED = """\
# 本平台的设置
host = \"\"\"a
port = 3
\"\"\"  # 不是端口

port = 4   # 端口 # 第二个井号
names = [ # 名称
  "a # b", # 甲
] # 名称完
"""


def test_one_key_is_rewritten_and_the_rest_stays_comments_included(path: Path) -> None:
    path.write_text(COMMENTED, encoding="utf-8")
    set_value(path, "port", 5, Sample)
    assert path.read_text(encoding="utf-8") == COMMENTED.replace("port = 4", "port = 5")


def test_a_value_of_several_lines_is_replaced_whole(path: Path) -> None:
    path.write_text(COMMENTED, encoding="utf-8")
    set_value(path, "names", ["c # d"], Sample)
    text = path.read_text(encoding="utf-8")
    assert text.endswith('port = 4   # 端口 # 第二个井号\nnames = ["c # d"] # 名称完\n')
    set_value(path, "names", [], Sample)
    assert path.read_text(encoding="utf-8").endswith("\nnames = [] # 名称完\n")


def test_a_key_that_the_file_lacks_is_added_with_its_comment(path: Path) -> None:
    path.write_text("port = 1\n\n\n", encoding="utf-8")
    set_value(path, "strict", [Kind.NEGATIVE], Sample)
    expected = 'port = 1\n\n# 升级为拒绝的类别\nstrict = ["negative"]\n'
    assert path.read_text(encoding="utf-8") == expected


def test_a_key_is_added_to_an_empty_file(path: Path) -> None:
    path.write_text("", encoding="utf-8")
    set_value(path, "limit", 3, Sample)
    assert path.read_text(encoding="utf-8") == "# 上限，空表示不限\nlimit = 3\n"


def test_a_quoted_key_is_found_and_windows_line_ends_stay(path: Path) -> None:
    path.write_bytes(b'# x\r\n"port" = 1 # y\r\nrate = 2.0\r\n')
    set_value(path, "port", 2, Sample)
    assert path.read_bytes() == b"# x\r\nport = 2 # y\r\nrate = 2.0\r\n"


def test_a_change_keeps_the_mode_of_the_file_and_leaves_nothing_beside_it(path: Path) -> None:
    path.write_text("port = 1\n", encoding="utf-8")
    path.chmod(0o640)
    set_value(path, "port", 2, Sample)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [("prot", 1, "未知的设置项 prot"), ("port", "x", "设置项 port 应为整数")],
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    path: Path, key: str, value: object, reason: str
) -> None:
    path.write_text(COMMENTED, encoding="utf-8")
    with pytest.raises(SettingsError, match=reason):
        set_value(path, key, value, Sample)
    assert path.read_text(encoding="utf-8") == COMMENTED


def test_a_file_that_is_no_toml_is_not_changed(path: Path) -> None:
    path.write_text("port = \n", encoding="utf-8")
    with pytest.raises(SettingsError, match="第 1 行不是合法的 TOML"):
        set_value(path, "port", 1, Sample)
    assert path.read_text(encoding="utf-8") == "port = \n"


@hypothesis_settings(deadline=None)
@given(samples, samples, st.sampled_from(msgspec.structs.fields(Sample)))
def test_a_change_is_read_back_and_touches_no_other_key(
    tmp_path_factory: pytest.TempPathFactory,
    before: Sample,
    after: Sample,
    field: msgspec.structs.FieldInfo,
) -> None:
    path = tmp_path_factory.getbasetemp() / "change.toml"
    path.write_text(template(Sample, msgspec.structs.asdict(before)), encoding="utf-8", newline="")
    value = getattr(after, field.name)
    set_value(path, field.name, value, Sample)
    assert load(Sample, path, {}) == msgspec.structs.replace(before, **{field.name: value})
