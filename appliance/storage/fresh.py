"""The buffer that takes the place of a damaged one: empty, with the same account.

It begins as if everything there was were lost, and says so: what is salvaged later
(`rescue`) is taken off that again. So the account is true whenever the power fails.
"""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.domain.event import Gap
from appliance.storage.connection import configure, transaction
from appliance.storage.migrations import migrate, shipped
from appliance.storage.quarantine import (
    fresh_of,
    remove,
    set_aside,
    take_place,
    wreck_of,
    wrecks,
)
from appliance.storage.records import (
    ACQUISITION,
    DECIMATED,
    DECLARED_GAPS,
    DELIVERED,
    DROPPED,
    ENQUEUED,
    EVENT_BYTES,
    PENDING_BYTES,
    STORED,
    add_counters,
    outbox_counter,
    record_gap,
    tier_counter,
)
from appliance.storage.rollups import PERIODS_S, RAW
from appliance.storage.wreck import Wreck
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from appliance.domain.tag import Tag

REASON = "damaged, and not to be salvaged"
LATER = frozenset(
    {"segment", "times", "chunk", "preview", "waveform", "text", "event", "chain"}
    | {f"outbox_{stream}" for stream in Stream}
)
"""Tables that may be large: they are salvaged while the hub goes on.

The chain is not: it begins anew, and what is salvaged of events lies before it.
"""
_OWN = frozenset({"meta", "counter", "schema", "derived", "sqlite_sequence"})
_QUOTA_BYTES = 2**40  # retention, not the rescue, brings it under its quota
_SPARE_NUMBERS = 2**20
"""More numbers than a lost write-ahead log can have given."""
_EPOCH_UNKNOWN = 2**40
_HIGHEST = 2**48
"""What no stream ever reaches: a higher number is noise from a broken page."""


