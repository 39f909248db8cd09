"""A chain of hashes over the event log: no event is changed or taken out unseen.

Each link is the SHA-256 of the link before it, the event's number, and the SHA-256 of
what was recorded; it is committed with the event. Who can write the file can forge all
of it, so its head is told to the cloud with every start and once a day (`anchored`):
what was anchored there cannot be forged here any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

GENESIS = bytes(32)
ANCHORED = "journal_anchored"
JOURNAL_SEQ, JOURNAL_HASH = "journal_seq", "journal_hash"
"""Details by which an event anchors the chain."""
_SEQ_BYTES = 8
_WALK_SQL = """
SELECT chain.seq, chain.begins, chain.hash, chain.digest, event.content
FROM chain LEFT JOIN event ON event.seq = chain.seq ORDER BY chain.seq
"""
_OUTSIDE_SQL = """
SELECT min(event.seq) FROM event LEFT JOIN chain ON chain.seq = event.seq
WHERE chain.seq IS NULL AND event.seq > (SELECT min(seq) FROM chain)
"""
_DECLARED_SQL = """
SELECT coalesce(sum("count"), 0) FROM gap WHERE what = 'event_log'
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link: the number of its event, and its hash in hexadecimal digits."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a walk over the chain found; `problem` is empty where all is well.

    `vouched` events are as they were recorded, `dropped` ones were given up by
    retention, which says so. `before` were recorded before the chain began.
    `beginnings` are the numbers of events at which it began (anew).
    """

    vouched: int
    dropped: int
    before: int
    beginnings: tuple[int, ...]
    head: Head | None
    broken_seq: int | None = None
    problem: str = ""


def link(connection: sqlite3.Connection, seq: int, content: bytes) -> None:
    """Add the link of an event, in the transaction that records it."""
    before = connection.execute(
        "SELECT hash FROM chain ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    linked = hash_of(
        GENESIS if before is None else before[0], seq, sha256(content).digest()
    )
    connection.execute(
        "INSERT INTO chain VALUES (?, ?, ?, NULL)", (seq, int(before is None), linked)
    )


def hash_of(before: bytes, seq: int, digest: bytes) -> bytes:
    """Return the hash of a link."""
    return sha256(before + seq.to_bytes(_SEQ_BYTES, "big") + digest).digest()


def keep_digest(connection: sqlite3.Connection, seq: int, content: bytes) -> None:
    """Before retention takes an event: keep what its link vouches for."""
    connection.execute(
        "UPDATE chain SET digest = ? WHERE seq = ?", (sha256(content).digest(), seq)
    )


def head(connection: sqlite3.Connection) -> Head | None:
    """Return the newest link; None before the first."""
    row = connection.execute(
        "SELECT seq, hash FROM chain ORDER BY seq DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Head(row[0], row[1].hex())


def verify_chain(connection: sqlite3.Connection) -> Verified:
    """Walk over the chain, inside a read transaction; stop where it breaks."""
    walk = _Walk()
    broken_seq, problem = None, ""
    for seq, wrong in walk.problems(connection):
        broken_seq, problem = seq, wrong
        break
    first = walk.beginnings[0] if walk.beginnings else None
    count = "SELECT count(*) FROM event WHERE ? IS NULL OR seq < ?"
    (before,) = connection.execute(count, (first, first)).fetchone()
    return Verified(
        vouched=walk.vouched,
        dropped=walk.dropped,
        before=before,
        beginnings=tuple(walk.beginnings),
        head=None if walk.last is None else Head(*walk.last),
        broken_seq=broken_seq,
        problem=problem,
    )


class _Walk:
    """One walk, from the first link to the first that does not hold."""

    def __init__(self) -> None:
        self.vouched = 0
        self.dropped = 0
        self.beginnings: list[int] = []
        self.last: tuple[int, str] | None = None

    def problems(self, connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
        """Yield (number, what is wrong)."""
        before: bytes | None = None
        for seq, begins, linked, digest, content in connection.execute(_WALK_SQL):
            if begins:
                self.beginnings.append(seq)
                before = GENESIS
            elif before is None:
                yield seq, "the beginning of the chain is missing"
                return
            if content is None and digest is None:
                yield seq, f"event {seq} was taken out"
                return
            found = digest if content is None else sha256(content).digest()
            if hash_of(before, seq, found) != linked:
                yield seq, f"event {seq}, or one before it, is not as it was recorded"
                return
            self.dropped += content is None
            self.vouched += content is not None
            self.last, before = (seq, linked.hex()), linked
        yield from self._outside(connection)

    def _outside(self, connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
        """Yield what the links cannot show: events without one, and a cut end."""
        (stranger,) = connection.execute(_OUTSIDE_SQL).fetchone()
        if stranger is not None:
            yield stranger, f"event {stranger} was put in beside the chain"
        (given,) = connection.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
            " WHERE name = 'outbox_event'"
        ).fetchone()
        last = 0 if self.last is None else self.last[0]
        if self.last is not None and given > last:
            yield last + 1, f"the events from {last + 1} to {given} were cut off"
        (declared,) = connection.execute(_DECLARED_SQL).fetchone()
        if self.dropped > declared:
            undeclared = self.dropped - declared
            yield last, f"{undeclared} events are missing that retention did not take"


def anchor_event(newest: Head, time_ns: int) -> Event:
    """Return the event that tells the cloud the head of the chain."""
    return Event(
        kind=EventKind.SYSTEM,
        name=ANCHORED,
        time_ns=time_ns,
        message=f"the event log is vouched for up to {newest.seq}",
        details={JOURNAL_SEQ: newest.seq, JOURNAL_HASH: newest.hash},
    )


def anchors_broken(
    events: Iterable[Event], connection: sqlite3.Connection
) -> tuple[int, str] | None:
    """Hold anchors, from here or from the cloud, against the chain.

    Return (number, problem) of the first that it does not bear out, or None. What was
    anchored before the chain began (see `Verified.beginnings`) is passed over.
    """
    (first,) = connection.execute("SELECT min(seq) FROM chain").fetchone()
    for event in events:
        seq, told = event.details.get(JOURNAL_SEQ), event.details.get(JOURNAL_HASH)
        if not isinstance(seq, int) or not isinstance(told, str):
            continue
        if first is None or seq < first:
            continue
        row = connection.execute(
            "SELECT hash FROM chain WHERE seq = ?", (seq,)
        ).fetchone()
        if row is None or row[0].hex() != told:
            return seq, f"the log does not bear out what was anchored at {seq}"
    return None
