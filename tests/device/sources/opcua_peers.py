"""An OPC UA server for tests, asyncua's own, and a proxy in front of it that can be cut.

The server takes seconds to start, so one serves a whole module from a thread; what dies and comes
back is the proxy.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncua
from asyncua.common.utils import ServiceError
from asyncua.crypto import cert_gen
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.device.sources.broken_peers import free_port

T = TypeVar("T")

ua: Any = asyncua.ua

NAMESPACE = "urn:nenghao:tests"
USER, PASSWORD = "reader", "s3cret-示例"


def write_pair(folder: Path, name: str, uri: str) -> bytes:
    """A self-signed application certificate `name`.der and its key `name`.pem; gives the DER."""
    key = cert_gen.generate_private_key()
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(uri),
        x509.DNSName("127.0.0.1"),
    ]
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    made = cert_gen.generate_self_signed_app_certificate(key, name, {}, names, extended=both)
    der = made.public_bytes(Encoding.DER)
    (folder / f"{name}.der").write_bytes(der)
    (folder / f"{name}.pem").write_bytes(cert_gen.dump_private_key_as_pem(key))
    return der


class _Users(UserManager):
    """Anonymous users, one with a password, and all certificates but one."""

    def __init__(self, refused: bytes) -> None:
        self._refused = refused

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        wrong = username is not None and (username, password) != (USER, PASSWORD)
        return None if wrong or certificate == self._refused else User(role=UserRole.User)


class UaServer:
    """A running server with variables that tests write; all calls come from other threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.certificate = write_pair(folder, "server", "urn:freeopcua:python:server")
        self.user = write_pair(folder, "user", "urn:nenghao:user")
        self.refused = write_pair(folder, "refused", "urn:nenghao:refused")
        self.stranger = write_pair(folder, "stranger", "urn:nenghao:stranger")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._nodes: dict[str, Any] = {}
        self.index = 0

    def start(self) -> None:
        self._thread.start()
        self.call(self._start())

    def stop(self) -> None:
        self.call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def write(
        self,
        name: str,
        value: Any,
        kind: ua.VariantType = ua.VariantType.Double,
        *,
        at: datetime | None = None,
        status: int = ua.StatusCodes.Good,
    ) -> None:
        """A value with a source time (China Standard Time, naive) and a status."""
        stamp = datetime.now(UTC) if at is None else (at - timedelta(hours=8)).replace(tzinfo=UTC)
        data = ua.DataValue(
            ua.Variant(value, kind), ua.StatusCode(ua.UInt32(status)), stamp, datetime.now(UTC)
        )
        self.call(self._write(name, data))

    def node(self, name: str) -> str:
        return f"ns={self.index};s={name}"

    async def _start(self) -> None:
        server = self._server = Server(user_manager=_Users(self.refused))
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/")
        policies = ua.SecurityPolicyType
        server.set_security_policy(
            [
                policies.NoSecurity,
                policies.Basic256Sha256_Sign,
                policies.Basic256Sha256_SignAndEncrypt,
                policies.Aes128Sha256RsaOaep_SignAndEncrypt,
                policies.Aes256Sha256RsaPss_SignAndEncrypt,
            ]
        )
        await server.load_certificate(self.folder / "server.der")
        await server.load_private_key(self.folder / "server.pem")
        server.set_certificate_validator(self._validate)
        self.index = await server.register_namespace(NAMESPACE)
        await server.start()

    async def _stop(self) -> None:
        await self._server.stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _validate(self, certificate: x509.Certificate, application: Any) -> None:
        if certificate.public_bytes(Encoding.DER) == self.stranger:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)

    async def _write(self, name: str, data: ua.DataValue) -> None:
        if name not in self._nodes:
            self._nodes[name] = await self._server.nodes.objects.add_variable(
                ua.NodeId(name, self.index), name, data.Value
            )
        await self._server.write_attribute_value(self._nodes[name].nodeid, data)


@contextmanager
def ua_server(folder: Path) -> Iterator[UaServer]:
    server = UaServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Proxy:
    """Passes bytes to and fro between its port and the server's, as long as it is let."""

    def __init__(self, server: UaServer) -> None:
        self._server = server
        self.port = free_port()
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._holds = False
        self._spoils: Callable[[bytes], bytes] = bytes

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/"

    async def __aenter__(self) -> Proxy:
        self._listener = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def cut(self) -> None:
        """As if the server had died."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def hold(self) -> None:
        """From now on nothing comes back from the server."""
        self._holds = True

    def spoil(self) -> None:
        """From now on what comes back from the server is nonsense."""
        self._spoils = lambda content: b"\0" * len(content)

    def mend(self) -> None:
        self._holds = False
        self._spoils = bytes

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._server.port)
        asks = asyncio.create_task(self._carry(reader, back, answers=False))
        told = asyncio.create_task(self._carry(there, writer, answers=True))
        self._tasks |= {asks, told}

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        try:
            while content := await reader.read(65_536):
                if answers and self._holds:
                    continue
                writer.write(self._spoils(content) if answers else content)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            with suppress(RuntimeError):
                writer.close()
