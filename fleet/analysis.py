"""How each asset has been doing, from the lake's health and summary rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from appliance.domain.health import derived_tags
from appliance.domain.model_figures import figure_of_tag
from appliance.wire.outbox import Stream
from fleet.clocks import learn_clocks, rows_of
from fleet.parts import LakeError, connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fleet.lake import Lake

MIN_ROWS = 3
"""Fewer rows have no trend."""
WEEK_AFTER_D = 1.0
"""Anomalies of a shorter time are not made out to be so many a week."""

_CAUSES, _DRIFTS = 3, 3
_DAY_NS = 86_400e9
_Key = tuple[str, str, str]

_HEALTH = f"""
WITH rows AS (
    SELECT *, (time_ns - min(time_ns) OVER own) / 86400e9 AS day,
        anomaly AND NOT coalesce(lag(anomaly) OVER in_order, false) AS begins
    FROM {rows_of(Stream.HEALTH)}
    WINDOW own AS (PARTITION BY site, gateway, asset),
        in_order AS (PARTITION BY site, gateway, asset ORDER BY time_ns)
)
SELECT site, gateway, asset, count(*), min(time_ns), max(time_ns),
    count("index"), regr_slope("index", day),
    arg_max("index", time_ns) FILTER ("index" IS NOT NULL),
    count(*) FILTER (begins),
    max(time_ns) FILTER (life_h IS NOT NULL),
    arg_max(model, time_ns)
