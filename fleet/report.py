"""What the lake holds, and whether it is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fleet.ranges import Ranges

if TYPE_CHECKING:
    from fleet.delivery import StreamKey
    from fleet.lake import Lake

Range = tuple[int, int]


class StreamReport(msgspec.Struct, frozen=True):
    """One stream of one gateway's outbox: what is there, and what is not.

    `declared` are missing rows whose loss the gateway has told; `undeclared` are
    missing below the highest, and nobody knows why. `merged` numbers are part of rows
    of a coarser resolution: nothing of them is missing. `duplicates` counts rows
    that lie there more than once.
    """

    site: str
    gateway: str
    epoch: str
    stream: str
    rows: int
    ranges: tuple[Range, ...]
    declared: tuple[Range, ...]
    undeclared: tuple[Range, ...]
    merged: int = 0
    duplicates: int = 0


class Report(msgspec.Struct, frozen=True):
    """The whole lake. `duplicates` counts rows that lie there twice, by key."""

    rows: int
    duplicates: int
    declared: int
    undeclared: int
    broken_files: tuple[str, ...]
    streams: tuple[StreamReport, ...]
    merged: int = 0

    @property
    def complete(self) -> bool:
        """Nothing is missing unexplained, nothing is there twice."""
        return not (self.duplicates or self.undeclared or self.broken_files)


def report_of(lake: Lake) -> Report:
    """Return the report of a lake, by its files alone.

    Raises:
        LakeError: A file cannot be read.
    """
    stored = lake.stored()
    told: dict[StreamKey, Ranges] = {}
    for key, first, through, _ in lake.declared():
        told.setdefault(key, Ranges()).add(first, through)
    rows, doubles = lake.rows_by_stream(), lake.doubles_by_stream()
    streams = tuple(
        _stream(
            key,
            stored.get(key, Ranges()),
            told.get(key, Ranges()),
            rows=rows.get(key, 0),
            doubles=doubles.get(key, 0),
        )
        for key in sorted(stored.keys() | told.keys())
    )
    return Report(
        rows=lake.count(),
        duplicates=lake.duplicates(),
        declared=sum(Ranges(*each.declared).count for each in streams),
        undeclared=sum(Ranges(*each.undeclared).count for each in streams),
        broken_files=tuple(str(path) for path in lake.broken),
        streams=streams,
        merged=sum(each.merged for each in streams),
    )


def lines_of(report: Report, *, completeness: bool) -> tuple[str, ...]:
    """Return the report for people."""
    lines = [f"{report.rows} rows, {report.duplicates} duplicates"]
    for each in report.streams:
        name = f"{each.site}/{each.gateway} {each.stream}"
        lines.append(f"{name:40} {each.rows:>9} rows")
        if completeness:
            lines.append(f"    outbox     {each.epoch}")
            lines.append(f"    stored     {_text(each.ranges)}")
            if each.merged:
                lines.append(f"    merged     {each.merged} numbers, in coarser rows")
            lines.append(f"    declared   {_text(each.declared)}")
            lines.append(f"    undeclared {_text(each.undeclared)}")
            if each.duplicates:
                lines.append(f"    duplicates {each.duplicates}")
    lines.extend(f"cannot be read: {path}" for path in report.broken_files)
    if completeness:
        verdict = "complete" if report.complete else "NOT COMPLETE"
        lines.append(
            f"{verdict}: {report.declared} rows missing and declared,"
            f" {report.undeclared} missing and undeclared"
        )
    return tuple(lines)


def _stream(
    key: StreamKey, stored: Ranges, told: Ranges, *, rows: int, doubles: int
) -> StreamReport:
    highest = max(stored.highest, told.highest)
    explained = stored.copy()
    explained.add_all(told)
    known = Ranges(*stored.missing(1, highest))
    undeclared = explained.missing(1, highest)
    unexplained = Ranges(*undeclared)
    declared = tuple(
        part for first, last in known for part in unexplained.missing(first, last)
    )
    return StreamReport(
        site=key.site,
        gateway=key.gateway,
        epoch=key.epoch,
        stream=str(key.stream),
        rows=rows,
        ranges=tuple(stored),
        declared=declared,
        undeclared=undeclared,
        merged=stored.count - rows,
        duplicates=doubles,
    )


def _text(ranges: tuple[Range, ...]) -> str:
    shown = [f"{first}-{last}" for first, last in ranges[:8]]
    more = f" and {len(ranges) - 8} more" if len(ranges) > 8 else ""  # noqa: PLR2004 - a line's worth
    return ", ".join(shown) + more if shown else "-"
