"""The Modbus connector on servers that others wrote.

They are not installed with the product. Name a folder outside this checkout in
WHEELTAPPER_MODBUS_SERVERS, or let it be `~/.cache/wheeltapper/modbus-servers`, with any
of these in it; what is missing is skipped:

    python3 -m venv . && bin/pip install pyModbusTCP modbus-tk uModbus
    npm install modbus-serial
    apt-get download libmodbus5 && dpkg -x libmodbus5_*.deb .
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance.domain.ports import OutputFailedError
from appliance.domain.sample import Quality
from appliance.runtime.clock import SystemClock
from connectors.modbus.config import ModbusSettings
from connectors.modbus.output import ModbusOutput
from connectors.modbus.reader import ModbusReader
from connectors.modbus.source import ModbusSource
from tests.contract.wires import LOOPBACK, free_port
from tests.system.cable import Cable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from appliance.domain.tag import TagId

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

VARIABLE = "WHEELTAPPER_MODBUS_SERVERS"
HOME = Path(
    os.environ.get(VARIABLE, Path.home() / ".cache" / "wheeltapper" / "modbus-servers")
)
READY_WITHIN_S = 60.0

# What every server holds: holding n is 3 n, but 21.5 at 100 (ABCD) and 110 (CDAB);
# input n is 1000 + n; coils are 1 where n is a multiple of 3; discrete inputs where n
# is odd. There are 200 of each.
_MAP = """
import sys
where = sys.argv[1]
holding = [3 * n for n in range(200)]
holding[100:102] = [0x41AC, 0]
holding[110:112] = [0, 0x41AC]
inputs = [1000 + n for n in range(200)]
coils = [n % 3 == 0 for n in range(200)]
discretes = [n % 2 == 1 for n in range(200)]
"""

_PYMODBUSTCP = """
from pyModbusTCP.server import DataBank, ModbusServer
bank = DataBank(
    coils_size=200, d_inputs_size=200, h_regs_size=200, i_regs_size=200
)
bank.set_coils(0, coils)
bank.set_discrete_inputs(0, discretes)
bank.set_holding_registers(0, holding)
bank.set_input_registers(0, inputs)
server = ModbusServer("127.0.0.1", int(where), no_block=True, data_bank=bank)
server.start()
"""

_MODBUS_TK = """
import modbus_tk.defines as kind
from modbus_tk import modbus_rtu, modbus_tcp
if where.isdigit():
    server = modbus_tcp.TcpServer(port=int(where), address="127.0.0.1")
else:
    import serial
    server = modbus_rtu.RtuServer(serial.Serial(where, 115200))
server.start()
slave = server.add_slave(1)
for name, table, values in (
    ("h", kind.HOLDING_REGISTERS, holding), ("i", kind.ANALOG_INPUTS, inputs),
    ("c", kind.COILS, [int(bit) for bit in coils]),
    ("d", kind.DISCRETE_INPUTS, [int(bit) for bit in discretes]),
):
    slave.add_block(name, table, 0, 200)
    slave.set_values(name, 0, values)
"""

_UMODBUS = """
import threading
from socketserver import TCPServer
from umodbus import conf
from umodbus.server.tcp import RequestHandler, get_server
TCPServer.allow_reuse_address = True
app = get_server(TCPServer, ("127.0.0.1", int(where)), RequestHandler)
here = list(range(200))
coils, discretes = list(map(int, coils)), list(map(int, discretes))
for table, read, write in (
    (coils, 1, [5, 15]), (discretes, 2, []), (holding, 3, [6, 16]), (inputs, 4, [])
):
    def give(slave_id, function_code, address, table=table):
        return table[address]
    def take(slave_id, function_code, address, value, table=table):
        table[address] = value
    app.route(slave_ids=[1], function_codes=[read], addresses=here)(give)
    if write:
        app.route(slave_ids=[1], function_codes=write, addresses=here)(take)
threading.Thread(target=app.serve_forever, daemon=True).start()
"""

_LIBMODBUS = """
import ctypes, pathlib, threading
library = next(pathlib.Path(sys.argv[2]).rglob("libmodbus.so.5*"))
modbus = ctypes.CDLL(str(library))
class Mapping(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in (
        "nb_bits", "start_bits", "nb_input_bits", "start_input_bits",
        "nb_input_registers", "start_input_registers", "nb_registers",
        "start_registers",
    )] + [(name, ctypes.POINTER(ctypes.c_uint8)) for name in (
        "tab_bits", "tab_input_bits",
    )] + [(name, ctypes.POINTER(ctypes.c_uint16)) for name in (
        "tab_input_registers", "tab_registers",
    )]
