"""Clock, back-off, files, notifications, logs, plug-ins, tasks, durations."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from appliance.runtime import logs, plugins
from appliance.runtime.backoff import Backoff
from appliance.runtime.clock import SystemClock
from appliance.runtime.durations import DurationError, seconds
from appliance.runtime.files import replace_link, write_whole
from appliance.runtime.notify import notify, watchdog_period_s
from appliance.runtime.plugins import (
    Connector,
    SourceSettings,
    TagSettings,
    UnknownConnectorError,
    load_connector,
    tag_ids,
)
from appliance.runtime.tasks import alongside

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_clock_goes_forward_and_a_negative_sleep_returns() -> None:
    clock = SystemClock()
    before_s = clock.now_s()
    await clock.sleep(-1)
    assert clock.now_s() >= before_s
    assert clock.utc_ns() > 1_700_000_000 * 10**9


def test_patience_doubles_to_its_bound_and_begins_again() -> None:
    backoff = Backoff(0.5, 3.0, jitter=0.0, spread=lambda: 0.0)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_jitter_only_shortens_a_delay() -> None:
    backoff = Backoff(1.0, 1.0, jitter=0.5, spread=lambda: 0.999)
    assert 0.5 <= backoff.next_s() < 1.0


def test_a_file_appears_whole_and_a_failed_one_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_whole(path, b"one")
    with pytest.raises(TypeError):
        write_whole(path, "not bytes")  # type: ignore[arg-type] # the point
    assert path.read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["f"]


def test_a_link_is_replaced_in_one_step(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        replace_link(tmp_path / "active", name)
        assert (tmp_path / "active").readlink().name == name


def test_systemd_hears_us_where_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    path = str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        assert notify("READY=1")
        assert listener.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", "@nobody-listens-here")
    assert not notify("READY=1")


def test_the_watchdog_is_fed_at_half_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_period_s() is None
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_period_s() == 5.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_period_s() is None


def test_journald_gets_its_level_as_a_prefix() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "lost", None, None)
    assert logs.JournalFormatter("%(message)s").format(record) == "<3>lost"


def test_logs_go_to_standard_error_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    try:
        logs.configure("hub")
        logs.configure("hub")
        logging.getLogger("here").warning("lost")
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
    assert capsys.readouterr().err == "<4>hub: here: lost\n"


def test_an_unknown_connector_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownConnectorError, match=r"known: .*modbus"):
        load_connector("profibus")


def test_a_connector_without_reader_or_output_says_so() -> None:
    card = Connector("x", SourceSettings, "nowhere:X")
    settings = SourceSettings(name="x", connector="x")
    with pytest.raises(UnknownConnectorError, match="cannot serve safety"):
        card.reader(settings, SystemClock())
    with pytest.raises(UnknownConnectorError, match="cannot write"):
        card.output(settings, SystemClock())
    assert settings.shared_port() is None


def test_an_entry_point_that_is_no_card_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Point:
        name = "odd"

        def load(self) -> object:
            return object()

    monkeypatch.setattr(plugins, "entry_points", lambda **_: [Point()])
    with pytest.raises(UnknownConnectorError, match="known: odd"):
        load_connector("odd")


def test_tags_of_a_source_come_in_order_with_their_ranges() -> None:
    class Tags(SourceSettings):
        tags: tuple[TagSettings, ...] = ()

    settings = Tags(
        name="x",
        connector="x",
        tags=(TagSettings(id="P/a", range_high=3.0), TagSettings(id="P/b")),
    )
    assert tag_ids(settings) == ("P/a", "P/b")
    assert settings.tag_table()[0].range_high == 3.0
    assert settings.tag_table()[1].range_low == float("-inf")


async def test_a_task_alongside_ends_with_the_block() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with alongside(work(), name="test.work"):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_errors_of_block_and_task_come_out_as_they_are() -> None:
    async def fail() -> None:
        raise KeyError("task")

    with pytest.raises(KeyError, match="task"):
        async with alongside(fail(), name="test.fail"):
            await asyncio.Event().wait()
    with pytest.raises(ValueError, match="block"):
        async with alongside(asyncio.sleep(60), name="test.sleep"):
            raise ValueError("block")


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("90s", 90), ("1.5h", 5400), ("2d", 172_800)]
)
def test_durations_are_read_as_people_write_them(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "-3s", "1h30m", "soon"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        seconds(text)


def test_importing_the_package_imports_nothing() -> None:
    assert "appliance" in sys.modules
    assert not hasattr(sys.modules["appliance"], "__all__")
