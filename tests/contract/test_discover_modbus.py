"""Discovery of Modbus devices, real ones: devices, areas, limits, and who is none."""

from __future__ import annotations

import asyncio
import tomllib
from argparse import ArgumentParser
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from appliance.config.load import check_text
from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.clock import SystemClock
from appliance.runtime.listening import stop_listening
from connectors.modbus.explorer import ModbusExplorer
from tests.contract.network_rigs import listening
from tests.contract.serial_line import SerialLine
from tests.contract.wires import LOOPBACK, free_port, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appliance.domain.commissioning import Exploration

WRITES = {5, 6, 15, 16, 22, 23}


class Asked:
    """Which functions a device was asked for, and how many at once it bears."""

    def __init__(self, at_once: int = 125) -> None:
        self.functions: list[int] = []
        self.at_once = at_once

    async def access(
        self,
        function: int,
        _start: int,
        _address: int,
        count: int,
        _registers: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.functions.append(function)
        return ExcCodes.ILLEGAL_VALUE if count > self.at_once else None


def device(number: int, asked: Asked) -> SimDevice:
    """Holding 0-9 and 100-139, a float with its low word first at 100."""
    words = [0x0000, 0x42AA, *range(1000, 1038)]

    def registers(address: int, values: list[int]) -> SimData:
        return SimData(address, values=values, datatype=DataType.REGISTERS)

    return SimDevice(
        number,
        simdata=[registers(0, list(range(1, 11))), registers(100, words)],
        action=asked.access,
    )


@asynccontextmanager
async def serving(
    *devices: SimDevice, framer: FramerType = FramerType.SOCKET
) -> AsyncIterator[int]:
    server = ModbusTcpServer(list(devices), framer=framer, address=(LOOPBACK, 0))
    async with listening(server) as port:
        yield port


async def explored(*words: str) -> Exploration:
    explorer, parser = ModbusExplorer(SystemClock()), ArgumentParser()
    explorer.add_arguments(parser)
    fast = ("--interval", "0.01", "--timeout", "0.5")
    found = await explorer.explore(parser.parse_args([*fast, *words]))
    _, problems = check_text(found.toml)
    assert not problems, (problems, found.toml)
    return found


def at(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def source_of(found: Exploration) -> dict[str, Any]:
    (source,) = tomllib.loads(found.toml)["sources"]
    assert isinstance(source, dict)
    return source


def areas_of(found: Exploration) -> dict[tuple[str, str], str]:
    return {
        (row["device"], row["table"]): row["addresses"]
        for row in found.rows
        if "addresses" in row
    }


async def test_areas_are_found_and_nothing_is_written() -> None:
    asked = Asked()
    async with serving(device(1, asked)) as port:
        found = await explored(at(port), "--units", "1", "--addresses", "0-199")
    assert areas_of(found)["1", "holding"] == "0-9, 100-139"
    assert not WRITES & set(asked.functions)
    assert any("requests were made" in note for note in found.notes)


async def test_what_a_device_gives_at_once_is_learnt_and_written_down() -> None:
    async with serving(device(1, Asked(at_once=16))) as port:
        found = await explored(at(port), "--units", "1", "--addresses", "0-199")
    assert areas_of(found)["1", "holding"] == "0-9, 100-139"
    assert 4 <= source_of(found)["max_registers"] <= 16


async def test_an_expected_value_names_its_register_and_its_order() -> None:
    async with serving(device(1, Asked())) as port:
        found = await explored(
            at(port), "--units", "1", "--addresses", "0-199", "--source", "skid",
            "--expect", "P-101/flow@40101=80..90 m3/h",
        )  # fmt: skip
    flow = next(t for t in source_of(found)["tags"] if t["id"] == "P-101/flow")
    assert flow["type"] == "float32"
    assert flow["order"] == "CDAB"
    assert flow["engineering_units"] == "m3/h"
    row = next(r for r in found.rows if r.get("tag") == "P-101/flow")
    assert row["value"] == "85 85 85"


async def test_several_devices_become_devices_and_silent_ones_do_not() -> None:
    devices = [device(2, Asked()), device(7, Asked())]
    async with serving(*devices) as port:
        found = await explored(at(port), "--units", "1-8", "--addresses", "0-19")
    assert {each["device_id"] for each in source_of(found)["devices"]} == {2, 7}
    assert "plant/device_7/holding_0" not in found.toml
    assert 'id = "device_7/holding_0"' in found.toml


async def test_what_is_allowed_to_be_asked_bounds_everything() -> None:
    async with serving(device(1, Asked())) as port:
        found = await explored(at(port), "--units", "1", "--max-requests", "30")
    assert any("stopped after 30 requests" in note for note in found.notes)


async def test_rtu_over_tcp_and_a_serial_port_are_scanned(tmp_path: Path) -> None:
    async with serving(device(3, Asked()), framer=FramerType.RTU) as port:
        within = ("--units", "3", "--addresses", "0-19")
        found = await explored(at(port), "--rtu-over-tcp", *within)
        assert source_of(found)["transport"] == "rtu-over-tcp"
        assert areas_of(found)["3", "holding"] == "0-9"
        line = SerialLine(tmp_path / "tty", port)
        await line.plug_in()
        try:
            serial = ("--serial", str(tmp_path / "tty"), "--parity", "none")
            found = await explored(*serial, *within, "--baudrate", "115200")
        finally:
            line.unplug()
    assert source_of(found)["serial"]["baudrate"] == 115_200
    assert areas_of(found)["3", "holding"] == "0-9"


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP server answers there, not Modbus"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "it speaks TLS; try --tls"),
        (b"", "hangs up at once"),
        (None, "says nothing"),
    ],
)
async def test_others_than_modbus_are_told_apart(
    greeting: bytes | None, words: str
) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        if greeting is None:
            await over.wait()
        else:
            writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(SourceUnavailableError, match=words) as raised:
            await explored(at(port), "--units", "1-2", "--timeout", "0.2")
        assert "\n" not in str(raised.value)
    finally:
        over.set()
        await stop_listening(server)
        await settle()


async def test_nobody_there_is_one_clear_error() -> None:
    with pytest.raises(SourceUnavailableError, match="nothing listens on port"):
        await explored(at(free_port()))
    with pytest.raises(SourceUnavailableError, match="is it that port"):
        await explored("--serial", "/dev/no-such-port", "--units", "1")


async def test_tls_on_a_plain_port_is_told_to_leave_it_out() -> None:
    async with serving(device(1, Asked())) as port:
        words = (at(port), "--tls", "--allow-unverified", "--timeout", "0.5")
        with pytest.raises(SourceUnavailableError, match="leave out --tls"):
            await explored(*words)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("plc", "--serial", "/dev/ttyS0"),
        ("plc", "--tls", "--rtu-over-tcp"),
        ("plc", "--units", "0-999"),
        ("plc", "--addresses", "9-1"),
        ("plc", "--expect", "flow"),
        ("plc", "--expect", "flow=9..1"),
        ("plc", "--expect", "flow@9x=1..9"),
        ("plc", "--near", "x"),
        ("a:b:c",),
    ],
)
async def test_words_that_make_no_sense_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"write|give|choose|within|first|reference"):
        await explored(*words)
