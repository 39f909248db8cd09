"""Part files: Parquet written whole, each knowing which rows it holds."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import duckdb
import msgspec
import numpy as np

from appliance.runtime.files import sync_folder
from appliance.wire.outbox import Stream
from fleet.delivery import StreamKey
from fleet.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

SUFFIX = ".parquet"
COMPACT_MAX_BYTES = 64 * 1024 * 1024
_ABOUT = "wheeltapper"
_MEMORY = "512MB"


class LakeError(Exception):
    """The lake cannot be read or written; nothing was acknowledged."""


class Held(msgspec.Struct, frozen=True):
    """Rows of one stream in a part."""

    site: str
    gateway: str
    epoch: str
    stream: str
    ranges: tuple[tuple[int, int], ...]


class About(msgspec.Struct, frozen=True):
    """What a part says about itself, in its footer.

    `replaces` names parts of the same folder whose rows are all in this one.
    """

    held: tuple[Held, ...]
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part file and what it holds."""

    path: Path
    about: About

    def held(self) -> Iterable[tuple[StreamKey, Ranges]]:
        """Yield each stream with its sequence numbers."""
        for each in self.about.held:
            key = StreamKey(each.site, each.gateway, each.epoch, Stream(each.stream))
            yield key, Ranges(*each.ranges)


def connect() -> duckdb.DuckDBPyConnection:
    """Return a database in memory that fetches nothing from anywhere."""
    database = duckdb.connect(":memory:")
    database.execute(f"SET memory_limit = '{_MEMORY}'")
    database.execute("SET threads = 2")
    database.execute("SET temp_directory = ''")
    database.execute("SET autoinstall_known_extensions = false")
    database.execute("SET autoload_known_extensions = false")
    return database


def about_of(held: Mapping[StreamKey, Ranges], replaces: Sequence[str] = ()) -> About:
    """Return the footer for rows."""
    return About(
        tuple(
            Held(key.site, key.gateway, key.epoch, str(key.stream), tuple(ranges))
            for key, ranges in held.items()
        ),
        tuple(replaces),
    )


def folder_of(root: Path, stream: Stream, site: str, *, day: date) -> Path:
    """Return where parts lie: `stream=…/site=…/date=…`."""
    name = "".join(c if ord(c) > 127 else quote(c, safe=" ") for c in site)  # noqa: PLR2004 - ASCII
    return root / f"stream={stream}" / f"site={name}" / f"date={day.isoformat()}"


def write_part(
    database: duckdb.DuckDBPyConnection,
    path: Path,
    pieces: Sequence[Mapping[str, NDArray[Any]]],
    about: About,
) -> None:
    """Write columns as a part that is durable on return, or not there at all.

    Raises:
        LakeError: The disk refused.
    """
    columns = {name: _joined([piece[name] for piece in pieces]) for name in pieces[0]}
    database.register("arrived", columns)
    try:
        write_query(database, path, "SELECT * FROM arrived", about)
    finally:
        database.unregister("arrived")


def write_query(
    database: duckdb.DuckDBPyConnection,
    path: Path,
    query: str,
    about: About,
    *,
    parameters: Sequence[object] = (),
) -> None:
    """Write the rows of a query as `write_part` does.

    Raises:
        LakeError: The disk refused.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    footer = msgspec.json.encode(about).decode()
    try:
        _make_folder(path.parent)
        database.execute(
            f"COPY ({query}) TO {_quoted(str(temporary))} (FORMAT parquet,"
            f" COMPRESSION zstd, KV_METADATA {{{_ABOUT}: {_quoted(footer)}}})",
            list(parameters),
        ).fetchall()
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except (OSError, duckdb.Error) as error:
        temporary.unlink(missing_ok=True)
        raise LakeError(f"{path} cannot be written: {error}") from error


def small_parts(folder: Path) -> tuple[Path, ...]:
    """Return the parts of a folder that are worth putting together."""
    paths = folder.glob(f"*{SUFFIX}")
    return tuple(sorted(p for p in paths if p.stat().st_size < COMPACT_MAX_BYTES))


def compact(
    database: duckdb.DuckDBPyConnection, old: Sequence[Path], new: Path
) -> None:
    """Put parts of one folder together into one; the old ones go when it is durable.

    Raises:
        LakeError: The disk refused, or an old part cannot be read; nothing is gone.
    """
    held: dict[StreamKey, Ranges] = {}
    try:
        for path in old:
            for key, ranges in Part(path, _about(database, path)).held():
                held.setdefault(key, Ranges()).add_all(ranges)
    except (duckdb.Error, msgspec.MsgspecError, ValueError) as error:
        raise LakeError(f"a part cannot be read: {error}") from error
    write_query(
        database,
        new,
        "SELECT * FROM"
        " read_parquet($1, hive_partitioning = false, union_by_name = true)"
        " ORDER BY gateway, epoch, seq",
        about_of(held, [path.name for path in old]),
        parameters=[[str(path) for path in old]],
    )
    for path in old:
        path.unlink()
    sync_folder(new.parent)


def read_parts(
    database: duckdb.DuckDBPyConnection, root: Path
) -> tuple[tuple[Part, ...], tuple[Path, ...]]:
    """Return the parts below a folder, and the files that cannot be read.

    A part that another one replaces is left out: a compaction was cut short.
    """
    parts: list[Part] = []
    broken: list[Path] = []
    for path in sorted(root.glob(f"stream=*/site=*/date=*/*{SUFFIX}")):
        try:
            parts.append(Part(path, _about(database, path)))
        except (duckdb.Error, msgspec.MsgspecError, ValueError) as error:
            if path.exists():  # otherwise a compaction has just removed it
                log.warning("%s cannot be read: %s", path, error)
                broken.append(path)
    gone = {part.path.with_name(name) for part in parts for name in part.about.replaces}
    return tuple(part for part in parts if part.path not in gone), tuple(broken)


def _about(database: duckdb.DuckDBPyConnection, path: Path) -> About:
    found = database.execute(
        "SELECT value FROM parquet_kv_metadata(?) WHERE key = ?", [str(path), _ABOUT]
    ).fetchall()
    if not found:
        raise ValueError("not a part of a lake")
    about = msgspec.json.decode(found[0][0], type=About)
    for each in about.held:
        Stream(each.stream)
    return about


def _joined(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if isinstance(columns[0], np.ma.MaskedArray):
        joined: NDArray[Any] = np.ma.concatenate(columns)  # type: ignore[no-untyped-call] # numpy's own
        return joined
    return np.concatenate(columns)


def _make_folder(folder: Path) -> None:
    """Make a folder so that it survives a power failure."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
