"""The link over a real Unix socket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import RoleSettings
from appliance.link import server as server_module
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.link.outlet import BATCHES_MAX, PRIORITY_MAX, Outlet
from appliance.link.roles import Role, role_resolver
from appliance.link.server import LinkServer, Peer, RefusedError
from appliance.runtime.tasks import alongside
from appliance.wire.messages import (
    BatchMessage,
    EventMessage,
    Hello,
    Lost,
    Reply,
    TagEntry,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path


def batch(at_ns: int) -> BatchMessage:
    return BatchMessage(b"", b"", b"", b"", b"", receive_time_ns=at_ns)


def event(name: str) -> EventMessage:
    return EventMessage("system", name, 1, "something happened")


@asynccontextmanager
async def serving(
    path: Path, role: Role = Role.SUPERVISOR
) -> AsyncIterator[LinkServer]:
    server = LinkServer(path, process="hub", role_of=lambda _uid, _gid: role)
    server.set_tags("epoch-1", (TagEntry(1, "P-101/flow", "m3/h"),))
    async with alongside(server.serve(), name="test.serve"):
        await server.wait_ready()
        yield server


async def until_peers(server: LinkServer, count: int) -> None:
    async with asyncio.timeout(60):
        while server.counters["peers"] != count:
            await asyncio.sleep(0)


async def test_a_client_learns_the_tag_table_from_the_hello(tmp_path: Path) -> None:
    async with serving(tmp_path / "s"), connect(tmp_path / "s", process="t") as link:
        assert link.hello.process == "hub"
        assert link.hello.epoch == "epoch-1"
        assert link.hello.tags[0].name == "P-101/flow"


async def test_an_operation_answers_with_who_asked(tmp_path: Path) -> None:
    async def who(args: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        return {"process": peer.process, "role": int(peer.role), **args}

    async with serving(tmp_path / "s") as server:
        server.operation("who", who, role=Role.OPERATOR)
        async with connect(tmp_path / "s", process="dashboard") as link:
            answer = await link.request("who", a=1)
    assert answer == {"process": "dashboard", "role": 3, "a": 1}


async def test_an_operation_is_refused_to_a_lower_role(tmp_path: Path) -> None:
    async def act(_args: Mapping[str, Any], _peer: Peer) -> None:
        pytest.fail("must not run")

    async with serving(tmp_path / "s", Role.VIEWER) as server:
        server.operation("reset", act, role=Role.OPERATOR)
        async with connect(tmp_path / "s", process="t") as link:
            with pytest.raises(LinkRefusedError, match="needs the role operator"):
                await link.request("reset")


async def test_a_refusal_an_unknown_operation_and_bad_arguments_are_told_apart(
    tmp_path: Path,
) -> None:
    async def refuse(_args: Mapping[str, Any], _peer: Peer) -> None:
        raise RefusedError("the demand lasts")

    async def needs_row(args: Mapping[str, Any], _peer: Peer) -> object:
        return args["row"]

    async with serving(tmp_path / "s") as server:
        server.operation("reset", refuse)
        server.operation("bypass", needs_row)
        async with connect(tmp_path / "s", process="t") as link:
            with pytest.raises(LinkRefusedError, match="the demand lasts"):
                await link.request("reset")
            with pytest.raises(LinkRefusedError, match="no operation 'fly'"):
                await link.request("fly")
            with pytest.raises(LinkRefusedError, match="bad arguments"):
                await link.request("bypass")


async def test_a_fault_of_ours_is_answered_and_ends_nothing(tmp_path: Path) -> None:
    async def fail(_args: Mapping[str, Any], _peer: Peer) -> None:
        raise OSError("disk")

    async with serving(tmp_path / "s") as server:
        server.operation("read", fail)
        async with connect(tmp_path / "s", process="t") as link:
            for _ in range(2):
                with pytest.raises(LinkRefusedError, match="read failed; see the log"):
                    await link.request("read")


async def test_subscribers_get_batches_and_events(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as server:
        what = ("batches", "events")
        async with connect(tmp_path / "s", process="t", subscribe=what) as link:
            await _subscribed(link)
            server.publish_batch(batch(7))
            server.publish_event(event("begin"))
            news = link.messages()
            got = {type(await anext(news)), type(await anext(news))}
    assert got == {BatchMessage, EventMessage}


async def _subscribed(link: Any) -> None:  # noqa: ANN401
    with pytest.raises(LinkRefusedError):
        await link.request("an answer proves that the subscription was read")


async def test_a_batch_of_a_client_reaches_the_server(tmp_path: Path) -> None:
    got: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def take(message: BatchMessage, peer: Peer) -> None:
        await got.put((message.receive_time_ns, peer.process))

    async with serving(tmp_path / "s") as server:
        server.on_batch = take
        async with connect(tmp_path / "s", process="inference") as link:
            await link.send_batch(batch(9))
            assert await got.get() == (9, "inference")


async def test_the_client_is_told_when_the_server_goes_away(tmp_path: Path) -> None:
    async with serving(tmp_path / "s") as server:
        async with connect(tmp_path / "s", process="t") as link:
            await until_peers(server, 1)
            server._path.unlink()
            link._writer.transport.abort()
            with pytest.raises(LinkLostError):
                await anext(link.messages())
            with pytest.raises(LinkLostError):
                await link.request("status")


async def test_an_error_of_the_block_comes_out_as_it_is(tmp_path: Path) -> None:
    async with serving(tmp_path / "s"):
        with pytest.raises(KeyError, match="mine"):
            async with connect(tmp_path / "s", process="t"):
                raise KeyError("mine")


async def test_dialling_nobody_is_a_lost_link(tmp_path: Path) -> None:
    with pytest.raises(LinkLostError, match="No such file"):
        async with connect(tmp_path / "absent", process="t"):
            pytest.fail("must not connect")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02hi",
        encode_frame(Reply(1)),
        encode_frame(Hello(99, "t")),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_nonsense_ends_that_peer_and_no_other(
    tmp_path: Path, garbage: bytes
) -> None:
    async with serving(tmp_path / "s") as server:
        async with connect(tmp_path / "s", process="good") as good:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(garbage)
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
            await _subscribed(good)
        assert server.counters["broken_frames"] == 1


async def test_a_hostile_process_cannot_shut_out_the_others(tmp_path: Path) -> None:
    limit = server_module.PEERS_PER_PROCESS_MAX
    async with serving(tmp_path / "s") as server:
        writers = []
        for _ in range(40):
            _reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writers.append(writer)
        async with asyncio.timeout(60):
            while server.counters["peers_refused"] < 40 - limit:
                await asyncio.sleep(0)
        assert server.counters["peers"] == limit
        for writer in writers:
            writer.close()
        await until_peers(server, 0)


async def test_a_stale_socket_file_is_replaced_and_removed_at_the_end(
    tmp_path: Path,
) -> None:
    (tmp_path / "s").write_text("left by a dead process")
    async with serving(tmp_path / "s"):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o660
    assert not (tmp_path / "s").exists()


async def test_a_slow_peer_loses_the_oldest_batches_and_is_told_which() -> None:
    outlet = Outlet(lambda: pytest.fail("not overrun"))
    for at_ns in range(BATCHES_MAX + 3):
        outlet.put_batch(batch(at_ns))
    assert await outlet.get() == Lost(from_ns=0, to_ns=2, batches=3)
    assert await outlet.get() == batch(3)
    assert outlet.lost_batches == 3


async def test_events_overtake_batches() -> None:
    outlet = Outlet(lambda: pytest.fail("not overrun"))
    outlet.put_batch(batch(1))
    outlet.put_first(event("trip"))
    assert isinstance(await outlet.get(), EventMessage)


async def test_a_peer_that_never_reads_is_disconnected() -> None:
    aborted: list[bool] = []
    outlet = Outlet(lambda: aborted.append(True))
    for _ in range(PRIORITY_MAX + 1):
        outlet.put_first(event("flood"))
    assert aborted == [True]


def test_root_and_ourselves_are_supervisors_and_strangers_viewers() -> None:
    role_of = role_resolver(RoleSettings(operator=("nogroup",)))
    assert role_of(0, 0) is Role.SUPERVISOR
    assert role_of(54321, 54321) is Role.VIEWER


def test_the_highest_role_of_a_group_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = frozenset({"pump-crew", "leads"})
    monkeypatch.setattr("appliance.link.roles.groups_of", lambda _uid, _gid: groups)
    settings = RoleSettings(operator=("pump-crew",), maintainer=("leads",))
    assert role_resolver(settings)(54321, 54321) is Role.MAINTAINER
