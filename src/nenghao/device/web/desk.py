"""All of the device that a page may touch (工作台): home, database, collector, agent.

Pages ask here and nowhere else, so that what they may do stands in one place.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from nenghao.device import batches, configuration, outbox, validity
from nenghao.device.agent import load_state
from nenghao.device.collection import plan
from nenghao.device.collection import settings as collection_settings
from nenghao.device.collection.health import ClockOffset, LiveValue, SourceHealth
from nenghao.device.collection.maker import ItemEvent
from nenghao.device.collection.plan import Plan
from nenghao.device.collection.settings import CollectionError
from nenghao.device.configuration import ConfiguredItem
from nenghao.device.home import DeviceHome, write_file
from nenghao.device.outbox import BatchState
from nenghao.device.settings import DeviceSettings
from nenghao.device.state import SessionState
from nenghao.device.store import DeviceStore
from nenghao.device.validity import Bounds
from nenghao.device.web import certificates, dictionary
from nenghao.device.web.dictionary import Dictionary
from nenghao.device.web.layout import Tone
from nenghao.device.web.log_tail import LogTail
from nenghao.device.web.mapping_file import MappingError
from nenghao.standard import data_code, replies
from nenghao.standard.messages.config_data import ConfigUpload

T = TypeVar("T")

LATE: Final = 2.5
"""After so many intervals without a new tick an item is late."""


class Collected(Protocol):
    """What a page asks of the collector; `nenghao.device.collection.collector.Collector`."""

    faults: tuple[str, ...]
    plan: Plan

    def health(self) -> list[SourceHealth]:
        """How every source stands."""

    def live(self) -> list[LiveValue]:
        """The latest values: items, then points."""

    def events(self) -> list[ItemEvent]:
        """What registers did besides counting, oldest first."""


class Running(Protocol):
    """The device at work; `nenghao.device.service.Service`."""

    home: DeviceHome
    store: DeviceStore
    settings: DeviceSettings
    settings_fault: str
    clock_offset: ClockOffset | None

    @property
    def collector(self) -> Collected:
        """Who reads the sources."""

    def is_paused(self) -> bool:
        """Whether uploads are held back."""

    def pause(self) -> None:
        """Hold uploads back until resumed, over restarts too."""

    def resume(self) -> None:
        """Let uploads go on."""

    def send_now(self) -> None:
        """An upload occasion as soon as possible."""


class Live(Struct, frozen=True):
    """The latest value of an item or of a point, and how far it can be believed."""

    value: LiveValue
    state: str
    tone: Tone


class Desk:
    """The running device, as pages see it. Belongs to the thread of its store."""

    MANUAL: Final = batches.MANUAL_ENTRY
    """inputType of what is filled in by hand."""

    def __init__(self, running: Running, now: Callable[[], datetime], tail: LogTail) -> None:
        self.running = running
        self.home = running.home
        self.store = running.store
        self.unit = running.home.unit()
        self.now = now
        self.tail = tail
        self._kept: dict[Path, tuple[object, Any]] = {}
        self._names: tuple[object, Dictionary] | None = None

    @property
    def settings(self) -> DeviceSettings:
        """device.toml as it is gone by now."""
        return self.running.settings

    # --- what is read -----------------------------------------------------------------------------

    def live(self) -> list[Live]:
        """The latest values, items first."""
        collector = self.running.collector
        ill = {one.name for one in collector.health() if one.state == "fault"}
        intervals = {item.code: item.interval / 1000 for item in collector.plan.items}
        return [_live(one, ill, intervals) for one in collector.live()]

    def sources(self) -> list[SourceHealth]:
        """How every source stands."""
        return self.running.collector.health()

    def events(self) -> list[ItemEvent]:
        """What registers did besides counting, newest first."""
        return self.running.collector.events()[::-1]

    def collection_faults(self) -> list[str]:
        """Why collection.toml as it is now is not what is read; empty when it is."""
        return list(self.running.collector.faults)

    # --- what is sent -----------------------------------------------------------------------------

    def upload_state(self) -> SessionState:
        """Where the session with the platform stands."""
        return load_state(self.store)

    def troubles(self, now: datetime) -> list[str]:
        """What somebody should look at now, in Chinese."""
        found = [f"collection.toml：{fault}" for fault in self.collection_faults()]
        if self.running.settings_fault:
            found.append(f"device.toml：{self.running.settings_fault}")
        if self.running.is_paused():
            found.append("上传已暂停")
        if (offset := self.running.clock_offset) is not None and offset.is_wrong:
            found.append(f"本机时钟{offset.text}，请校准")
        with self.store.read() as connection:
            refused = outbox.counts(connection)[BatchState.REFUSED]
        if refused:
            found.append(f"{refused} 个批次被拒收，见上传队列")
        found += self.upload_state().troubles
        chain = certificates.read(self.home.root / self.settings.certificate)
        if chain and chain[0].is_ending(now):
            found.append(f"证书将于 {chain[0].end:%Y-%m-%d} 失效，请更换")
        return found

    # --- files ------------------------------------------------------------------------------------

    def collection_text(self) -> str:
        """collection.toml as it is; empty where there is none."""
        try:
            return self.home.collection_file.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError:
            raise MappingError("collection.toml 不是 UTF-8 编码") from None

    def check_collection(self, text: str) -> list[str]:
        """Why the collector would not take a collection.toml; empty when it would."""
        try:
            settings = collection_settings.parse(text)
            base = self._cached(self.home.base_data_file, lambda content: content)
            plan.make(settings, plan.unit_finder(base), self.configured())
        except CollectionError as error:
            return list(error.lines)
        return []

    def write_collection(self, text: str) -> None:
        """Put a checked text in place; the running collector takes it up."""
        write_file(self.home.collection_file, text.encode())

    def points(self) -> dict[str, str]:
        """The points of all sources, `source.point` → unit; empty while the file is wrong."""
        try:
            settings = collection_settings.parse(self.collection_text())
        except (CollectionError, MappingError):
            return {}
        return {
            f"{source.name}.{point.name}": str(point.unit)
            for source in settings.sources
            for point in getattr(source.settings, "points", ())
        }

    def configured(self) -> dict[str, ConfiguredItem]:
        """What the unit's configuration lists, by data code; empty while there is none."""
        upload = self._configuration()
        return {} if upload is None else configuration.items(upload)

    def limits(self) -> dict[tuple[str, int], Bounds]:
        """The limits of the unit's configuration."""
        upload = self._configuration()
        return {} if upload is None else validity.of_configuration(upload)

    def dictionary(self) -> Dictionary:
        """Names of codes, for this unit's industry."""
        upload = self._configuration()
        industry = upload.enterprise.industry_code if upload is not None else ""
        stamp = (_stamp(self.home.base_data_file), industry)
        if self._names is None or self._names[0] != stamp:
            self._names = (stamp, dictionary.read(self.home.base_data_file, industry))
        return self._names[1]

    def unit_of(self, code: str) -> str:
        """The unit of a data code's values, "" when unknown."""
        return self.dictionary().unit_of(data_code.parse(code)) if data_code.is_form(code) else ""

    def _configuration(self) -> ConfigUpload | None:
        return self._cached(self.home.config_file, self._read_configuration)

    def _read_configuration(self, content: bytes) -> ConfigUpload | None:
        try:
            return configuration.check(content, self.unit)
        except replies.RequestError:
            return None

    def _cached(self, path: Path, read: Callable[[bytes], T]) -> T | None:
        """What a file holds, read again only when it was changed."""
        stamp = _stamp(path)
        known = self._kept.get(path)
        if known is None or known[0] != stamp:
            value = read(path.read_bytes()) if stamp is not None else None
            self._kept[path] = known = (stamp, value)
        kept: T | None = known[1]
        return kept


def _live(one: LiveValue, ill: set[str], intervals: dict[str, float]) -> Live:
    state: str
    tone: Tone
    state, tone = "正常", "good"
    if one.kind == "point" and one.name.partition(".")[0] in ill:
        state, tone = "来源故障", "bad"
    elif one.value is None or one.age is None:
        state, tone = "尚无数据", "dull"
    elif not one.good:
        state, tone = "质量不良", "warn"
    elif one.kind == "item" and one.age > LATE * intervals.get(one.code, 900.0):
        state, tone = "滞后", "warn"
    return Live(one, state, tone)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
