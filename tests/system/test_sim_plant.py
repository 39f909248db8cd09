"""The plant as others meet it: a process, two servers, a truth log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import Client, ua
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from appliance.runtime.listening import stop_listening
from sim_plant.network import LinkMode, Relay
from tests.support.plant import running_plant
from tests.support.ports import free_port, refusing_port

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from asyncua.common.node import Node

pytestmark = pytest.mark.system

BOUND_S = 60.0
RUN_PERMIT, START, STOP, KEY = 0, 1, 2, 3
WATCHDOG_MS_REGISTER = 1
RUNNING, PERMIT, TRIPPED, DISARMED = 0, 1, 2, 3


class Started:
    """A plant process and what its ready line said."""

    def __init__(self, process: Process, ready: dict[str, Any], truth: Path) -> None:
        self.process = process
        self.ready = ready
        self._truth = truth

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Lines of one kind in the truth log so far."""
        entries = (json.loads(line) for line in self._truth.read_text().splitlines())
        return [entry for entry in entries if entry["kind"] == kind]

    async def told(self, kind: str) -> dict[str, Any]:
        """The first line of a kind, as soon as there is one."""
        await until(lambda: _now(bool(self.lines(kind))))
        return self.lines(kind)[0]


async def _now(fact: bool) -> bool:
    return fact


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask until a condition holds; fail when it does not within the bound."""
    async with asyncio.timeout(BOUND_S):
        while not await condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def plant(folder: Path, *arguments: str) -> AsyncIterator[Started]:
    """Start `python -m sim_plant`, wait for its ready line, stop it by SIGTERM."""
    truth = folder / "truth.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sim_plant", *arguments, "--truth", str(truth)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(BOUND_S):
            ready = json.loads(await process.stdout.readline())
        yield Started(process, ready, truth)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(BOUND_S):
            await process.wait()


@asynccontextmanager
async def modbus(started: Started) -> AsyncIterator[AsyncModbusTcpClient]:
    client = AsyncModbusTcpClient(
        "127.0.0.1",
        port=started.ready["modbus_port"],
        timeout=0.5,
        retries=0,
        reconnect_delay=0,
    )
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


async def _inputs(client: AsyncModbusTcpClient) -> list[bool]:
    answer = await client.read_discrete_inputs(0, count=4, device_id=1)
    assert not answer.isError()
    return list(answer.bits[:4])


@asynccontextmanager
async def heartbeat(client: AsyncModbusTcpClient) -> AsyncIterator[None]:
    """Beat while entered; only its end is late for the watchdog."""

    async def beat() -> None:
        count = 0
        while True:
            count = (count + 1) % 65_536
            await client.write_register(0, count, device_id=1)
            await asyncio.sleep(0.2)

    await client.write_register(WATCHDOG_MS_REGISTER, 60_000, device_id=1)
    async with asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat(), name="test.heartbeat")
        yield
        await client.write_register(WATCHDOG_MS_REGISTER, 300, device_id=1)
        beating.cancel()


async def _arm_and_start(client: AsyncModbusTcpClient) -> None:
    async def permitted() -> bool:
        await client.write_coil(RUN_PERMIT, False, device_id=1)
        await asyncio.sleep(0.05)
        await client.write_coil(RUN_PERMIT, True, device_id=1)
        await asyncio.sleep(0.05)
        return (await _inputs(client))[PERMIT]

    await until(permitted)
    await client.write_coil(START, True, device_id=1)
    await until(lambda: _is_running(client))


async def _is_running(client: AsyncModbusTcpClient) -> bool:
    return (await _inputs(client))[RUNNING]


async def _stands(client: AsyncModbusTcpClient) -> bool:
    return not await _is_running(client)


async def test_permit_heartbeat_and_start_run_it_and_each_loss_stops_it(
    tmp_path: Path,
) -> None:
    async with plant(tmp_path, "healthy") as started, modbus(started) as client:
        assert await _inputs(client) == [False, False, True, False]
        async with heartbeat(client):
            await _arm_and_start(client)
            await client.write_coil(RUN_PERMIT, False, device_id=1)
            await until(lambda: _stands(client))
            await client.write_coil(RUN_PERMIT, True, device_id=1)
            await until(lambda: _holds_permit(client))
            assert not await _is_running(client)
            await client.write_coil(START, True, device_id=1)
            await until(lambda: _is_running(client))
        await until(lambda: _stands(client))
        tripped = await started.told("watchdog_tripped")
        causes = [line["cause"] for line in started.lines("stopped")]
        assert causes == ["run_permit", "watchdog"]
        assert tripped["t_s"] == started.lines("stopped")[1]["t_s"]
        seen, stopped = started.lines("stop_seen")[0], started.lines("stopped")[0]
        assert seen["t_s"] == stopped["t_s"]
        assert stopped["utc_ns"] == pytest.approx(
            started.ready["start_utc_ns"] + stopped["t_s"] * 1e9, abs=2e3
        )
    assert started.process.returncode == 0


async def _holds_permit(client: AsyncModbusTcpClient) -> bool:
    return (await _inputs(client))[PERMIT]


async def test_both_servers_show_the_same_machine(tmp_path: Path) -> None:
    async with (
        plant(tmp_path, "healthy", "--disarmed") as started,
        modbus(started) as client,
        Client(started.ready["opcua_url"]) as opcua,
    ):
        space = await opcua.get_namespace_index("urn:wheeltapper:sim-plant")

        def node(tag: str) -> Node:
            return opcua.get_node(ua.NodeId(ua.String(tag), ua.Int16(space)))

        pressure = node("P-101/discharge_pressure")
        words = await client.read_input_registers(0, count=15, device_id=1)
        read = await pressure.read_data_value()
        assert read.Value is not None
        assert read.Value.VariantType is ua.VariantType.Float
        assert read.Value.Value == pytest.approx(words.registers[6] * 0.001, abs=0.3)
        assert read.SourceTimestamp is not None
        assert await node("P-101/running").read_value() is True
        await node("PLC-1/stop").write_value(True)
        await until(lambda: _stands(client))
        await until(lambda: _reads(node("P-101/running"), False))
        await until(lambda: _reads(node("PLC-1/stop"), False))
        assert (await started.told("stopped"))["cause"] == "panel"


async def _reads(node: Node, value: object) -> bool:
    return bool(await node.read_value() == value)


@pytest.fixture(scope="module")
def at_work() -> Iterator[dict[str, Any]]:
    """What a plant says that runs, and that nobody may touch."""
    with running_plant("healthy", "--disarmed") as ready:
        yield ready


@pytest.mark.alone
async def test_bursts_arrive_each_second_stamped_with_their_start(
    at_work: dict[str, Any],
) -> None:
    bursts: asyncio.Queue[ua.DataValue] = asyncio.Queue()

    class Subscriber:
        def datachange_notification(self, _node: Node, _value: Any, data: Any) -> None:  # noqa: ANN401 - the library's
            bursts.put_nowait(data.monitored_item.Value)

    async with Client(at_work["opcua_url"]) as opcua:
        space = await opcua.get_namespace_index("urn:wheeltapper:sim-plant")
        tag = ua.NodeId(ua.String("P-101/DE/acceleration"), ua.Int16(space))
        subscription = await opcua.create_subscription(50, Subscriber())
        await subscription.subscribe_data_change(opcua.get_node(tag), queuesize=10)
        async with asyncio.timeout(BOUND_S):
            await bursts.get()  # what was there when we came
            first, second = await bursts.get(), await bursts.get()
        assert first.Value is not None
        assert len(first.Value.Value) == 4_096
        assert first.SourceTimestamp is not None
        assert second.SourceTimestamp is not None
        apart = second.SourceTimestamp - first.SourceTimestamp
        assert apart.total_seconds() == pytest.approx(1.0, abs=0.1)


async def test_history_gives_back_what_was_shown(at_work: dict[str, Any]) -> None:
    async with Client(at_work["opcua_url"]) as opcua:
        space = await opcua.get_namespace_index("urn:wheeltapper:sim-plant")
        flow = opcua.get_node(ua.NodeId(ua.String("P-101/flow"), ua.Int16(space)))

        async def has_history() -> bool:
            return len(await flow.read_raw_history()) > 10

        await until(has_history)
        values = await flow.read_raw_history(numvalues=10)
        stamps = [value.SourceTimestamp for value in values]
        assert stamps == sorted(stamps, key=str, reverse=True)


async def test_a_broken_wire_is_bad_in_opcua_and_all_ones_in_modbus(
    tmp_path: Path,
) -> None:
    story = tmp_path / "wire-break.toml"
    story.write_text(
        'name = "wire-break"\ntitle = "t"\n[[faults]]\nkind = "transmitter"\n'
        'at_s = 0.2\ntag = "P-101/flow"\nwiring = "wire_break"\n'
    )
    async with (
        plant(tmp_path, str(story), "--disarmed") as started,
        modbus(started) as client,
        Client(started.ready["opcua_url"]) as opcua,
    ):
        await started.told("fault")
        words = await client.read_input_registers(7, count=1, device_id=1)
        assert words.registers == [0xFFFF]
        space = await opcua.get_namespace_index("urn:wheeltapper:sim-plant")
        flow = opcua.get_node(ua.NodeId(ua.String("P-101/flow"), ua.Int16(space)))

        async def is_bad() -> bool:
            read = await flow.read_data_value(raise_on_bad_status=False)
            status = read.StatusCode
            return (
                status is not None
                and status.value == ua.StatusCodes.BadSensorFailure
                and read.Value is not None
                and isinstance(read.Value.Value, float)
            )

        await until(is_bad)


async def test_a_mark_is_noted_when_a_client_would_read_it(tmp_path: Path) -> None:
    story = ("healthy", "--disarmed", "--mark", "P-101/DE/vibration_rms>0.5")
    async with plant(tmp_path, *story) as started, modbus(started) as client:
        mark = await started.told("mark")
        assert (mark["tag"], mark["limit"]) == ("P-101/DE/vibration_rms", 0.5)
        await client.write_coil(STOP, True, device_id=1)
        cleared = await started.told("mark_cleared")
        assert cleared["t_s"] > started.lines("stopped")[0]["t_s"]


async def test_a_link_fails_and_comes_back_as_the_scenario_says(
    tmp_path: Path,
) -> None:
    story = tmp_path / "cut.toml"
    story.write_text(
        'name = "cut"\ntitle = "t"\n[[faults]]\nkind = "link"\nserver = "modbus"\n'
        'mode = "refuse"\nat_s = 0.5\nfor_s = 3.0\n'
    )
    words = (str(story), "--disarmed", "--modbus-port", str(free_port()))
    async with plant(tmp_path, *words) as started:
        await started.told("link_down")
        client = AsyncModbusTcpClient(
            "127.0.0.1", port=started.ready["modbus_port"], timeout=0.5, retries=0
        )
        assert not await client.connect()
        up = await started.told("link_up")
        assert (up["what"], up["mode"]) == ("modbus", "refuse")
        async with modbus(started) as again:
            assert await _is_running(again)


async def test_a_taken_port_is_exit_69(tmp_path: Path) -> None:
    async with plant(tmp_path, "healthy") as started:
        for port in ("modbus", "opcua"):
            taken = str(started.ready[f"{port}_port"])
            second = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "sim_plant", "healthy", f"--{port}-port", taken),
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(BOUND_S):
                _, said = await second.communicate()
            assert second.returncode == 69
            assert taken in said.decode()


# ----------------------------------------------------------------- the relay itself
@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that says back what it hears; yields its port."""
    gone = asyncio.Event()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while heard := await reader.read(100):
                writer.write(heard)
                await writer.drain()
        writer.close()
        gone.set()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_listening(server)


