"""A session file: written as it happens, bounded, without secrets; read up to a cut."""

from __future__ import annotations

import io
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dashboard.messages import (
    Answered,
    GapsArrived,
    HistoryArrived,
    LinkDown,
    LinkUp,
    NewsArrived,
    Said,
    ShelfRead,
)
from appliance.dashboard.model import Now
from appliance.dashboard.record import Recorder
from appliance.dashboard.replay import ReplayClock
from appliance.dashboard.session import (
    HIDDEN,
    MAGIC,
    End,
    Note,
    SessionError,
    Word,
    encode_note,
    message_of,
    read_notes,
    what_of,
    without_secrets,
)
from appliance.dashboard.shelf import Shelf
from appliance.wire.messages import PROTOCOL, EventMessage, Hello, Lost, TagEntry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.message import Message

HELLO = Hello(PROTOCOL, "hub", "e", (TagEntry(1, "[P-101]/泵"),))
EVENT = EventMessage("alarm", "active", 5, "x is high", details={"limit": 4.5})
MESSAGES: tuple[Callable[[], Message], ...] = (
    lambda: LinkUp("hub", HELLO),
    lambda: LinkDown("hub", "gone"),
    lambda: NewsArrived("hub", EVENT),
    lambda: NewsArrived("hub", Lost(1, 2, 3)),
    lambda: Answered("hub", "status", {"process": "hub", "n": [1, 2.5, None]}),
    lambda: HistoryArrived("P-101/x", {"value": [1.0]}, (3, 4)),
    lambda: GapsArrived("P-101/x", [{"reason": "r"}]),
    lambda: Said("refused: no", refused=True),
)


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.s = 100.0

    def now_s(self) -> float:
        return self.s

    def utc_ns(self) -> int:
        return round(self.s * 1e9)

    async def sleep(self, seconds: float) -> None:
        self.s += seconds


def facts(message: Message | None) -> dict[str, Any]:
    """Return what a message says."""
    names = ("process", "hello", "reason", "news", "op", "result", "tag", "span_ns",
             "text", "refused")  # fmt: skip
    found = {name: getattr(message, name) for name in names if hasattr(message, name)}
    return {"kind": type(message).__name__} | found


@pytest.mark.parametrize("make", MESSAGES)
def test_what_is_noted_comes_back_as_it_was(make: Callable[[], Message]) -> None:
    message = make()
    what = what_of(message)
    assert what is not None
    (note,) = read_notes(io.BytesIO(MAGIC + encode_note(Note(1.5, 7, what))))
    assert (note.at_s, note.utc_ns) == (1.5, 7)
    assert facts(message_of(note.what)) == facts(message)


def test_what_lies_on_the_disk_is_not_noted() -> None:
    assert what_of(ShelfRead(Shelf())) is None
    assert message_of(End("full")) is None


def test_no_secret_reaches_the_file() -> None:
    told = {"mqtt": {"password": "hunter2", "user": "gw"},
            "sources": [{"auth_token": "abc", "url": "opc.tcp://x"}]}  # fmt: skip
    kept = without_secrets(told)
    assert kept["mqtt"] == {"password": HIDDEN, "user": "gw"}
    assert kept["sources"] == [{"auth_token": HIDDEN, "url": "opc.tcp://x"}]
    frame = encode_note(Note(0.0, 0, what_of(Answered("hub", "status", told))))  # type: ignore[arg-type] # it is noted
    assert b"hunter2" not in frame
    assert b"abc" not in frame


@given(cut=st.integers(0, 400))
def test_a_file_that_was_cut_off_is_read_up_to_the_cut(cut: int) -> None:
    frames = [
        encode_note(Note(n, n, Word(f"word {n}", refused=False))) for n in range(9)
    ]
    whole = MAGIC + b"".join(frames)
    notes = read_notes(io.BytesIO(whole[: len(MAGIC) + cut]))
    texts = [note.what.text for note in notes if isinstance(note.what, Word)]
    assert texts == [f"word {n}" for n in range(min(9, cut // len(frames[0])))]


@given(st.binary(max_size=200))
def test_any_bytes_are_notes_or_refused(content: bytes) -> None:
    try:
        notes = list(read_notes(io.BytesIO(MAGIC + content)))
    except SessionError:
        return
    assert len(notes) <= len(content)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00", MAGIC[:-1] + b"?"])
def test_another_file_is_refused(content: bytes) -> None:
    with pytest.raises(SessionError, match="not a session file"):
        list(read_notes(io.BytesIO(content)))


def test_a_note_of_strange_length_is_refused() -> None:
    with pytest.raises(SessionError, match="is no note"):
        list(read_notes(io.BytesIO(MAGIC + b"\xff\xff\xff\xff")))


def test_the_file_is_new_and_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "session"
    Recorder(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        Recorder(path)
    with path.open("rb") as file:
        assert list(read_notes(file)) == []


def test_the_file_never_grows_beyond_its_bound_and_says_why_it_ends(
    tmp_path: Path,
) -> None:
    path = tmp_path / "session"
    recorder = Recorder(path, largest_bytes=1000)
    for n in range(100):
        recorder.take(Said(f"word {n}"), Now(float(n), n))
    recorder.close()
    assert path.stat().st_size <= 1000
    with path.open("rb") as file:
        notes = list(read_notes(file))
    assert notes[-1].what == End("the file is full")
    assert recorder.trouble == "the file is full"
    assert len(notes) > 10


def test_what_a_slow_disk_leaves_behind_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.dashboard.record.WAITING_MAX_BYTES", 200)
    recorder = Recorder(tmp_path / "session")
    for n in range(20):
        recorder.take(Said(f"word {n}"), Now(float(n), n))
    recorder.close()
    assert 0 < recorder.lost < 20
    with (tmp_path / "session").open("rb") as file:
        assert len(list(read_notes(file))) == 20 - recorder.lost


def test_a_disk_that_refuses_ends_the_recording_alone() -> None:
    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    recorder = object.__new__(Recorder)
    recorder._file = Full()  # type: ignore[assignment] # a disk of the test
    recorder.trouble = ""
    recorder._flush(b"x")
    assert "No space left" in recorder.trouble


def test_the_time_of_a_recording_stands_runs_and_steps() -> None:
    real = Hand()
    clock = ReplayClock(real, start_s=5.0, start_ns=1_000)
    assert (clock.now_s(), clock.utc_ns()) == (5.0, 1_000)
    real.s += 2.0
    assert clock.now_s() == 7.0
    clock.run(speed=4.0)
    real.s += 2.0
    assert clock.now_s() == 15.0
    clock.run(paused=True)
    real.s += 50.0
    assert clock.now_s() == 15.0
    clock.step(1.0)
    assert clock.passed_s == 11.0
    clock.run(paused=False)
    real.s += 1.0
    assert clock.now_s() == 20.0
