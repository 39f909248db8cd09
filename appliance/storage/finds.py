"""What a portion of a wreck holds: unpacked, checked, and ready to be merged."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.domain.event import Gap
from appliance.storage import fold
from appliance.storage.chunks import Codec, unpack_segment
from appliance.storage.debts import STREAMS
from appliance.storage.fresh import REASON
from appliance.storage.packing import DamagedError, unseal
from appliance.storage.rollups import unpack_rollups
from appliance.storage.wreck import Portion, Wreck
from appliance.wire.messages import WireError
from appliance.wire.outbox import Stream, decode_row

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.storage.debts import Debt


@dataclass(slots=True)
class Found:
    """One portion of a wreck, unpacked and checked; `at` None ends the stage."""

    at: int | None
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    blocks: list[tuple[int, fold.Block]] = field(default_factory=list)
    newest: dict[int, int] = field(default_factory=dict)
    damaged: list[Gap] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_portion(path: Path, debt: Debt, *, limit_bytes: int) -> Found:
    """Return the next portion of a wreck at `path`; it may be gone altogether."""
    if not path.is_file():
        problem = f"{path.name} is not there any more"
        return Found(None, problems=[problem] if debt.stage == 0 else [])
    with closing(Wreck(path)) as wreck:
        portion = wreck.portion(debt.table, debt.at, limit_bytes=limit_bytes)
        found = Found(portion.at)
        if portion.problem:
            found.problems.append(portion.problem)
        if not wreck.tables and debt.stage == 0:
            found.problems.append(f"{path.name} cannot be read at all")
        _unpack(wreck, debt.table, portion, found)
        return found


def _unpack(wreck: Wreck, table: str, portion: Portion, found: Found) -> None:
    if table == "segment":
        _unpack_segments(portion, found)
    elif table == "chunk":
        _unpack_chunks(wreck, portion, found)
    else:
        for row in portion.rows:
            if is_whole(table, row[1:]):
                found.rows.append(row[1:])
            else:
                found.problems.append(f"{table} {row[0]} is damaged and stays aside")


def is_whole(table: str, row: tuple[Any, ...]) -> bool:
    """Whether a row is what was written, as far as it shows by itself.

    Values of a chunk need its times: only their seal is looked at.
    """
    try:
        match table:
            case "waveform":
                Codec().unpack_points(row[-1], row[4])
            case "segment":
                unpack_segment(row[-1], row[4])
            case "times":
                Codec().unpack_times(row[-1], row[3])
            case "chunk" | "preview":
                unseal(row[-1])
            case "event":
                decode_row(Stream.EVENT, row[-1])
            case _ if table in STREAMS:
                decode_row(STREAMS[table], row[-1])
    except (DamagedError, WireError, TypeError, ValueError):
        return False
    return True


def _unpack_segments(portion: Portion, found: Found) -> None:
    stored, spans = [], {}
    for _, number, _, start_ns, end_ns, rows, content in portion.rows:
        stored.append(fold.Stored(number, rows, content))
        spans[number] = Gap("raw", REASON, start_ns, end_ns, rows)
    folded = fold.folded(stored)
    found.blocks += [(0, block) for block in folded.blocks]
    found.newest = folded.newest
    for number in folded.damaged:
        found.damaged.append(spans[number])
        found.problems.append(f"segment {number} is damaged and stays aside")


def _unpack_chunks(wreck: Wreck, portion: Portion, found: Found) -> None:
    """Give each chunk its times again; those that share them share a block."""
    codec = Codec()
    blocks: dict[tuple[int, int], fold.Block] = {}
    for number, _, tag, period_s, _, times_id, content in portion.rows:
        times = wreck.one(
            "SELECT start_ns, end_ns, rows, content FROM times WHERE id = ?", times_id
        )
        if times is None:
            found.problems.append(f"chunk {number} has lost its times")
            continue
        block = blocks.setdefault((period_s, times_id), fold.Block(*times))
        try:
            time_ns = codec.unpack_times(block.times, block.rows)
            if period_s:
                unpack_rollups(codec, content, time_ns)
            else:
                codec.unpack_values(content, time_ns)
        except (DamagedError, TypeError, ValueError):
            found.problems.append(f"chunk {number} is damaged and stays aside")
            if not period_s and isinstance(block.rows, int):
                gap = Gap("raw", REASON, block.start_ns, block.end_ns, block.rows)
                found.damaged.append(gap)
            continue
        block.values.append(fold.Values(tag, content, *_preview(wreck, number, codec)))
    for (period_s, _), block in blocks.items():
        if block.values:
            found.blocks.append((period_s, block))


def _preview(wreck: Wreck, chunk: int, codec: Codec) -> tuple[bytes, int]:
    row = wreck.one("SELECT content, rows FROM preview WHERE id = ?", chunk)
    try:
        if row is not None:
            codec.unpack_rows(row[0], row[1])
            return row[0], row[1]
    except (DamagedError, TypeError, ValueError):
        pass
    return b"", 0
