"""The plant over OPC UA: three variables a meter, written anew at every `refresh`.

Namespace `urn:nenghao:factory`, string node ids: `M01.Counter` (Double, in the display's unit),
`M01.Rate` (Double, units an hour) and `M01.Good` (Boolean) for meter 1 and so on. Source time
stamps are the meters' own clock. What a stuck or dead meter shows is UncertainLastUsableValue, a
silent one BadCommunicationError. asyncua is imported when a server is made.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Final

from nenghao.clock import CST
from nenghao.conformance.factory.clock import Now
from nenghao.conformance.factory.plant import Meter, Plant, Shown

NAMESPACE: Final = "urn:nenghao:factory"
PATH: Final = "/nenghao/factory"
REFRESH_SECONDS: Final = 1.0
"""Wall seconds between two refreshes of a server that serves by itself."""


def node_id(meter: Meter, variable: str) -> str:
    """The node id of a meter's `Counter`, `Rate` or `Good`, in the server's only own namespace."""
    return f"ns=2;s=M{meter.number:02d}.{variable}"


class FactoryOpcua:
    """The plant as an OPC UA server on one port, without security (SecurityPolicy None).

    `refresh_seconds` None: variables change only when `refresh` is called, for tests whose clock
    is set by hand.
    """

    def __init__(
        self,
        plant: Plant,
        now: Now,
        host: str = "127.0.0.1",
        port: int = 4840,
        refresh_seconds: float | None = REFRESH_SECONDS,
    ) -> None:
        self._plant = plant
        self._now = now
        self._host, self._port = host, port
        self._pause = refresh_seconds
        self._nodes: dict[tuple[int, str], Any] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Listen within the block; the endpoint's URL. OSError when it cannot be bound."""
        from asyncua import ua
        from asyncua.server.server import Server

        server: Any = Server()
        await server.init()
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_endpoint(f"opc.tcp://{self._host}:{self._port}{PATH}")
        server.set_server_name("nenghao 模拟工厂")
        await self._populate(server)
        await self.refresh()
        await server.start()
        keeping = None if self._pause is None else asyncio.create_task(self._keep(self._pause))
        try:
            port = server.bserver._server.sockets[0].getsockname()[1]
            yield f"opc.tcp://{self._host}:{port}{PATH}"
        finally:
            if keeping is not None:
                keeping.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await keeping
            await server.stop()

    async def refresh(self) -> None:
        """Write what every meter shows now."""
        now = self._now()
        for meter in self._plant.meters:
            shown = self._plant.shown(meter, now)
            counter = float(Decimal(shown.counter) * meter.step)
            values = {"Counter": counter, "Rate": shown.rate, "Good": shown.good}
            for name, value in values.items():
                await self._nodes[meter.number, name].write_value(_data_value(value, shown))

    async def _populate(self, server: Any) -> None:
        ua = _ua()
        index = await server.register_namespace(NAMESPACE)
        folder = await server.nodes.objects.add_object(index, "Factory")
        types = {"Counter": 0.0, "Rate": 0.0, "Good": True}
        for meter in self._plant.meters:
            label = f"M{meter.number:02d}"
            thing = await folder.add_object(
                ua.NodeId(label, index), ua.QualifiedName(f"{label} {meter.name}", index)
            )
            for name, value in types.items():
                self._nodes[meter.number, name] = await thing.add_variable(
                    ua.NodeId(f"{label}.{name}", index), ua.QualifiedName(name, index), value
                )

    async def _keep(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            await self.refresh()


def _data_value(value: float | bool, shown: Shown) -> Any:
    ua = _ua()
    status = ua.StatusCodes.Good
    if not shown.answers:
        status = ua.StatusCodes.BadCommunicationError
    elif not shown.good:
        status = ua.StatusCodes.UncertainLastUsableValue
    kind = ua.VariantType.Boolean if isinstance(value, bool) else ua.VariantType.Double
    return ua.DataValue(
        ua.Variant(value, kind),
        ua.StatusCode(status),
        SourceTimestamp=shown.time.replace(tzinfo=CST),
    )


def _ua() -> Any:
    """asyncua's types; what they are annotated with is not what they take."""
    from asyncua import ua

    return ua
