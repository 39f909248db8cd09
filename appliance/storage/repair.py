"""Verify a buffer, and salvage a damaged one: nothing is deleted, losses are said.

`verify` reads beside a running hub. `salvage` needs the hub stopped: it moves the
damaged file aside and copies every row that can be read into a new one.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.domain.event import Gap
from appliance.runtime.files import sync_folder
from appliance.storage import records
from appliance.storage.audit import (
    audit,
    damaged_blocks,
    missing_rows,
    missing_samples,
)
from appliance.storage.connection import (
    StoreOpenError,
    configure,
    connect,
    read_only_uri,
    transaction,
    writing_alone,
)
from appliance.storage.migrations import migrate, shipped
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REASON = "damaged, and not to be salvaged"
_TABLES = (
    "meta", "counter", "tag", "segment", "times", "chunk", "waveform", "text",
    "event", "gap", *(f"outbox_{stream}" for stream in Stream),
)  # fmt: skip
_STEP_ROWS = 100
_QUOTA_BYTES = 2**40  # retention, not the rescue, brings it under its quota


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a salvage did."""

    quarantined: Path
    copied: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def verify(path: Path) -> tuple[str, ...]:
    """Return every problem of a buffer, as sentences; none means it is whole.

    Raises:
        StoreOpenError: There is no such file.
    """
    if not path.is_file():
        raise StoreOpenError(f"{path}: there is no such buffer")
    try:
        with closing(_read_only(path)) as connection:
            connection.execute("BEGIN")
            return tuple(audit(connection))
    except sqlite3.Error as error:
        return (f"SQLite cannot read it: {error}",)


def salvage(path: Path, *, now_ns: int) -> Salvaged:
    """Move the buffer aside and copy what can be read into a new one.

    The acquisition's interval of uncertainty is declared when the new one is opened.

    Raises:
        StoreOpenError: A hub still writes it, or there is no such file.
        OSError: The disk refused; the damaged file is still there.
    """
    if not path.is_file():
        raise StoreOpenError(f"{path}: there is no such buffer")
    with writing_alone(path):
        quarantined = _quarantine(path, now_ns)
        fresh = path.with_name(f".{path.name}.salvage")
        _remove(fresh)
        with closing(connect(fresh)) as target:
            configure(target, _QUOTA_BYTES)
            migrate(target, fresh, migrations=shipped(), now_ns=now_ns)
            copied, problems = _copy(quarantined, target)
            with transaction(target):
                _settle(target, now_ns)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        fresh.replace(path)
        sync_folder(path.parent)
    return Salvaged(quarantined, copied, tuple(problems))


def _read_only(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(read_only_uri(path), uri=True, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _quarantine(path: Path, now_ns: int) -> Path:
    """Rename the file with its log, so that nothing opens it by mistake."""
    aside = path.with_name(f"{path.name}.damaged-{now_ns}")
    for suffix in ("-wal", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    sync_folder(path.parent)
    return aside


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _copy(
    source_path: Path, target: sqlite3.Connection
) -> tuple[dict[str, int], list[str]]:
    copied: dict[str, int] = {}
    problems: list[str] = []
    target.execute("PRAGMA foreign_keys=OFF")
    with closing(_read_only(source_path)) as source:
        for table in _TABLES:
            copied[table] = _copy_table(source, target, table, problems)
        _copy_numbers(source, target, problems)
    with transaction(target):
        for table, number in list(damaged_blocks(target)):
            problems.append(f"{table} {number} is damaged and stays aside")
            target.execute(f"DELETE FROM {table} WHERE id = ?", (number,))  # noqa: S608 - names of ours
        target.execute(
            "DELETE FROM chunk WHERE NOT EXISTS"
            " (SELECT 1 FROM times WHERE times.id = chunk.times)"
        )
    target.execute("PRAGMA foreign_keys=ON")
    return copied, problems


def _copy_table(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: str,
    problems: list[str],
) -> int:
    rows = 0
    with transaction(target):
        for row in _readable(source, table, problems):
            marks = ", ".join("?" * len(row))
            cursor = target.execute(
                f"INSERT OR IGNORE INTO {table} VALUES ({marks})",  # noqa: S608 - names of ours
                row,
            )
            rows += cursor.rowcount
    return rows


def _readable(
    source: sqlite3.Connection, table: str, problems: list[str]
) -> Iterator[tuple[object, ...]]:
    """Yield rows from the front until it breaks, then from the back."""
    for order, beyond in (("ASC", ">"), ("DESC", "<")):
        at = -(2**63) if order == "ASC" else 2**63 - 1
        sql = (
            f"SELECT rowid, * FROM {table} WHERE rowid {beyond} ?"  # noqa: S608 - names of ours
            f" ORDER BY rowid {order} LIMIT {_STEP_ROWS}"
        )
        try:
            while rows := source.execute(sql, (at,)).fetchall():
                at = rows[-1][0]
                for row in rows:
                    yield row[1:]
        except sqlite3.Error as error:
            problems.append(f"{table}: {error}")
            continue
        return


def _copy_numbers(
    source: sqlite3.Connection, target: sqlite3.Connection, problems: list[str]
) -> None:
    """Go on counting where the streams stood; a new epoch where nobody knows."""
    try:
        numbers = source.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    except sqlite3.Error as error:
        problems.append(f"sqlite_sequence: {error}; the epoch is a new one")
        with transaction(target):
            target.execute("DELETE FROM meta")
        return
    with transaction(target):
        for table, seq in numbers:
            target.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            target.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, seq))


def _settle(target: sqlite3.Connection, now_ns: int) -> None:
    """Make the counters true again: what is missing is declared, not forgotten."""
    records.open_meta(target, now_ns)
    since_ns = target.execute("SELECT last_commit_ns FROM meta").fetchone()[0]
    records.mark(target, since_ns, clean_shutdown=False)
    counters = records.read_counters(target)
    lost = missing_samples(target, counters)
    if lost > 0:
        records.record_gap(
            target, Gap("raw", REASON, min(since_ns, now_ns), now_ns, lost)
        )
        records.add_counters(target, {records.DROPPED: lost})
    else:
        found = {records.STORED: -lost, records.READ: -lost}
        records.add_counters(target, found)
    for stream in Stream:
        _settle_stream(target, stream, min(since_ns, now_ns), now_ns)


def _settle_stream(
    target: sqlite3.Connection, stream: Stream, since_ns: int, now_ns: int
) -> None:
    counters = records.read_counters(target)
    lost = missing_rows(target, stream, counters)
    account = records.DECLARED_GAPS if lost > 0 else records.ENQUEUED
    records.add_counters(target, {records.outbox_counter(stream, account): abs(lost)})
    (weight,) = target.execute(
        f"SELECT coalesce(sum(length(content) + ?), 0) FROM outbox_{stream}",  # noqa: S608 - a closed enum
        (records.ROW_BYTES,),
    ).fetchone()
    counter = records.outbox_counter(stream, records.PENDING_BYTES)
    change = weight - counters.get(counter, 0)
    records.add_counters(target, {counter: change})
    if lost > 0:
        records.write_gap(target, Gap(stream, REASON, since_ns, now_ns, lost))
