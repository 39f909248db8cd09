"""The lake's files as anybody with DuckDB reads them; no word of ours in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from tests.system.ledger.observed import LakeRow

if TYPE_CHECKING:
    from pathlib import Path

_KEY = ("site", "gateway", "epoch", "stream")


def rows_of(lake: Path) -> list[LakeRow]:
    """Return every row of every file."""
    found = []
    for folder in sorted(lake.glob("stream=*")):
        with duckdb.connect(":memory:") as database:
            result = database.execute(
                "SELECT * FROM read_parquet($1, union_by_name = true,"
                " hive_partitioning = false)",
                [str(folder / "**" / "*.parquet")],
            )
            names = [column[0] for column in result.description]
            for values in result.fetchall():
                row = dict(zip(names, values, strict=True))
                site, gateway, epoch, stream = (str(row[name]) for name in _KEY)
                found.append(LakeRow((site, gateway, epoch, stream), row["seq"], row))
    return found