async def test_a_whole_link_carries_both_ways() -> None:
    async with echo() as port, Relay("127.0.0.1", 0, server_port=port) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"tap")
        assert await reader.readexactly(3) == b"tap"
        writer.close()


async def test_a_hanging_link_holds_bytes_until_it_is_whole() -> None:
    async with echo() as port, Relay("127.0.0.1", 0, server_port=port) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        await relay.fail(LinkMode.HANG)
        writer.write(b"tap")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(3)
        await relay.restore()
        assert await reader.readexactly(3) == b"tap"
        writer.close()


@pytest.mark.parametrize("mode", [LinkMode.DROP, LinkMode.REFUSE])
async def test_a_dropping_or_refusing_link_cuts_open_connections(
    mode: LinkMode,
) -> None:
    async with echo() as port, Relay("127.0.0.1", 0, server_port=port) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"tap")
        await reader.readexactly(3)
        await relay.fail(mode)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(1) == b""
        writer.close()


async def test_a_dropping_link_answers_the_call_and_hangs_up() -> None:
    async with echo() as port, Relay("127.0.0.1", 0, server_port=port) as relay:
        await relay.fail(LinkMode.DROP)
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(1) == b""
        writer.close()


async def test_a_refusing_link_listens_again_on_the_same_port() -> None:
    public = free_port()
    async with echo() as port, Relay("127.0.0.1", public, server_port=port) as relay:
        await relay.fail(LinkMode.REFUSE)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", public)
        await relay.restore()
        assert relay.port == public
        reader, writer = await asyncio.open_connection("127.0.0.1", public)
        writer.write(b"tap")
        assert await reader.readexactly(3) == b"tap"
        writer.close()


async def test_a_server_that_is_away_ends_the_call() -> None:
    with refusing_port() as port:
        async with Relay("127.0.0.1", 0, server_port=port) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(1) == b""
        writer.close()


async def test_a_hanging_modbus_client_times_out(tmp_path: Path) -> None:
    story = tmp_path / "hang.toml"
    story.write_text(
        'name = "hang"\ntitle = "t"\n[[faults]]\nkind = "link"\nserver = "modbus"\n'
        'mode = "hang"\nat_s = 1.0\nfor_s = 30.0\n'
    )
    async with plant(tmp_path, str(story)) as started, modbus(started) as client:
        await started.told("link_down")
        with pytest.raises(ModbusException):
            await client.read_discrete_inputs(0, count=4, device_id=1)
    assert started.process.returncode == 0
