"""Logs off the scan's thread: never waited for, bounded, and the loss is told."""

from __future__ import annotations

import logging
import threading

import pytest

from appliance.safety import quiet
from appliance.safety.quiet import LINES_WAITING, quiet_logs

log = logging.getLogger("test.quiet")
pytestmark = pytest.mark.requirement("A13")


def settled() -> None:
    """Nothing to settle."""


class Terminal(logging.Handler):
    """Takes lines while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.open.wait(10)
        self.lines.append(record.getMessage())


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
