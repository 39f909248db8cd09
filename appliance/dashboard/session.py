"""A session file: what the window was told, and when. For support; pure.

A line that says what it is, then one frame per note: a length of four bytes
(big-endian) and a msgpack struct. A file that was cut off is read up to the cut.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from appliance.dashboard.messages import (
    Answered,
    GapsArrived,
    HistoryArrived,
    LinkDown,
    LinkUp,
    NewsArrived,
    Said,
)
from appliance.wire.messages import (  # noqa: TC001 - msgspec reads the annotations
    BatchMessage,
    EventMessage,
    Hello,
    Lost,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from textual.message import Message

MAGIC = b"wheeltapper session 1\n"
NOTE_MAX_BYTES = 16 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_SECRET = ("password", "passphrase", "secret", "token", "private_key", "credential")
HIDDEN = "(not recorded)"


class SessionError(ValueError):
    """It is not a session file."""


class Up(msgspec.Struct, tag="up", frozen=True):
    """A process said hello."""

    process: str
    hello: Hello


class Down(msgspec.Struct, tag="down", frozen=True):
    """A process was gone."""

    process: str
    reason: str


class Told(msgspec.Struct, tag="told", frozen=True):
    """Values, an event, or that some were lost."""

    process: str
    news: BatchMessage | EventMessage | Lost


class Answer(msgspec.Struct, tag="answer", frozen=True):
    """The answer to a regular question."""

    process: str
    op: str
    result: Any


class Past(msgspec.Struct, tag="past", frozen=True):
    """The past of a tag, as the screen asked for it."""

    name: str
    result: Any
    from_ns: int
    to_ns: int


class Gaps(msgspec.Struct, tag="gaps", frozen=True):
    """The declared gaps of a tag."""

    name: str
    result: Any


class Word(msgspec.Struct, tag="said", frozen=True):
    """What the window said about an act."""

    text: str
    refused: bool


class End(msgspec.Struct, tag="end", frozen=True):
    """Why nothing follows, though the window went on."""

    reason: str


What: TypeAlias = Up | Down | Told | Answer | Past | Gaps | Word | End


class Note(msgspec.Struct, frozen=True):
    """What was told, at which moment of both clocks."""

    at_s: float
    utc_ns: int
    what: What


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Note] = msgspec.msgpack.Decoder(Note)


def what_of(message: Message) -> What | None:  # noqa: PLR0911 - one per message
    """Return what is noted of a message; None: nothing."""
    match message:
        case LinkUp():
            return Up(message.process, message.hello)
        case LinkDown():
            return Down(message.process, message.reason)
        case NewsArrived():
            return Told(message.process, message.news)
        case Answered():
            return Answer(message.process, message.op, without_secrets(message.result))
        case HistoryArrived():
            return Past(message.tag, message.result, *message.span_ns)
        case GapsArrived():
            return Gaps(message.tag, message.result)
        case Said():
            return Word(message.text, message.refused)
        case _:
            return None


def message_of(what: What) -> Message | None:  # noqa: PLR0911 - one per note
    """Return the message that was noted."""
    match what:
        case Up():
            return LinkUp(what.process, what.hello)
        case Down():
            return LinkDown(what.process, what.reason)
        case Told():
            return NewsArrived(what.process, what.news)
        case Answer():
            return Answered(what.process, what.op, what.result)
        case Past():
            return HistoryArrived(what.name, what.result, (what.from_ns, what.to_ns))
        case Gaps():
            return GapsArrived(what.name, what.result)
        case Word():
            return Said(what.text, refused=what.refused)
        case End():
            return None


def without_secrets(result: Any) -> Any:  # noqa: ANN401 - msgpack
    """Return an answer without the values of keys that sound like secrets.

    The processes tell none; should one ever do, a file for support is no place for it.
    """
    if isinstance(result, dict):
        return {
            key: HIDDEN if _is_secret(key) else without_secrets(value)
            for key, value in result.items()
        }
    if isinstance(result, list | tuple):
        return [without_secrets(each) for each in result]
    return result


def encode_note(note: Note) -> bytes:
    """Return length and body."""
    body = _encoder.encode(note)
    return _LENGTH.pack(len(body)) + body


def read_notes(file: BinaryIO) -> Iterator[Note]:
    """Yield the notes of a file; a last one that was cut off is left out.

    Raises:
        SessionError: It is not a session file, or what follows is not a note.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise SessionError("this is not a session file")
    while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(head)
        if length > NOTE_MAX_BYTES:
            raise SessionError(f"a note of {length} bytes is no note")
        body = file.read(length)
        if len(body) < length:
            return
        try:
            yield _decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise SessionError(f"not a note: {error}") from error


def _is_secret(key: object) -> bool:
    return isinstance(key, str) and any(word in key.lower() for word in _SECRET)