FROM rows GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 - our own words
_LIFE = f"""
SELECT site, gateway, asset, life_h, life_low_h, life_high_h, time_ns
FROM {rows_of(Stream.HEALTH)}
WHERE life_h IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY site, gateway, asset ORDER BY time_ns DESC) = 1
"""  # noqa: S608 - our own words
_CAUSE = f"""
SELECT site, gateway, asset, cause, count(*) AS often
FROM {rows_of(Stream.HEALTH)}
WHERE anomaly AND cause <> ''
GROUP BY ALL ORDER BY often DESC, cause
"""  # noqa: S608 - our own words
_SUMMARY = f"""
WITH rows AS (
    SELECT *, split_part(tag, '/', 1) AS asset,
        (start_ns - min(start_ns) OVER (PARTITION BY site, gateway, tag)) / 86400e9
            AS day
    FROM {rows_of(Stream.SUMMARY)}
)
SELECT site, gateway, asset, tag, sum("count"), sum(bad), count(mean),
    regr_slope(mean, day), regr_slope(mean, day) * (max(day) - min(day)),
    sqrt(avg(std * std)), arg_max(mean, start_ns) FILTER (mean IS NOT NULL)
FROM rows GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 - our own words


class Drift(msgspec.Struct, frozen=True):
    """A tag whose mean moves: by how much in all, in units of its usual scatter."""

    tag: str
    last: float
    slope_per_day: float
    change: float
    sigmas: float


class Life(msgspec.Struct, frozen=True):
    """The last estimate of remaining useful life; a bound of None is open."""

    expected_h: float
    low_h: float | None
    high_h: float | None
    time_ns: int


class Cause(msgspec.Struct, frozen=True):
    """A tag, and how many anomalous rows it contributed most to."""

    tag: str
    rows: int


class AssetTrend(msgspec.Struct, frozen=True, kw_only=True):
    """One asset of one gateway over all that the lake holds.

    `health_index` is the last one, `slope_per_day` its trend. `anomalies` counts
    beginnings. None: there is too little to say.
    """

    site: str
    gateway: str
    asset: str
    from_ns: int = 0
    to_ns: int = 0
    rows: int = 0
    model: str = ""
    health_index: float | None = None
    slope_per_day: float | None = None
    life: Life | None = None
    anomalies: int = 0
    anomalies_per_week: float | None = None
    causes: tuple[Cause, ...] = ()
    drifts: tuple[Drift, ...] = ()
    bad_pct: float | None = None


def trends_of(lake: Lake, asset: str | None = None) -> tuple[AssetTrend, ...]:
    """Return the trend of every asset, or of one.

    Raises:
        LakeError: A file cannot be read.
    """
    database = connect()
    try:
        learn_clocks(database, paths_of(lake, Stream.EVENT))
        found: dict[_Key, dict[str, Any]] = {}
        for key, values in (
            *_health(database, paths_of(lake, Stream.HEALTH)),
            *_summaries(database, paths_of(lake, Stream.SUMMARY)),
        ):
            found.setdefault(key, {}).update(values)
    except duckdb.Error as error:
        raise LakeError(f"the lake cannot be read: {error}") from error
    finally:
        database.close()
    return tuple(
        AssetTrend(site=key[0], gateway=key[1], asset=key[2], **found[key])
        for key in sorted(found)
        if asset is None or key[2] == asset
    )


def paths_of(lake: Lake, stream: Stream) -> list[str]:
    """Return the files of a stream, for a query of our own."""
    folder = f"stream={stream}"
    return [str(path) for path in lake.paths() if folder in path.parts]


def _health(
    database: duckdb.DuckDBPyConnection, paths: Sequence[str]
) -> Iterator[tuple[_Key, dict[str, Any]]]:
    if not paths:
        return
    for row in database.execute(_HEALTH, [paths]).fetchall():
        *key, rows, from_ns, to_ns, known, slope, last, begun, _, model = row
        days = (to_ns - from_ns) / _DAY_NS
        yield (
            _key(key),
            {
                "rows": rows,
                "from_ns": from_ns,
                "to_ns": to_ns,
                "model": model,
                "health_index": last,
                "slope_per_day": slope if known >= MIN_ROWS else None,
                "anomalies": begun,
                "anomalies_per_week": 7 * begun / days
                if days >= WEEK_AFTER_D
                else None,
            },
        )
    for *key, expected, low, high, time_ns in database.execute(
        _LIFE, [paths]
    ).fetchall():
        yield _key(key), {"life": Life(expected, low, high, time_ns)}
    causes: dict[_Key, list[Cause]] = {}
    for *key, tag, often in database.execute(_CAUSE, [paths]).fetchall():
        causes.setdefault(_key(key), []).append(Cause(tag, often))
    for known_key, most in causes.items():
        yield known_key, {"causes": tuple(most[:_CAUSES])}


def _summaries(
    database: duckdb.DuckDBPyConnection, paths: Sequence[str]
) -> Iterator[tuple[_Key, dict[str, Any]]]:
    if not paths:
        return
    rows: dict[_Key, list[tuple[Any, ...]]] = {}
    for row in database.execute(_SUMMARY, [paths]).fetchall():
        key = _key(row[:3])
        derived = {each.id for each in derived_tags(key[2])}
        if row[3] not in derived and figure_of_tag(row[3]) is None:
            rows.setdefault(key, []).append(row[3:])
    for known_key, own in rows.items():
        good, bad = sum(row[1] for row in own), sum(row[2] for row in own)
        drifts = [_drift(row) for row in own]
        moved = sorted(filter(None, drifts), key=lambda each: -abs(each.sigmas))
        yield (
            known_key,
            {
                "bad_pct": 100.0 * bad / (good + bad) if good + bad else None,
                "drifts": tuple(moved[:_DRIFTS]),
            },
        )


def _drift(row: tuple[Any, ...]) -> Drift | None:
    tag, _, _, periods, slope, change, scatter, last = row
    if periods < MIN_ROWS or slope is None or not scatter:
        return None
    return Drift(tag, last, slope, change, change / scatter)


def _key(parts: Sequence[Any]) -> _Key:
    site, gateway, asset = parts
    return str(site), str(gateway), str(asset)


def lines_of(trends: Sequence[AssetTrend]) -> tuple[str, ...]:
    """Return the trends for people."""
    lines: list[str] = []
    for each in trends:
        slope = _text(each.slope_per_day, "{:+.4f} a day")
        weekly = _text(each.anomalies_per_week, "{:.1f} a week")
        lines += [
            f"{each.site}/{each.gateway} {each.asset}",
            f"    health      {_text(each.health_index, '{:.3f}')} ({slope})",
            f"    judged      {each.rows} times, last by model {each.model or '-'}",
            f"    life        {_life(each.life)}",
            f"    anomalies   {each.anomalies} ({weekly})",
        ]
        lines += [f"    cause       {c.tag} ({c.rows} rows)" for c in each.causes]
        lines += [
            f"    drift       {d.tag} {d.change:+.3g} to {d.last:.4g}"
            f" ({d.sigmas:+.1f} of its scatter)"
            for d in each.drifts
        ]
        lines.append(f"    bad samples {_text(each.bad_pct, '{:.2f} %')}")
    return tuple(lines) or ("no asset is known to this lake",)


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _life(life: Life | None) -> str:
    if life is None:
        return "no trend towards failure"
    low, high = (_text(bound, "{:.4g}") for bound in (life.low_h, life.high_h))
    return f"{life.expected_h:.4g} h ({low} to {high})"
