"""What the server kept is taken up again; what it forgot is made anew, once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from appliance.domain.event import Gap
from benchmarks.recovery_rigs.opcua import OPCUA_CASES, OpcuaRig, opcua_rig
from benchmarks.recovery_rigs.watch import Watch
from connectors.opcua import recovery
from sim_plant.network import LinkMode
from sim_plant.servers.counting import Knobs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from asyncua import ua

    from connectors.opcua.connection import Connection
    from connectors.opcua.source import OpcuaSource
    from sim_plant.network import Relay

SOON_S = 15.0


@asynccontextmanager
async def running(
    folder: Path, knobs: Knobs, **more: object
) -> AsyncIterator[tuple[OpcuaRig, Watch]]:
    async with opcua_rig(folder, knobs) as rig:
        # Unhurried, so that a busy machine does not look like a lost server.
        watch = Watch(rig.source(**({"keep_alive_s": 1.0} | more)))
        async with watch.reading():
            await watch.until(
                lambda: all(watch.received.values()) and watch.batches > 2,
                within_s=SOON_S,
            )
            yield rig, watch


def source_of(watch: Watch) -> OpcuaSource:
    return cast("OpcuaSource", watch.source)


async def heard(watch: Watch, rows: int) -> None:
    """Read a source until it has yielded so many rows, and has nothing to fill."""

    def is_done() -> bool:
        whole = not source_of(watch).unfilled_ns or bool(watch.gaps)
        return len(watch.received[0]) >= rows and whole

    async with watch.reading():
        await watch.until(is_done, within_s=60.0)


async def counted(rig: OpcuaRig, more: int) -> None:
    """Let the server count on while nobody listens."""
    end = rig.record.counted + more
    async with asyncio.timeout(60):
        while rig.record.counted < end:
            await asyncio.sleep(0.05)


def again(rig: OpcuaRig, before: Watch) -> Watch:
    """Return what our restart would: a new source that is told what is stored."""
    (tag,) = before.numbers
    source = rig.source(keep_alive_s=1.0, clock="replace")
    source.resume_from({tag: before.newest_us[0] * 1000})
    return Watch(source)


async def cut(rig: OpcuaRig, watch: Watch) -> None:
    await rig.relay.fail(LinkMode.DROP)
    await watch.until_lost()
    await rig.relay.restore()
    await watch.until(lambda: not any(watch.is_bad.values()), within_s=SOON_S)


async def test_after_a_short_cut_the_session_and_subscription_go_on(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, Knobs(tags=2)) as (rig, watch):
        await cut(rig, watch)
        await cut(rig, watch)
        assert source_of(watch)._recovery.resumed == 2
        assert rig.server.sessions == 1
        assert watch.duplicates == 0


async def test_a_value_that_stood_still_is_good_again_with_its_time_of_before(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, Knobs(tags=2, period_s=3600.0)) as (rig, watch):
        before = dict(watch.newest_us)
        await cut(rig, watch)
        assert source_of(watch)._recovery.resumed == 1
        assert watch.newest_us == before
        assert watch.shown_again == 2


async def test_messages_that_were_sent_into_the_void_are_sent_again(
    tmp_path: Path,
) -> None:
    hurried = {"keep_alive_s": 0.3, "session_timeout_s": 30.0}
    async with running(tmp_path, Knobs(history=False), **hurried) as (rig, watch):
        await OPCUA_CASES["half-open TCP"](rig, watch)
        await watch.until(lambda: not any(watch.is_bad.values()), within_s=SOON_S)
        assert source_of(watch)._recovery.resumed == 1
        assert watch.gaps == []
        now_us = max(watch.newest_us.values())
        assert rig.lost(watch, until_us=now_us - 300_000) == 0


async def test_what_is_sent_again_outlives_a_second_loss_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    relays: list[Relay] = []

    async def lost_at_the_second(
        connection: Connection, subscription: int, number: int
    ) -> ua.NotificationMessage | None:
        sent.append(number)
        if len(sent) != 2:
            return await republished(connection, subscription, number)
        (relay,) = relays
        await relay.fail(LinkMode.DROP)
        try:
            return await republished(connection, subscription, number)
        finally:
            await relay.restore()

    republished = recovery._republished
    monkeypatch.setattr(recovery, "_republished", lost_at_the_second)
    hurried = {"keep_alive_s": 0.5, "session_timeout_s": 30.0}
    async with running(tmp_path, Knobs(), **hurried) as (rig, watch):
        relays.append(rig.relay)
        await OPCUA_CASES["half-open TCP"](rig, watch)
        await watch.until(lambda: not any(watch.is_bad.values()), within_s=SOON_S)
        assert sent[2] == sent[0], "it begins anew"
        assert source_of(watch)._recovery.resumed == 1
        until_us = max(watch.newest_us.values()) - 300_000
        await watch.until(
            lambda: not rig.lost(watch, until_us=until_us), within_s=SOON_S
        )
        assert watch.duplicates == 0


@pytest.mark.parametrize("off_s", [3600.0, -3600.0])
async def test_replaced_times_go_on_after_our_own_restart_each_value_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off_s: float
) -> None:
    monkeypatch.setenv("WHEELTAPPER_STATE_DIR", str(tmp_path))
    async with opcua_rig(tmp_path, Knobs(tags=1, clock_off_s=off_s)) as rig:
        first = Watch(rig.source(keep_alive_s=1.0, clock="replace"))
        await heard(first, 5)
        await counted(rig, 10)
        second = again(rig, first)
        await heard(second, 15)
    assert not second.gaps
    assert second.historical >= 5
    shown = {value: time_us for time_us, value in rig.record.truth["count/0"]}
    taken_off: set[int] = set()
    arrived: set[float] = set()
    for watch in (first, second):
        for time_us, value in watch.received[0].items():
            if value in shown:  # not what the server began with
                taken_off.add(shown[value] - time_us)
                arrived.add(value)
    assert sorted(arrived) == list(range(int(min(arrived)), int(max(arrived)) + 1))
    (offset_us,) = taken_off  # so that nothing can be stored twice
    assert abs(offset_us / 1e6 - off_s) < 2.5


async def test_after_the_servers_clock_was_set_the_hole_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELTAPPER_STATE_DIR", str(tmp_path))
    async with opcua_rig(tmp_path, Knobs(tags=1, clock_off_s=3600.0)) as rig:
        first = Watch(rig.source(keep_alive_s=1.0, clock="replace"))
        await heard(first, 5)
        await rig.serve(Knobs(tags=1))
        await counted(rig, 5)
        second = again(rig, first)
        await heard(second, 5)
    (gap,) = second.gaps
    assert "was set while we were away" in gap.reason
    assert gap.from_ns == first.newest_us[0] * 1000
    assert gap.to_ns // 1000 in second.received[0]
    assert second.historical == 0


async def test_without_history_a_restart_leaves_one_gap_record(tmp_path: Path) -> None:
    async with running(tmp_path, Knobs(history=False)) as (rig, watch):
        await OPCUA_CASES["server restart"](rig, watch)
        await watch.until(lambda: bool(watch.gaps), within_s=SOON_S)
        (gap,) = watch.gaps
        assert isinstance(gap, Gap)
        assert "keeps no history" in gap.reason
        assert gap.from_ns < gap.to_ns


async def test_with_backfill_off_the_hole_is_declared(tmp_path: Path) -> None:
    async with running(tmp_path, Knobs(tags=2), backfill=False) as (rig, watch):
        await OPCUA_CASES["server restart"](rig, watch)
        await watch.until(lambda: bool(watch.gaps), within_s=SOON_S)
        assert "backfill is off" in watch.gaps[0].reason
        assert watch.historical == 0


async def test_what_is_stored_is_where_a_new_process_goes_on(tmp_path: Path) -> None:
    async with opcua_rig(tmp_path, Knobs(tags=2)) as rig:
        before = Watch(rig.source())
        async with before.reading():
            await before.until(lambda: before.batches > 5, within_s=SOON_S)
        newest = {tag: before.newest_us[n] * 1000 for tag, n in before.numbers.items()}
        source = rig.source()
        source.resume_from(newest)
        after = Watch(source)
        async with after.reading():
            await after.until(lambda: after.batches > 5, within_s=SOON_S)
            now_us = max(after.newest_us.values())
            for number, rows in before.received.items():
                after.received[number] |= rows
            await after.until(
                lambda: rig.lost(after, until_us=now_us - 300_000) == 0,
                within_s=SOON_S,
            )
    assert after.duplicates == 0


async def test_a_slow_server_is_not_left_with_a_session_for_every_attempt(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, Knobs(tags=1), keep_alive_s=0.3) as (rig, watch):
        await OPCUA_CASES["slow server"](rig, watch)
        await watch.until(
            lambda: not any(watch.is_bad.values()) and rig.server.sessions <= 1,
            within_s=SOON_S,
        )
        assert rig.server.sessions == 1


@pytest.mark.parametrize("case", ["subscription deleted", "session expired"])
async def test_what_the_server_forgot_is_made_anew(case: str, tmp_path: Path) -> None:
    async with running(tmp_path, Knobs(tags=2)) as (rig, watch):
        await OPCUA_CASES[case](rig, watch)
        await watch.until(lambda: not any(watch.is_bad.values()), within_s=SOON_S)
        assert source_of(watch)._recovery.resumed == 0
        assert rig.server.sessions == 1
