"""A bundle from the lake's data: what the edge would learn, from summaries alone."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from appliance.wire.outbox import Stream
from fleet.analysis import paths_of
from fleet.clocks import learn_clocks, rows_of
from fleet.parts import LakeError, connect
from fleet.periods import Harvest, Summaries, healthy_table
from models.features import write_table

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from fleet.lake import Lake

TRAIN_WITHIN_S = 1800.0
_NS = 1_000_000_000
_OWN = "site = $2 AND gateway = $3 AND {asset} = $4 AND {time} >= $5 AND {time} < $6"
_GATEWAYS = """
SELECT DISTINCT site, gateway
FROM read_parquet($1, hive_partitioning = false, union_by_name = true)
WHERE split_part(tag, '/', 1) = $2 ORDER BY ALL
"""
_ROWS = f"""
SELECT tag, start_ns, period_s, "count", bad, "min" AS low, "max" AS high, mean, std,
    "last" FROM {rows_of(Stream.SUMMARY)}
WHERE {_OWN.format(asset="split_part(tag, '/', 1)", time="start_ns")}
ORDER BY start_ns
"""  # noqa: S608 - our own words
_ANOMALIES = f"""
SELECT time_ns FROM {rows_of(Stream.HEALTH)}
WHERE anomaly AND {_OWN.format(asset="asset", time="time_ns")}
"""  # noqa: S608 - our own words


class TrainError(Exception):
    """No bundle was made; the message says why."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to learn from. `running` is a tag and the value above which it runs."""

    asset: str
    site: str | None = None
    gateway: str | None = None
    from_ns: int = 0
    to_ns: int = 2**63 - 1
    running: tuple[str, float] | None = None
    ignored: Collection[str] = ()
    kind: str = "machine"


def train(lake: Lake, wish: Wish, out: Path) -> dict[str, Any]:
    """Learn a bundle into `out/<asset>/<version>/`; return what is to be told of it.

    Raises:
        TrainError: There is too little to learn from, or it is not clear from where.
        LakeError: The lake cannot be read.
    """
    site, gateway = _place(lake, wish)
    harvest = _harvest(lake, wish, site, gateway=gateway)
    periods = len(harvest.table)
    left = ", ".join(f"{n} {why}" for why, n in harvest.left_out.items() if n)
    source = (
        f"Learned by the fleet from summaries, not raw samples, of gateway"
        f" {site}/{gateway}: {periods} periods of {harvest.period_s:g} s"
        f" (left out: {left or 'none'}). Slopes and vibration bursts are not in"
        f" summaries, so the model does not look at them."
    )
    settings = {
        "asset": wish.asset,
        "kind": wish.kind,
        "source": source,
        "window_s": harvest.period_s or 1.0,
        "hop_s": harvest.period_s or 1.0,
        "tags": [{"id": tag} for tag in _tags_of(harvest)],
    }
    result = _learn(harvest, settings, out)
    return result | {
        "site": site,
        "gateway": gateway,
        "periods": periods,
        "period_s": harvest.period_s,
        "left_out": dict(harvest.left_out),
        "tags_left_out": dict(harvest.tags_left_out),
    }


def _place(lake: Lake, wish: Wish) -> tuple[str, str]:
    """Return the one gateway that has the asset, or the one that was asked for."""
    paths = paths_of(lake, Stream.SUMMARY)
    if not paths:
        raise TrainError("the lake holds no summaries")
    rows = _query(lake, _GATEWAYS, [paths, wish.asset])
    places = [
        (str(site), str(gateway))
        for site, gateway in zip(rows["site"], rows["gateway"], strict=True)
        if wish.site in {None, site} and wish.gateway in {None, gateway}
    ]
    if not places:
        raise TrainError(f"the lake has no summaries of {wish.asset!r} from there")
    if len(places) > 1:
        named = ", ".join("/".join(place) for place in places)
        problem = f"{wish.asset!r} is at {named}; choose by --site and --gateway"
        raise TrainError(problem)
    return places[0]


def _harvest(lake: Lake, wish: Wish, site: str, *, gateway: str) -> Harvest:
    own = [site, gateway, wish.asset, wish.from_ns, wish.to_ns]
    found = _query(lake, _ROWS, [paths_of(lake, Stream.SUMMARY), *own])
    rows = Summaries(
        tag=np.asarray(found.pop("tag"), dtype=object),
        start_ns=np.asarray(found.pop("start_ns"), dtype=np.int64),
        **{name: _numbers(column) for name, column in found.items()},
    )
    paths = paths_of(lake, Stream.HEALTH)
    anomalies_ns = np.empty(0, dtype=np.int64)
    if paths:
        anomalies_ns = np.asarray(
            _query(lake, _ANOMALIES, [paths, *own])["time_ns"], dtype=np.int64
        )
    return healthy_table(
        rows,
        wish.asset,
        running=wish.running,
        anomalies_ns=anomalies_ns,
        ignored=wish.ignored,
    )


def _learn(harvest: Harvest, settings: dict[str, Any], out: Path) -> dict[str, Any]:
    """Run the trainer as a child: scikit-learn stays out of this process."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wheeltapper-train-") as folder:
        table, told = Path(folder, "table.npz"), Path(folder, "asset.json")
        write_table(table, harvest.table)
        told.write_text(json.dumps(settings), encoding="utf-8")
        words = ("-m", "models.train", str(table), str(told), "--out", str(out))
        done = subprocess.run(  # noqa: S603 - our own module
            (sys.executable, *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=TRAIN_WITHIN_S,
        )
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError) as error:
        raise TrainError(f"training failed: {done.stderr.strip()}") from error
    if not result["ok"]:
        left = ", ".join(f"{n} {why}" for why, n in harvest.left_out.items() if n)
        raise TrainError(
            f"not learned: {result['error']} (periods left out: {left or 'none'})"
        )
    return result


def _tags_of(harvest: Harvest) -> Sequence[str]:
    return list(dict.fromkeys(n.rpartition(":")[0] for n in harvest.table.names))


def _query(lake: Lake, query: str, parameters: list[Any]) -> dict[str, NDArray[Any]]:
    database = connect()
    try:
        learn_clocks(database, paths_of(lake, Stream.EVENT))
        found: dict[str, NDArray[Any]] = database.execute(
            query, parameters
        ).fetchnumpy()
    except duckdb.Error as error:
        raise LakeError(f"the lake cannot be read: {error}") from error
    finally:
        database.close()
    return found


def _numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers, NaN for what is absent."""
    absent = np.ma.getmaskarray(column)
    return np.where(absent, np.nan, np.ma.getdata(column).astype(np.float64))


def time_ns_of(text: str) -> int:
    """Return the UTC ns of an ISO time.

    Raises:
        ValueError: It is none.
    """
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * _NS
