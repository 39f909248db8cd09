"""The Modbus rig on every other wire: RTU, ASCII, a serial port, TLS."""

from __future__ import annotations

import os
import shutil
import ssl
import tempfile
from abc import abstractmethod
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer

from appliance.runtime.plugins import load_connector
from tests.contract.certificates import self_signed
from tests.contract.network_rigs import ModbusRig, NetworkRig, listening, rig_device
from tests.contract.serial_line import SerialLine
from tests.contract.wires import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appliance.runtime.plugins import SourceSettings
    from tests.contract.wires import ServerLoop

CERTIFICATES = Path(tempfile.gettempdir(), f"wheeltapper-rig-{os.getpid()}")


class _VariantRig(ModbusRig):
    """Another wire to the same device. A bus is listened to for its time-out."""

    @abstractmethod
    def changed(self) -> dict[str, object]:
        """Keys of the settings that differ from those for TCP."""

    @property
    def settings(self) -> SourceSettings:
        keys = super().settings.model_dump(exclude_unset=True)
        return load_connector("modbus").settings.model_validate(
            keys | {"timeout_s": 0.25} | self.changed()
        )


class RtuOverTcpRig(_VariantRig):
    kind = "modbus-rtu-over-tcp"

    def changed(self) -> dict[str, object]:
        return {"transport": "rtu-over-tcp"}

    @staticmethod
    @asynccontextmanager
    async def serving() -> AsyncIterator[int]:
        server = ModbusTcpServer(
            rig_device(), framer=FramerType.RTU, address=(LOOPBACK, 0)
        )
        async with listening(server) as port:
            yield port


class AsciiOverTcpRig(_VariantRig):
    kind = "modbus-ascii-over-tcp"

    def changed(self) -> dict[str, object]:
        return {"transport": "ascii-over-tcp"}

    @staticmethod
    @asynccontextmanager
    async def serving() -> AsyncIterator[int]:
        server = ModbusTcpServer(
            rig_device(), framer=FramerType.ASCII, address=(LOOPBACK, 0)
        )
        async with listening(server) as port:
            yield port


class SerialRig(RtuOverTcpRig):
    """RTU on a serial port, which can be pulled out."""

    kind = "modbus-rtu-serial"

    def __init__(self, folder: Path, servers: ServerLoop) -> None:
        super().__init__(folder, servers)
        self._line: SerialLine | None = None

    def changed(self) -> dict[str, object]:
        port = {"port": str(self.folder / "tty"), "parity": "none"}
        return {"transport": "rtu", "host": "", "serial": port}

    async def start(self) -> None:
        await super().start()
        self._line = SerialLine(self.folder / "tty", self.gate.port)
        await self._line.plug_in()

    async def cut(self) -> None:
        assert self._line is not None
        self._line.unplug()
        await super().cut()

    async def mend(self) -> None:
        assert self._line is not None
        await super().mend()
        await self._line.plug_in()

    async def stop(self) -> None:
        assert self._line is not None
        self._line.unplug()
        await super().stop()


class TlsRig(_VariantRig):
    kind = "modbus-tls"

    def changed(self) -> dict[str, object]:
        tls = {
            "ca": str(CERTIFICATES / "device.pem"),
            "certificate": str(CERTIFICATES / "gateway.pem"),
            "key": str(CERTIFICATES / "gateway-key.pem"),
            "server_name": "device",
        }
        return {"transport": "tls", "tls": tls}

    @staticmethod
    @asynccontextmanager
    async def serving() -> AsyncIterator[int]:
        CERTIFICATES.mkdir()
        ours, key = self_signed(CERTIFICATES, "device")
        theirs, _ = self_signed(CERTIFICATES, "gateway")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=theirs)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(ours, key)
        server = ModbusTlsServer(rig_device(), address=(LOOPBACK, 0), sslctx=context)
        async with listening(server) as port:
            yield port
        shutil.rmtree(CERTIFICATES)


MODBUS_VARIANTS: dict[str, type[NetworkRig]] = {
    rig.kind: rig for rig in (RtuOverTcpRig, AsciiOverTcpRig, SerialRig, TlsRig)
}
