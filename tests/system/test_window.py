"""The real window in a real terminal (tmux), on the real gateway and its plant."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TMUX = shutil.which("tmux")
WITHIN_S = 120.0
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(400),
    pytest.mark.skipif(TMUX is None, reason="tmux is not installed"),
]


class Terminal:
    """A terminal of 80 by 24 whose screen can be read."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def tmux(self, *words: str) -> str:
        assert TMUX is not None
        line = (TMUX, "-S", str(self._socket), "-f", "/dev/null", *words)
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout

    @property
    def text(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "window")

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "window", *keys)

    def until(self, *words: str) -> str:
        ends_s = time.monotonic() + WITHIN_S
        while time.monotonic() < ends_s:
            text = self.text
            if all(word in text for word in words):
                return text
            time.sleep(0.1)
        raise AssertionError(f"{words} never came; the screen was:\n{self.text}")


@contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program for as long as the block."""
    line = (sys.executable, "-m", "appliance", *words)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(line, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def terminal_of(folder: Path, *words: str) -> Iterator[Terminal]:
    """Run the window in a terminal for as long as the block."""
    terminal = Terminal(folder / "tmux.sock")
    line = f"TERM=screen-256color exec {sys.executable} -m appliance dashboard "
    size = ("-x", "80", "-y", "24")
    terminal.tmux("new-session", "-d", "-s", "window", *size, line + " ".join(words))
    try:
        yield terminal
    finally:
        terminal.tmux("kill-server")


def test_a_stop_is_asked_for_and_the_night_is_shown_again(
    tmp_path: Path,
) -> None:
    session = tmp_path / "night.session"
    demo = ("demo", "healthy", "--headless", "--for", "300s", "--keep", str(tmp_path))
    run_dir = f"--run-dir={tmp_path / 'run'}"
    with (
        running(*demo),
        terminal_of(tmp_path, run_dir, f"--record={session}") as window,
    ):
        window.until("safety armed", "vibration_rms", "good")
        words = {"3": "z shelve", "4": "safety is ARMED", "5": "answers"}
        for key, word in {**words, "8": "everything", "1": "What is wrong"}.items():
            window.press(key)
            window.until(word, "q quit")
        window.press("S")
        window.until("STOP the machine?", "y: yes, do it")
        time.sleep(0.5)  # a key that comes at once is not taken for an answer
        window.press("y")
        window.until("■ TRIP", "operator's stop", "stop confirmed")
        window.press("q")
        ends_s = time.monotonic() + WITHIN_S
        while window.text and time.monotonic() < ends_s:
            time.sleep(0.1)
    assert session.stat().st_size > 1000
    with terminal_of(tmp_path, f"--replay={session}") as window:
        window.until("RECORDING", "safety")
        window.press("]", "]", "]", "]", "]", "]")
        window.until("■ TRIP", "operator's stop")
        window.press("S")
        window.until("this is a recording: nothing can be done")
