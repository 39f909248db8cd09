from __future__ import annotations

import ssl
import termios
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.ports import SourceUnavailableError
from connectors.modbus.framing import AsciiFramer, NumberedFramer, RtuFramer
from connectors.modbus.line import Line
from connectors.modbus.transport import connect, framer_of, tls_context
from connectors.modbus.wiring import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.modbus.config import ModbusSettings
    from tests.unit.connectors.fakes import SetClock

    Build = Callable[..., ModbusSettings]

SERIAL: dict[str, Any] = {
    "host": "",
    "serial": {"port": "/dev/ttyS0", "parity": "odd", "stop_bits": 2, "data_bits": 7},
}


@pytest.mark.parametrize(
    ("transport", "framer", "numbered"),
    [
        ("tcp", NumberedFramer, True),
        ("tls", NumberedFramer, True),
        ("rtu", RtuFramer, False),
        ("rtu-over-tcp", RtuFramer, False),
        ("ascii", AsciiFramer, False),
        ("ascii-over-tcp", AsciiFramer, False),
    ],
)
async def test_every_transport_has_our_framer_and_no_retries_of_its_own(
    modbus: Build, clock: SetClock, transport: str, framer: type, *, numbered: bool
) -> None:
    keys = SERIAL if transport in ("rtu", "ascii") else {}
    settings = modbus(transport=transport, **keys)
    context = Line(settings, clock)._client.ctx
    assert type(context.framer) is framer
    assert framer_of(settings, print).numbered is numbered
    assert context.retries == 0
    assert context.comm_params.reconnect_delay == 0


async def test_a_serial_port_speaks_as_it_is_told(
    modbus: Build, clock: SetClock
) -> None:
    line = Line(modbus(transport="rtu", **SERIAL), clock)
    params = line._client.ctx.comm_params
    assert (params.host, params.parity, params.stopbits, params.bytesize) == (
        "/dev/ttyS0",
        "O",
        2,
        7,
    )


def test_tls_verifies_unless_it_is_told_not_to_in_words() -> None:
    strict = tls_context(TlsSettings())
    assert strict.verify_mode is ssl.CERT_REQUIRED
    assert strict.check_hostname
    assert strict.minimum_version >= ssl.TLSVersion.TLSv1_2
    lax = tls_context(TlsSettings(allow_unverified=True))
    assert lax.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    "error",
    [OSError("no route"), ValueError("baud rate"), termios.error(22, "parity")],
    ids=["network", "pyserial", "terminal"],
)
async def test_why_a_connection_failed_is_told(
    modbus: Build, clock: SetClock, error: Exception
) -> None:
    client = Line(modbus(), clock)._client

    async def fail() -> None:
        raise error

    client.ctx.call_create = fail
    with pytest.raises(SourceUnavailableError, match="no connection to the plc: "):
        await connect(client, "the plc")
