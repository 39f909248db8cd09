"""How bytes get to a device: TCP, TLS or a serial port, by pymodbus's clients."""

from __future__ import annotations

import asyncio
import socket
import ssl
import termios
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from pymodbus import FramerType
from pymodbus.client import (
    AsyncModbusSerialClient,
    AsyncModbusTcpClient,
    AsyncModbusTlsClient,
)

from appliance.domain.ports import SourceUnavailableError
from connectors.modbus.framing import (
    BUFFER_BYTES,
    AsciiFramer,
    NumberedFramer,
    RtuFramer,
    StrictFramer,
)
from connectors.modbus.wiring import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymodbus.client.base import ModbusBaseClient
    from pymodbus.pdu import ModbusPDU

    from connectors.modbus.config import ModbusSettings
    from connectors.modbus.wiring import SerialSettings

_PARITIES = {"even": "E", "odd": "O", "none": "N"}
_FRAMERS: dict[str, tuple[FramerType, type[StrictFramer]]] = {
    "tcp": (FramerType.SOCKET, NumberedFramer),
    "tls": (FramerType.TLS, NumberedFramer),
    "rtu": (FramerType.RTU, RtuFramer),
    "rtu-over-tcp": (FramerType.RTU, RtuFramer),
    "ascii": (FramerType.ASCII, AsciiFramer),
    "ascii-over-tcp": (FramerType.ASCII, AsciiFramer),
}


class Hooks(TypedDict):
    """What pymodbus calls: of each PDU before it is framed, and of loss."""

    trace_pdu: Callable[[bool, ModbusPDU], ModbusPDU]
    trace_connect: Callable[[bool], None]


class _Common(Hooks):
    timeout: float
    retries: int
    reconnect_delay: float


def client_of(
    settings: ModbusSettings, hooks: Hooks, framer: StrictFramer
) -> ModbusBaseClient:
    """Return a client that is not connected, with our framer.

    It neither retries nor reconnects by itself.

    Raises:
        SourceUnavailableError: A certificate cannot be loaded.
    """
    kind, _ = _FRAMERS[settings.transport]
    common: _Common = {
        **hooks,
        "timeout": settings.timeout_s,
        "retries": 0,
        "reconnect_delay": 0,
    }
    client: ModbusBaseClient
    if settings.serial is not None:
        client = _serial_client(settings.serial, kind, common)
    elif settings.transport == "tls":
        client = _tls_client(settings, common)
    else:
        client = AsyncModbusTcpClient(
            settings.host, port=settings.port, framer=kind, **common
        )
    client.ctx.framer = framer
    client.ctx.max_buffer_size = BUFFER_BYTES
    return client


async def connect(client: ModbusBaseClient, where: str) -> None:
    """Connect once. pymodbus's own `connect` keeps the reason of a failure to itself.

    Raises:
        SourceUnavailableError: Nobody answers in time, or the port cannot be opened.
    """
    context = client.ctx
    try:
        async with asyncio.timeout(context.comm_params.timeout_connect):
            context.transport, _ = await context.call_create()
    except (OSError, ValueError, termios.error) as error:
        why = str(error) or "no answer"
        raise SourceUnavailableError(f"no connection to {where}: {why}") from error


def notice_unacknowledged(client: ModbusBaseClient, *, after_s: float) -> None:
    """Let the system close a socket whose other side acknowledges nothing any more.

    A silent device behind a gateway and a dead network look the same to whoever waits
    for an answer; but a living gateway acknowledges what it is sent. (Linux only.)
    """
    sock = client.ctx.transport.get_extra_info("socket")
    if sock is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        after_ms = round(after_s * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, after_ms)


def framer_of(
    settings: ModbusSettings, on_wrong: Callable[[str], None]
) -> StrictFramer:
    """Return the framer of a transport."""
    _, kind = _FRAMERS[settings.transport]
    return kind(on_wrong)


def tls_context(tls: TlsSettings) -> ssl.SSLContext:
    """Return the context of a TLS client; it verifies unless told not to, in words.

    Raises:
        OSError: A file cannot be loaded.
    """
    context = ssl.create_default_context(cafile=tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.allow_unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context


def _serial_client(
    serial: SerialSettings, kind: FramerType, common: _Common
) -> ModbusBaseClient:
    return AsyncModbusSerialClient(
        serial.port,
        framer=kind,
        baudrate=serial.baudrate,
        bytesize=serial.data_bits,
        parity=_PARITIES[serial.parity],
        stopbits=serial.stop_bits,
        **common,
    )


def _tls_client(settings: ModbusSettings, common: _Common) -> ModbusBaseClient:
    tls = settings.tls or TlsSettings()
    try:
        context = tls_context(tls)
    except OSError as error:
        raise SourceUnavailableError(f"{settings.where}: TLS: {error}") from error
    client = AsyncModbusTlsClient(
        settings.host, port=settings.port, sslctx=context, **common
    )
    create: Any = client.ctx.call_create
    name = tls.server_name or settings.host
    client.ctx.call_create = partial(create, server_hostname=name)
    return client
