"""Settings of a device (`device.toml`): every choice that two sites could make differently.

How a settings file is written, read and overridden is `nenghao.settings`; where it lies is `home`.
Times of the protocol's schedule that the platform decides (the upload time) are no settings.
"""

from typing import Annotated, Literal

import msgspec

from nenghao.device.encoding import ContentEncoding, unavailable
from nenghao.settings import Setting

IncompletePolicy = Literal["invalid", "valid", "omit"]
"""What becomes of a day, month or year total with missing ticks; see `incomplete_total`."""


class DeviceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in `device.toml`; paths are relative to the device's directory."""

    platform: Annotated[
        str,
        Setting("省级平台注册地址，如 https://10.1.2.3:9443；不写协议时按 https，拒绝 http"),
    ]
    certificate: Annotated[
        str, Setting("端设备证书（PEM，含签发机构证书）；相对路径以本目录为准")
    ] = "credentials/device.pem"
    private_key: Annotated[str, Setting("端设备私钥（PEM，权限 0600）")] = "credentials/device.key"
    trust: Annotated[str, Setting("用来验证平台证书的根证书（PEM）；平台证书一律验证")] = (
        "credentials/ca.pem"
    )
    timeout_seconds: Annotated[
        float,
        Setting("一次请求从连接到收完应答的总时限（秒）"),
        msgspec.Meta(gt=0, le=3600),
    ] = 120.0
    resend_pauses: Annotated[
        list[Annotated[int, msgspec.Meta(ge=0, le=86400)]],
        Setting("失败后三次重发之前各等待多少秒（6.2.5：最多重发三次，因此至多三项）"),
        msgspec.Meta(max_length=3),
    ] = msgspec.field(default_factory=lambda: [60, 300, 900])
    version_check_hours: Annotated[
        int,
        Setting("至少每隔多少小时校验一次平台版本（6.3.3.2：每天至少一次，因此不大于 24）"),
        msgspec.Meta(ge=1, le=24),
    ] = 24
    register_again_minutes: Annotated[
        int,
        Setting("尚未注册成功时，一轮失败之后隔多少分钟再注册"),
        msgspec.Meta(ge=1, le=1440),
    ] = 60
    batch_records: Annotated[
        int,
        Setting("一个批次最多多少条记录；超过时一天分成几个批次"),
        msgspec.Meta(ge=1, le=200_000),
    ] = 100_000
    batch_megabytes: Annotated[
        float,
        Setting("一个批次的报文最大多少 MB；超过时一天分成几个批次"),
        msgspec.Meta(gt=0, le=64),
    ] = 16.0
    content_encoding: Annotated[
        ContentEncoding,
        Setting(
            "上传报文的压缩方式：identity 不压缩（标准的写法）；gzip、zstd 须平台支持，\n"
            "zstd 还须本机装有 Python 包 zstandard"
        ),
    ] = "identity"
    history_days: Annotated[
        int,
        Setting("实时读数至少保存多少天（自数据日和最后一次写入起算）；日合计不删除"),
        msgspec.Meta(ge=31, le=36_500),
    ] = 190
    raw_days: Annotated[
        float,
        Setting("原始采样保存多少天；在此期间迟到的采样仍能更正读数"),
        msgspec.Meta(ge=1, le=366),
    ] = 7.0
    incomplete_total: Annotated[
        IncompletePolicy,
        Setting(
            "缺少部分读数时日、月、年合计怎么报：\n"
            "invalid 照报已有部分之和，valid=false；valid 照报且 valid=true；omit 不报"
        ),
    ] = "invalid"
    leave_by: Annotated[
        str,
        Setting(
            "与平台通信只从这个网卡（如 VPN 的 wg0）或本机地址出去，不存在时不通信；空表示由系统\n"
            "选路。仅限 Linux"
        ),
    ] = ""
    page_port: Annotated[
        int,
        Setting(
            "现场页面 http://127.0.0.1:端口；0 为不启用。同一台机器上的几个端设备应各用一个端口"
        ),
        msgspec.Meta(ge=0, le=65535),
    ] = 8080
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Setting("日志级别（写到标准错误）")
    ] = "info"
    log_json: Annotated[bool, Setting("日志每行写成一个 JSON 对象")] = False

    def __post_init__(self) -> None:
        reason = unavailable(self.content_encoding)
        if reason is not None:
            raise ValueError(f"设置项 content_encoding：{reason}")

    @property
    def attempts(self) -> int:
        """How often a request is sent on one occasion: once and the resends (6.2.5-7)."""
        return 1 + len(self.resend_pauses)