class Owed(msgspec.Struct):
    """What a wreck still owes: samples, rows by stream, and their numbers."""

    samples: int = 0
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    last: dict[str, int] = msgspec.field(default_factory=dict)
    """The number before the first one that the fresh buffer gives."""
    given: dict[str, int] = msgspec.field(default_factory=dict)
    """The last number that the wreck knows of."""
    enqueued: dict[str, int] = msgspec.field(default_factory=dict)
    """How many rows were counted; usually the last number, too."""
    new_epoch: bool = False
    from_ns: int = 0
    to_ns: int = 0
    merged: int = 0
    problems: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a running hub knows of its buffer by heart."""

    epoch: str
    counters: Mapping[str, int]
    tags: Mapping[int, Tag] = field(default_factory=dict)


def replace_damaged(
    path: Path,
    *,
    now_ns: int,
    connect: Callable[[Path], sqlite3.Connection],
    memory: Memory | None = None,
    close: Callable[[], None] = lambda: None,
) -> Path:
    """Set the damaged file aside, leave a fresh one in its place; return the wreck.

    `close` lets go of the damaged file, after it has moved.

    Raises:
        sqlite3.Error: The disk refused; the damaged file is where it was, or aside.
        OSError: The same. Call it again; or `complete`, at the next start.
    """
    if path.exists():
        wreck = wreck_of(path, now_ns)
        _make(path, wreck.name, now_ns=now_ns, connect=connect, memory=memory)
    else:
        wreck = wrecks(path)[-1]
    set_aside(path, wreck)
    close()
    take_place(path)
    return wreck


def complete(path: Path) -> None:
    """Finish what a power failure interrupted.

    Raises:
        OSError: The disk refused.
    """
    fresh = fresh_of(path)
    if not fresh.exists():
        return
    moved = wrecks(path)
    if path.exists() or not moved:  # not a thing has moved yet
        remove(fresh)
        return
    set_aside(path, moved[-1])
    take_place(path)


def _make(
    path: Path,
    wreck_name: str,
    *,
    now_ns: int,
    connect: Callable[[Path], sqlite3.Connection],
    memory: Memory | None,
) -> None:
    fresh = fresh_of(path)
    remove(fresh)
    with closing(connect(fresh)) as target:
        configure(target, _QUOTA_BYTES)
        migrate(target, fresh, migrations=shipped(), now_ns=now_ns, connect=connect)
        with closing(Wreck(path)) as wreck, transaction(target):
            owed = _account(target, wreck, path, now_ns, memory)
            _copy_small(target, wreck)
            _keep_tags(target, wreck, {} if memory is None else memory.tags)
            _owe(target, wreck_name, owed, now_ns)
        target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _account(
    target: sqlite3.Connection,
    wreck: Wreck,
    path: Path,
    now_ns: int,
    memory: Memory | None,
) -> Owed:
    """Write meta, counters and sequences; return what the wreck owes."""
    meta = wreck.one(
        "SELECT epoch, created_ns, last_commit_ns, clean_shutdown FROM meta"
    )
    numbers = _numbers_in(wreck.every("sqlite_sequence"))
    counters = _numbers_in(wreck.every("counter"))
    known = meta is not None and bool(counters) and bool(numbers)
    epoch = str(uuid.uuid4())
    if memory is not None:
        known, epoch, counters = True, memory.epoch, dict(memory.counters)
    elif known and meta is not None:
        epoch = meta[0]
    changed_ns = min(path.stat().st_mtime_ns, now_ns)
    _, created_ns, last_ns, clean = meta or (epoch, changed_ns, changed_ns, 0)
    target.execute(
        "INSERT INTO meta VALUES (1, ?, ?, ?, ?)",
        (epoch, created_ns, last_ns, 1 if memory is not None else clean),
    )
    owed = Owed(new_epoch=not known, from_ns=min(created_ns, last_ns), to_ns=last_ns)
    log = path.with_name(f"{path.name}-wal")
    torn = memory is None and log.exists() and log.stat().st_size > 0
    _count(target, counters if known else {}, owed)
    for stream in Stream:
        _number(wreck, stream, owed, counters if known else {}, numbers, spare=torn)
        target.execute(
            "INSERT INTO sqlite_sequence VALUES (?, ?)",
            (f"outbox_{stream}", owed.last[stream]),
        )
    target.execute("INSERT INTO derived VALUES (1)")
    return owed


def _numbers_in(rows: Iterable[tuple[Any, ...]]) -> dict[str, int]:
    """Return what is a name with a number among rows of a broken table."""
    return {
        name: number
        for name, number in rows
        if isinstance(name, str) and isinstance(number, int)
    }


def _count(target: sqlite3.Connection, counters: Mapping[str, int], owed: Owed) -> None:
    """Take over the account; all that was there counts as lost for now."""
    gone = counters.get(DECIMATED, 0) + counters.get(DROPPED, 0)
    owed.samples = max(0, counters.get(STORED, 0) - gone)
    there = {tier_counter(period_s) for period_s in (RAW, *PERIODS_S)} | {EVENT_BYTES}
    there |= {outbox_counter(stream, PENDING_BYTES) for stream in Stream}
    add_counters(target, {n: v for n, v in counters.items() if n not in there})
    add_counters(target, {DROPPED: owed.samples})
    for stream in Stream:
        enqueued, delivered, declared = (
            counters.get(outbox_counter(stream, what), 0)
            for what in (ENQUEUED, DELIVERED, DECLARED_GAPS)
        )
        owed.rows[stream] = max(0, enqueued - delivered - declared)
        lost = outbox_counter(stream, DECLARED_GAPS)
        add_counters(target, {lost: owed.rows[stream]})


def _number(
    wreck: Wreck,
    stream: Stream,
    owed: Owed,
    counters: Mapping[str, int],
    numbers: Mapping[str, int],
    *,
    spare: bool,
) -> None:
    """Go on beyond every number that can have been given in this epoch."""
    table = f"outbox_{stream}"
    (highest,) = wreck.one(f"SELECT max(seq) FROM {table}") or (None,)  # noqa: S608 - a closed enum
    known = (numbers.get(table, 0), highest or 0)
    owed.given[stream] = max((n for n in known if n <= _HIGHEST), default=0)
    if owed.new_epoch and highest is None and table in wreck.tables:
        owed.last[stream] = _EPOCH_UNKNOWN
        return
    enqueued = counters.get(outbox_counter(stream, ENQUEUED), 0)
    owed.enqueued[stream] = enqueued
    last = max(owed.given[stream], enqueued)
    owed.last[stream] = last + (_SPARE_NUMBERS if spare else 0)


def _copy_small(target: sqlite3.Connection, wreck: Wreck) -> None:
    names = {
        row[0]
        for row in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    for table in sorted((names & wreck.tables) - LATER - _OWN):
        for row in wreck.every(table):
            insert_row(target, table, row)


def insert_row(target: sqlite3.Connection, table: str, row: tuple[object, ...]) -> bool:
    """Insert a row of a wreck, if it is one; say whether it is there now."""
    marks = ", ".join("?" * len(row))
    try:
        cursor = target.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608 - names from the schema
    except (sqlite3.Error, ValueError):
        return False
    return cursor.rowcount > 0


def _keep_tags(
    target: sqlite3.Connection, wreck: Wreck, tags: Mapping[int, Tag]
) -> None:
    """Numbers of tags are for ever, and none is given twice."""
    for number, tag in tags.items():
        row = (
            number, tag.id, tag.engineering_units, tag.range_low, tag.range_high,
            tag.description,
        )  # fmt: skip
        insert_row(target, "tag", row)
    for name, seq in _sequences(wreck):
        _raise_sequence(target, name, seq)
    (highest,) = wreck.one("SELECT max(tag) FROM chunk") or (None,)
    _raise_sequence(target, "tag", highest or 0)


def _raise_sequence(target: sqlite3.Connection, table: str, seq: int) -> None:
    """Let the next number of a table be beyond `seq`."""
    (now,) = target.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (table,)
    ).fetchone()
    target.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
    target.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, max(now, seq)))


def _sequences(wreck: Wreck) -> Iterator[tuple[str, int]]:
    for name, seq in wreck.every("sqlite_sequence"):
        if not str(name).startswith("outbox_") and isinstance(seq, int):
            yield name, seq


def _owe(target: sqlite3.Connection, wreck_name: str, owed: Owed, now_ns: int) -> None:
    gap = None
    if owed.samples or owed.new_epoch:
        count = -1 if owed.new_epoch else owed.samples
        what = ACQUISITION if owed.new_epoch else "raw"
        record_gap(target, Gap(what, REASON, owed.from_ns, owed.to_ns, count))
        if not owed.new_epoch:
            (gap,) = target.execute("SELECT max(id) FROM gap").fetchone()
    target.execute(
        "INSERT INTO salvage VALUES (?, ?, 0, ?, ?, ?)",
        (wreck_name, now_ns, -(2**62), gap, msgspec.json.encode(owed).decode()),
    )
