"""A platform with all its device listeners, and clients for each: for tests of SM2 and nginx."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import msgspec

from nenghao.clock import china_now
from nenghao.platform import certificates, sm2_home
from nenghao.platform.home import Home, init
from nenghao.platform.store.engine import Store
from nenghao.platform.web import device_api, gateway, sm_listener
from nenghao.platform.web.binding import Listener
from nenghao.platform.web.endpoint import Platform
from nenghao.platform.web.server import serving
from nenghao.security.contexts import client_context
from nenghao.security.credentials import write_credentials
from tests.platform.world import STEEL, sample

REGISTER = sample("register.request", enterpriseCode=STEEL)


@dataclass
class World:
    """A served platform."""

    home: Home
    store: Store
    running: dict[str, Listener]

    def credentials(
        self, folder: Path, *, code: str = STEEL, device: int = 1, sm2: bool = False
    ) -> Path:
        """Issue and register; the folder with the files."""
        now = china_now()
        authority = sm2_home.authority(self.home, now) if sm2 else self.home.authority()
        issued = authority.issue_device(code, "示例钢铁", "210102", device, now)
        with self.store.write() as conn:
            certificates.register(conn, issued, now)
        unit = {"code": code, "name": "示例钢铁", "region": "210102", "device": device}
        write_credentials(folder, issued, {**unit, "regionName": "和平区"})
        return folder

    def client(self, url: str, folder: Path | None) -> httpx.Client:
        """An ordinary device's client; without a folder it shows no certificate."""
        if folder is None:
            context = client_context_without(self.home)
        else:
            context = client_context(
                folder / "ca.pem", folder / "device.pem", folder / "device.key"
            )
        return httpx.Client(base_url=url, verify=context, timeout=20, trust_env=False)

    def port(self, name: str) -> int:
        return self.running[name].port


def client_context_without(home: Home) -> ssl.SSLContext:
    """A client that shows no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(home.authority().root_file))
    return context


@contextmanager
def world(folder: Path, *, sm: bool, behind: str = "") -> Iterator[World]:
    """Serve a platform with a gateway listener, and one of SM2 if asked; free ports."""
    now = china_now()
    home = init(folder / "home", {"gateway_address": behind}, now)
    # ports of nobody: the listeners of tests take free ones
    settings = msgspec.structs.replace(home.settings, sm_port=1 if sm else 0, gateway_port=1)
    home = replace(home, settings=settings)
    gateway.prepare(home)
    if sm:
        sm2_home.renew_server_certificate(home, now)
    with ExitStack() as stack:
        store = stack.enter_context(home.store())
        platform = Platform(store, settings, china_now, home.authority)
        listeners = [
            device_api.listener(home, platform),
            *sm_listener.listeners(home, platform),
            *gateway.listeners(home, platform),
        ]
        served = [replace(each, port=0) for each in listeners]
        yield World(home, store, stack.enter_context(serving(served)))