modbus.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
modbus.modbus_new_tcp.restype = modbus.modbus_new_rtu.restype = ctypes.c_void_p
table = modbus.modbus_mapping_new(200, 200, 200, 200)
for n in range(200):
    table.contents.tab_bits[n] = coils[n]
    table.contents.tab_input_bits[n] = discretes[n]
    table.contents.tab_registers[n] = holding[n]
    table.contents.tab_input_registers[n] = inputs[n]
if where.isdigit():
    context = ctypes.c_void_p(modbus.modbus_new_tcp(b"127.0.0.1", int(where)))
    listening = ctypes.c_int(modbus.modbus_tcp_listen(context, 4))
else:
    context = ctypes.c_void_p(
        modbus.modbus_new_rtu(where.encode(), 115200, ctypes.c_char(b"N"), 8, 1)
    )
    modbus.modbus_set_slave(context, 1)
def serve():
    query = (ctypes.c_uint8 * 260)()
    while True:
        if where.isdigit():
            modbus.modbus_tcp_accept(context, ctypes.byref(listening))
        else:
            modbus.modbus_connect(context)
        while (size := modbus.modbus_receive(context, query)) >= 0:
            if size:
                modbus.modbus_reply(context, query, size, table)
        modbus.modbus_close(context)
threading.Thread(target=serve, daemon=True).start()
"""

_WAIT = """
print("ready", flush=True)
sys.stdin.read()
"""

_MODBUS_SERIAL = """
const { ServerTCP } = require("modbus-serial");
const holding = Array.from({ length: 200 }, (_, n) => 3 * n);
[holding[100], holding[101], holding[110], holding[111]] = [0x41ac, 0, 0, 0x41ac];
const coils = Array.from({ length: 200 }, (_, n) => n % 3 === 0);
const within = (n) => { if (n >= 200) throw { modbusErrorCode: 2 }; return n; };
const unit = {
  getHoldingRegister: (n) => holding[within(n)],
  getInputRegister: (n) => 1000 + within(n),
  getCoil: (n) => coils[within(n)],
  getDiscreteInput: (n) => within(n) % 2 === 1,
  setRegister: (n, value) => { holding[within(n)] = value; },
  setCoil: (n, value) => { coils[within(n)] = value; },
};
const server = new ServerTCP(
  unit, { host: "127.0.0.1", port: Number(process.argv[1]), unitID: 1 }
);
server.on("initialized", () => console.log("ready"));
"""

PROGRAMS = {
    "pyModbusTCP": _PYMODBUSTCP,
    "modbus_tk": _MODBUS_TK,
    "umodbus": _UMODBUS,
    "libmodbus": _LIBMODBUS,
}
SERVERS = (*PROGRAMS, "modbus-serial")
SERIAL_SERVERS = ("modbus_tk", "libmodbus")

TAGS: dict[str, tuple[dict[str, object], float]] = {
    "t/first": ({"table": "holding", "address": 0}, 0.0),
    "t/last": ({"table": "holding", "address": 199}, 597.0),
    "t/float": ({"table": "holding", "address": 100, "type": "float32"}, 21.5),
    "t/swapped": (
        {"table": "holding", "address": 110, "type": "float32", "order": "CDAB"},
        21.5,
    ),
    "t/input": ({"table": "input", "address": 7, "factor": 0.1}, 100.7),
    "t/long": ({"table": "input", "address": 131}, 1131.0),
    "t/coil": ({"table": "coil", "address": 9}, 1.0),
    "t/no_coil": ({"table": "coil", "address": 10}, 0.0),
    "t/discrete": ({"table": "discrete", "address": 13}, 1.0),
}
ABSENT = {"id": "t/absent", "table": "holding", "address": 205}
POINTS = [
    {"name": "setpoint", "table": "holding", "address": 50, "range": [0, 65535]},
    {
        "name": "speed",
        "table": "holding",
        "address": 60,
        "type": "float32",
        "range": [0, 100],
    },
    {"name": "run", "table": "coil", "address": 20},
    {"name": "nowhere", "table": "holding", "address": 205, "range": [0, 9]},
]


def command_of(server: str, where: str) -> list[str]:
    """Return the command that runs a server, or skip where it is not installed."""
    if server == "modbus-serial":
        if not (HOME / "node_modules" / server).is_dir() or not shutil.which("node"):
            pytest.skip(f"no npm package {server} in {HOME}; see {VARIABLE}")
        return ["node", "-e", _MODBUS_SERIAL, where]
    program = _MAP + PROGRAMS[server] + _WAIT
    if server == "libmodbus":
        if not any(HOME.rglob("libmodbus.so.5*")):
            pytest.skip(f"no libmodbus.so.5 below {HOME}; see {VARIABLE}")
        return [sys.executable, "-c", program, where, str(HOME)]
    python = HOME / "bin" / "python"
    if not python.exists() or subprocess.call([python, "-c", f"import {server}"]):
        pytest.skip(f"no {server} for {python}; see {VARIABLE}")
    return [str(python), "-c", program, where]


@asynccontextmanager
async def running(server: str, where: str) -> AsyncIterator[None]:
    """Run a server until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *command_of(server, where),
        env=os.environ | {"NODE_PATH": str(HOME / "node_modules")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while line := await process.stdout.readline():
                if line.strip() == b"ready":
                    break
        yield
    finally:
        process.kill()
        await process.communicate()


def settings_of(more: Mapping[str, object]) -> ModbusSettings:
    tags = [{"id": name} | place for name, (place, _) in TAGS.items()]
    common: dict[str, object] = {
        "name": "plc",
        "connector": "modbus",
        "period_s": 0.05,
        "max_gap": 20,
        "tags": [*tags, ABSENT],
        "points": POINTS,
    }
    return ModbusSettings.model_validate(common | dict(more))


@asynccontextmanager
async def tcp_server(server: str) -> AsyncIterator[ModbusSettings]:
    port = free_port()
    async with running(server, str(port)):
        yield settings_of({"host": LOOPBACK, "port": port})


@asynccontextmanager
async def serial_server(server: str) -> AsyncIterator[ModbusSettings]:
    with Cable() as cable:
        serial = {"port": cable.master, "baudrate": 115_200, "parity": "none"}
        async with running(server, cable.stations):
            yield settings_of({"transport": "rtu", "serial": serial})


async def read(settings: ModbusSettings, polls: int) -> list[dict[TagId, float]]:
    """Return the good values of so many polls."""
    source = ModbusSource(settings, SystemClock())
    tags = [tag for group in source.groups.values() for tag in group]
    found: list[dict[TagId, float]] = []
    async with source.open({tag: row for row, tag in enumerate(tags)}) as batches:
        async for batch in batches:
            good = batch.quality == Quality.GOOD
            numbers, values = batch.tag[good].tolist(), batch.value[good].tolist()
            found.append(
                {
                    tags[number]: value
                    for number, value in zip(numbers, values, strict=True)
                }
            )
            if len(found) == polls:
                break
    return found


async def good_samples(reader: ModbusReader) -> int:
    return sum(each.quality == Quality.GOOD for each in await reader.read(2.0))


def assert_all_but_the_absent(found: Mapping[TagId, float]) -> None:
    assert set(found) == set(TAGS)
    for name, (_, value) in TAGS.items():
        assert found[next(tag for tag in found if tag == name)] == pytest.approx(value)


@pytest.mark.parametrize("server", SERVERS)
async def test_every_table_type_and_order_is_read_exactly(server: str) -> None:
    async with tcp_server(server) as settings:
        for found in await read(settings, 3):
            assert_all_but_the_absent(found)


@pytest.mark.parametrize("server", SERVERS)
async def test_what_is_written_is_read_back(server: str) -> None:
    async with tcp_server(server) as settings:
        output = ModbusOutput(settings, SystemClock())
        async with output.open():
            for point, value in (
                ("setpoint", 4711),
                ("setpoint", 0),
                ("speed", 49.5),
                ("run", 1),
                ("run", 0),
            ):
                await output.write(point, value, deadline_s=5.0)
            with pytest.raises(OutputFailedError, match="refused"):
                await output.write("nowhere", 1, deadline_s=5.0)


@pytest.mark.parametrize("server", SERVERS)
async def test_a_restarted_server_is_read_again(server: str) -> None:
    port = free_port()
    settings = settings_of({"host": LOOPBACK, "port": port})
    reader = ModbusReader(settings, SystemClock())
    async with reader.open():
        for _ in range(2):
            async with running(server, str(port)), asyncio.timeout(60):
                while sum(
                    each.quality == Quality.GOOD for each in await reader.read(2)
                ) < len(TAGS):
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize("server", SERIAL_SERVERS)
async def test_a_serial_server_is_read_and_written(server: str) -> None:
    async with serial_server(server) as settings:
        for found in await read(settings, 2):
            assert_all_but_the_absent(found)
        output = ModbusOutput(settings, SystemClock())
        async with output.open():
            await output.write("setpoint", 1234, deadline_s=5.0)
            await output.write("run", 0, deadline_s=5.0)
