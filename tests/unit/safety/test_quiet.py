"""Logs off the scan's thread: never waited for, bounded, and the loss is told."""

from __future__ import annotations

import logging
import threading

import pytest

from appliance.safety import quiet
from appliance.safety.quiet import LINES_WAITING, OffThread, quiet_logs

log = logging.getLogger("test.quiet")
pytestmark = pytest.mark.requirement("A13")


def settled() -> None:
    """Nothing to settle."""


class Terminal(logging.Handler):
    """Takes lines while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.begun, self.taken = threading.Event(), threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.begun.set()
        self.open.wait(10)
        self.lines.append(record.getMessage())
        self.taken.set()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(logging.getLogger(), "handlers", [terminal])
    return terminal


def test_what_is_logged_is_written_in_order(terminal: Terminal) -> None:
    terminal.open.set()
    names = ["a"]
    with quiet_logs(settled):
        log.warning("one %s", names)
        names.append("b")
        log.warning("two")
    assert terminal.lines == ["one ['a']", "two"]
    assert terminal in logging.getLogger().handlers


def test_a_terminal_that_hangs_holds_nobody_up_and_the_loss_is_counted(
    terminal: Terminal,
) -> None:
    with quiet_logs(settled) as off:
        for line in range(3 * LINES_WAITING):
            log.warning("line %d", line)
        lost = off.lost
        assert 2 * LINES_WAITING - 1 <= lost <= 2 * LINES_WAITING
        terminal.open.set()
    assert terminal.lines[-2] == f"line {3 * LINES_WAITING - 1}"
    assert terminal.lines[-1].startswith(f"{lost} log lines could not be written")


def test_at_the_end_nobody_waits_for_long(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "_PATIENCE_S", 0.01)
    with quiet_logs(settled):
        log.warning("never read")
    assert terminal.lines == []
    terminal.open.set()


def test_a_line_that_is_lost_is_told_and_none_is_not(terminal: Terminal) -> None:
    with quiet_logs(settled) as off:
        assert off.lost == 0
        log.warning("taken at once")
        assert terminal.begun.wait(30), "the thread takes it, and hangs"
        for line in range(1001):
            log.warning("line %d", line)
        assert off.lost == 1
        terminal.open.set()
    assert terminal.lines[1:3] == ["line 1", "line 2"]
    assert terminal.lines[-1].startswith("1 log lines could not be written")


def test_its_thread_ends_with_it_and_keeps_no_process_alive(terminal: Terminal) -> None:
    terminal.open.set()
    with quiet_logs(settled) as off:
        assert off._thread.daemon
        assert off._thread.is_alive()
    assert not off._thread.is_alive()


def test_a_line_is_written_at_once_and_then_nothing_is_done(terminal: Terminal) -> None:
    terminal.open.set()
    with quiet_logs(settled) as off:
        log.warning("one")
        assert terminal.taken.wait(30)
        assert not off._wake.is_set()


class Waited(threading.Event):
    """Says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.set()
        return super().wait(timeout)


def test_its_thread_sleeps_while_there_is_nothing_to_write(terminal: Terminal) -> None:
    off = OffThread([terminal], settled)
    off._wake = wake = Waited()
    off.start()
    assert wake.asked.wait(30)
    off.stop()


def test_at_the_end_it_has_a_second(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.open.set()
    waited: list[float] = []
    with quiet_logs(settled) as off:
        join = off._thread.join
        monkeypatch.setattr(off._thread, "join", waited.append)
    assert waited == [1.0]
    join(30)


def test_its_thread_settles_before_it_writes(terminal: Terminal) -> None:
    terminal.open.set()
    with quiet_logs(lambda: terminal.lines.append("settled")):
        log.warning("one")
    assert terminal.lines == ["settled", "one"]
