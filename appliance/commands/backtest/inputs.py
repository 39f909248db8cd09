"""Which files are judged, and where what is said of each goes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.commands.exits import EXIT_USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet", ".pq")
_MOST_FILES = 100_000


@dataclass(frozen=True, slots=True)
class Task:
    """One file, its name for people, and the CSV that is written for it."""

    source: Path
    name: str
    target: Path


def tasks_of(given: Sequence[Path], out: Path) -> list[Task]:
    """Return the files (those below a folder, too) with their targets below `out`.

    Raises:
        CommandError: A file is not there, two would share a target, or one would be
            written over.
    """
    sources = list(dict.fromkeys(_files(given)))
    common = Path(os.path.commonpath([each.parent for each in sources]))
    tasks: dict[Path, Task] = {}
    for source in sources:
        below = source.relative_to(common)
        target = (out / below).with_name(_csv_name(below.name))
        if target in tasks:
            raise CommandError(
                f"{tasks[target].source} and {source} would both become {target}; "
                "judge them in two runs",
                EXIT_USAGE,
            )
        tasks[target] = Task(source, below.as_posix(), target)
    for task in tasks.values():
        if task.target.resolve() in sources:
            raise CommandError(
                f"--out {out}: would write over the input {task.target}; "
                "name another folder",
                EXIT_USAGE,
            )
    return list(tasks.values())


def _files(given: Iterable[Path]) -> Iterable[Path]:
    for path in given:
        if path.is_dir():
            below = sorted(
                each for each in path.rglob("*")
                if each.is_file() and each.name.lower().endswith(_SUFFIXES)
            )[:_MOST_FILES]  # fmt: skip
            if not below:
                raise CommandError(
                    f"{path}: no export is below this folder", EXIT_USAGE
                )
            yield from (each.resolve() for each in below)
        elif path.is_file():
            yield path.resolve()
        else:
            raise CommandError(f"{path}: no such file", EXIT_USAGE)


def _csv_name(name: str) -> str:
    """Return the name of the CSV that is written for a file of this name."""
    plain = name[:-3] if name.lower().endswith(".gz") else name
    stem, suffix = os.path.splitext(plain)  # noqa: PTH122 - a name, not a place
    return plain if suffix.lower() == ".csv" else f"{stem or plain}.csv"
