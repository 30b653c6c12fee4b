"""Every setting of a platform (`platform.toml`), each with its Chinese comment and its default.

How a settings file is written, read and overridden is `nenghao.settings`' business; where the file
lies, and what follows from the empty ones (`bind`, `database`), is `home`'s.
"""

import re
from datetime import time
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from nenghao.platform.schedule import UploadWindow
from nenghao.platform.uplink.window import Window
from nenghao.security.passwords import ARGON2ID, Scheme
from nenghao.settings import Setting
from nenghao.standard import data_code
from nenghao.standard.energy_amounts import OUTPUT_VALUE_CODE
from nenghao.standard.findings import AdviceKind

Role = Literal["province", "national"]
Port = Annotated[int, Meta(ge=1, le=65535)]
Positive = Annotated[int, Meta(ge=1)]
Whole = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_INTERFACE = re.compile(r"[A-Za-z0-9._@-]{0,15}")
_HTTPS = re.compile(r"https://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?/?")
_KINDS = "".join(f"\n  {kind.value}  {kind.label}" for kind in AdviceKind)


class PlatformSettings(Struct, frozen=True, kw_only=True):
    """The settings of one platform. ValueError (Chinese, naming the key) where two disagree."""

    role: Annotated[
        Role,
        Setting(
            "本平台的角色：province 为省级平台；national 为国家平台，另外接收各省级平台上送的\n"
            "用能单位、基础信息和采集数据"
        ),
    ] = "province"
    host: Annotated[
        str, Setting("端设备访问平台用的域名或 IP 地址；写入下发的各接口地址和服务器证书")
    ] = "127.0.0.1"
    bind: Annotated[
        str, Setting("监听的本机地址，空表示与 host 相同；0.0.0.0 表示所有 IPv4 地址")
    ] = ""
    bind_interface: Annotated[
        str,
        Setting(
            "只接受从这个网卡（如 VPN 的 wg0）来的连接，空表示不限；仅限 Linux。\n"
            "不影响本机的 health_port 和 gateway_port"
        ),
    ] = ""
    device_port: Annotated[Port, Setting("端设备接口（第 6 章）的端口")] = 9443
    exchange_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)],
        Setting("其他应用平台接口（第 7 章）的端口；0 表示不开放这些接口"),
    ] = 9001
    console_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)],
        Setting("管理控制台的端口（浏览器，凭操作员账户登录）；0 表示不开放"),
    ] = 8443
    enrol_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)],
        Setting("端设备凭一次性注册码领取证书的端口（不要求客户端证书）；0 表示不开放"),
    ] = 0
    ca_passphrase_file: Annotated[
        str,
        Setting(
            "签发机构的口令文件（权限 0600），相对路径以平台目录为准；空表示用密钥文件封存，\n"
            "或由环境变量 NENGHAO_CA_PASSPHRASE 给出，否则续期和领取证书不可用"
        ),
    ] = ""
    sm_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)],
        Setting(
            "端设备接口的国密端口（TLS 1.3，TLS_SM4_GCM_SM3，SM2 证书，RFC 8998）；0 表示不开放\n"
            "需要 Python 包 pyOpenSSL 和 openssl 命令"
        ),
    ] = 0
    gateway_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)],
        Setting("供 nginx 或国密网关转来端设备请求的端口（明文 HTTP，凭网关口令）；0 表示不开放"),
    ] = 0
    gateway_bind: Annotated[
        str, Setting("gateway_port 监听的本机地址；网关在别的机器上时须是专用网络的地址")
    ] = "127.0.0.1"
    gateway_address: Annotated[
        str,
        Setting("经网关的端设备所访问的地址，HOST:PORT；空表示 host 和 device_port"),
    ] = ""
    health_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)],
        Setting(
            "本机（127.0.0.1）查看运行状况的端口：/health，以及供 Prometheus 的 /metrics；\n"
            "0 表示不开放"
        ),
    ] = 0
    database: Annotated[
        str,
        Setting(
            "数据库地址，空表示平台目录下的 SQLite 文件 nenghao.db；\n"
            "例：postgresql+psycopg://user:password@host/nenghao"
        ),
    ] = ""
    url_style: Annotated[
        Literal["plain", "https"],
        Setting(
            "注册应答中接口地址的写法：plain 为标准示例的 IP:port/uploadEnergyData，\n"
            "https 为 https://IP:port/uploadEnergyData"
        ),
    ] = "plain"
    upload_window_start: Annotated[
        str, Setting("上报时间窗口的开始（HH:MM:SS）；按注册顺序从这里逐个下发上报时间点")
    ] = "01:00:00"
    upload_window_end: Annotated[
        str, Setting("上报时间窗口的结束（HH:MM:SS，不含）；用完后从窗口开始处重新下发")
    ] = "05:00:00"
    upload_step_seconds: Annotated[
        Annotated[int, Meta(ge=1, le=86400)], Setting("相邻两个上报时间点的间隔，秒")
    ] = 4
    statdate_tolerance: Annotated[
        Annotated[int, Meta(ge=0, le=86400)],
        Setting("日、月、年数据的 statDate 允许偏离周期起点的秒数，偏离者移到起点；0 表示不允许"),
    ] = 0
    strict: Annotated[
        tuple[AdviceKind, ...],
        Setting(
            "从“提示”升级为“拒绝”（E2002）的类别；默认全部只作提示，与数据一同保存。\n"
            f"可选：{_KINDS}"
        ),
    ] = ()
    record_limit: Annotated[Positive, Setting("一个批次最多的记录数")] = 200_000
    body_limit_mb: Annotated[Positive, Setting("一个请求体的上限，MB；超出者答 HTTP 413")] = 64
    body_budget_mb: Annotated[
        Positive,
        Setting(
            "同时在途的所有请求体（解压后）合计的上限，MB，由各工作进程均分；\n"
            "超出者等待，久候者答 E1001 稍后重试"
        ),
    ] = 256
    header_seconds: Annotated[Seconds, Setting("收齐请求头的时限，秒")] = 10.0
    body_seconds: Annotated[
        Seconds, Setting("收请求体的时限，秒；平均速率不低于 body_min_rate 者再得同样长的时间")
    ] = 60.0
    body_min_rate: Annotated[
        Positive, Setting("请求体的最低平均速率，字节/秒（1 Mbit/s 线路上传 16 MB 须能通过）")
    ] = 32_768
    handshake_seconds: Annotated[Seconds, Setting("TLS 握手的时限，秒")] = 10.0
    connections: Annotated[
        Positive, Setting("每个工作进程的每个端口同时打开的连接数上限；超出者立即关闭")
    ] = 2000
    connections_per_address: Annotated[
        Whole,
        Setting("其中同一地址（IPv6 为 /64 网段）的上限，0 表示不限；多家单位可能经同一网关上网"),
    ] = 256
    handshakes_per_minute: Annotated[
        Whole, Setting("每个工作进程每分钟为同一地址做的 TLS 握手数上限，0 表示不限")
    ] = 1200
    requests_per_minute: Annotated[
        Whole,
        Setting(
            "每个工作进程每分钟接受同一用能单位的请求数上限，0 表示不限；超出者答 E1001 稍后重试"
        ),
    ] = 1200
    items_per_unit: Annotated[
        Positive,
        Setting("一个用能单位最多的数据项编码数，配置过的（含退役的）和未配置而上传过的都算"),
    ] = 20_000
    idle_seconds: Annotated[Seconds, Setting("空闲连接保持的时间，秒")] = 75.0
    workers: Annotated[
        Annotated[int, Meta(ge=1, le=64)],
        Setting("工作进程数，共用各监听端口；一般不超过处理器核数"),
    ] = 1
    worker_threads: Annotated[
        Annotated[int, Meta(ge=1, le=64)], Setting("每个工作进程中同时处理请求的线程数")
    ] = 8
    heavy_threads: Annotated[
        Annotated[int, Meta(ge=1, le=64)],
        Setting("每个工作进程中另有几个线程处理大请求体（1 MB 以上）；处理时占用约其五倍的内存"),
    ] = 2
    waiting_requests: Annotated[
        Positive, Setting("每个工作进程中等待处理的请求数上限；超出者答 E1001 稍后重试")
    ] = 512
    download_page_size: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)], Setting("下载采集数据每页的记录数")
    ] = 20_000
    refused_keep_days: Annotated[Positive, Setting("被拒绝的批次保留的天数")] = 30
    refused_keep_mb: Annotated[Positive, Setting("每个用能单位被拒绝的批次合计保留的上限，MB")] = 64
    journal_keep_days: Annotated[
        Annotated[int, Meta(ge=0, le=36_500)],
        Setting(
            "上传日志中原文保留的天数，0 表示永久保留；到期的原文只由\n"
            "nenghao platform journal prune 清除（不会自动清除），回执和摘要始终保留"
        ),
    ] = 0
    lng_factor: Annotated[
        str, Setting("液化天然气折算为气体的系数，万立方米/吨；用于气体燃料指标的原始量")
    ] = "0.138"
    output_value_code: Annotated[str, Setting("工业总产值（gyzcz，万元）取自的数据项编码")] = (
        OUTPUT_VALUE_CODE
    )
    electricity_equivalent: Annotated[
        tuple[str, ...],
        Setting(
            '按等价值计电力的年份和系数（吨标准煤/万千瓦时），例：["2026=2.85"]；未列的年份按当量值\n'
            "（1.229）。只用于能源消费总量中外购的电力，不用于综合能源消费量、产出和回收"
        ),
    ] = ()
    exchange_password_scheme: Annotated[
        Scheme,
        Setting(
            "新口令的保存方式：argon2id，或 pbkdf2-hmac-sm3（只许使用商用密码算法的场合）；\n"
            "已有的口令按保存时的方式校验"
        ),
    ] = ARGON2ID
    exchange_failure_limit: Annotated[
        Positive,
        Setting(
            "一个地址每分钟至多逐条记录多少次未证明密钥的失败调用；超出者不再记入审计，\n"
            "其明文请求不再校验口令"
        ),
    ] = 60
    allow_nonconforming_plain_exchange: Annotated[
        bool,
        Setting(
            "不符合标准 7.1：是否接受以 --plain 建立的账户按附录 C 原样发送的明文请求\n"
            "（仍在 TLS 之内）"
        ),
    ] = False
    login_failures: Annotated[
        Annotated[int, Meta(ge=1, le=100)], Setting("操作员登录失败多少次后锁定账户")
    ] = 5
    login_lock_minutes: Annotated[
        Annotated[int, Meta(ge=1, le=1440)],
        Setting("操作员账户因登录失败锁定的分钟数；这么久以前的失败不再计入"),
    ] = 15
    session_idle_minutes: Annotated[
        Annotated[int, Meta(ge=1, le=1440)], Setting("操作员多少分钟没有操作后会话结束")
    ] = 30
    session_hours: Annotated[
        Annotated[int, Meta(ge=1, le=168)], Setting("操作员的会话最长几小时，此后须重新登录")
    ] = 12
    login_totp: Annotated[
        bool,
        Setting(
            "企业用户以外的操作员是否必须有动态口令；false 只宜用于演示（已有动态口令的账户\n"
            "登录时仍须给出）"
        ),
    ] = True
    command_line_login: Annotated[
        bool,
        Setting(
            "平台的命令是否须先登录（nenghao platform user login），并按操作员的角色放行；\n"
            "谁能改动平台目录，谁就能关掉它：它留下是谁做的，不防这台机器的管理员"
        ),
    ] = False
    uplink_to: Annotated[
        str,
        Setting(
            "国家平台的地址 https://主机:端口，空表示不上送；由 nenghao platform uplink set\n"
            "设置，省级平台的证书在平台目录的 uplink 中"
        ),
    ] = ""
    uplink_window: Annotated[
        str, Setting("上送的时段：always 为随时，或每天的 HH:MM-HH:MM（可跨午夜）")
    ] = "always"
    uplink_connections: Annotated[
        Annotated[int, Meta(ge=1, le=32)], Setting("上送同时使用的连接数")
    ] = 4
    uplink_base_data: Annotated[
        Literal["automatic", "approve", "off"],
        Setting(
            "国家平台的基础数据有新版本时：automatic 为自动采用；approve 为等待\n"
            "nenghao platform uplink dictionary approve；off 为不校验"
        ),
    ] = "automatic"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Setting("日志级别（日志写到标准错误）")
    ] = "info"
    log_json: Annotated[bool, Setting("日志是否写成每行一个 JSON 对象")] = False

    def __post_init__(self) -> None:
        _ = self.gateway_reached_at
        if not _HOST.fullmatch(self.gateway_bind):
            raise ValueError(f"设置项 gateway_bind 应为 IP 地址，收到 {self.gateway_bind!r}")
        for key in ("host", "bind"):
            value = getattr(self, key)
            if not _HOST.fullmatch(value) and (key == "host" or value):
                raise ValueError(f"设置项 {key} 应为域名或 IP 地址，收到 {value!r}")
        if not _INTERFACE.fullmatch(self.bind_interface):
            raise ValueError(
                f"设置项 bind_interface 应为网卡名，如 wg0，收到 {self.bind_interface!r}"
            )
        _ = self.window
        if self.uplink_to and not _HTTPS.fullmatch(self.uplink_to):
            raise ValueError(
                f"设置项 uplink_to 应为 https://主机:端口 或空，收到 {self.uplink_to!r}"
            )
        _ = self.uplink_hours
        _decimal("lng_factor", self.lng_factor)
        code = self.output_value_code
        if not (data_code.is_form(code) and code.startswith(data_code.WHOLE_PLANT_PREFIX)):
            raise ValueError(
                f"设置项 output_value_code 应为全厂（{data_code.WHOLE_PLANT_PREFIX} 开头）的"
                f"数据项编码，收到 {code!r}"
            )
        _ = self.electricity_equivalents

    def __repr__(self) -> str:
        """As every Struct's, but of the database only its kind: its address may hold a password."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.database:
            shown["database"] = f"{self.database.partition(':')[0]}:***"
        return f"PlatformSettings({', '.join(f'{key}={value!r}' for key, value in shown.items())})"

    @property
    def window(self) -> UploadWindow:
        """The window in which upload times are handed out (上报时间窗口)."""
        return UploadWindow(
            _time("upload_window_start", self.upload_window_start),
            _time("upload_window_end", self.upload_window_end),
            self.upload_step_seconds,
        )

    @property
    def uplink_hours(self) -> Window:
        """When data go up to the national platform (上送时段)."""
        try:
            return Window.parse(self.uplink_window)
        except ValueError as error:
            raise ValueError(f"设置项 uplink_window {error}") from None

    @property
    def electricity_equivalents(self) -> dict[int, Decimal]:
        """The 等价 factors of electricity by year, 吨标准煤/万千瓦时."""
        factors: dict[int, Decimal] = {}
        for text in self.electricity_equivalent:
            year, _, factor = text.partition("=")
            if not re.fullmatch(r"20[0-9]{2}", year) or int(year) in factors:
                raise ValueError(
                    f"设置项 electricity_equivalent 应为互不重复的 年份=系数，收到 {text!r}"
                )
            factors[int(year)] = _decimal("electricity_equivalent", factor)
        return factors

    @property
    def gateway_reached_at(self) -> tuple[str, int]:
        """Host and port at which devices reach the gateway."""
        if not self.gateway_address:
            return self.host, self.device_port
        host, _, port = self.gateway_address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not (_HOST.fullmatch(host) and re.fullmatch(r"[0-9]{1,5}", port, re.ASCII)):
            raise ValueError(
                f"设置项 gateway_address 应为 HOST:PORT，收到 {self.gateway_address!r}"
            )
        return host, int(port)

    @property
    def listen_address(self) -> str:
        """The address that the listeners bind."""
        return self.bind or self.host


def _decimal(key: str, text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,10})?", text) or not Decimal(text):
        raise ValueError(f"设置项 {key} 应为正的十进制数，收到 {text!r}")
    return Decimal(text)


def _time(key: str, text: str) -> time:
    if not re.fullmatch(r"[0-9]{2}:[0-9]{2}:[0-9]{2}", text):
        raise ValueError(f"设置项 {key} 应为 HH:MM:SS，收到 {text!r}")
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"设置项 {key} 应为 HH:MM:SS，收到 {text!r}") from None
