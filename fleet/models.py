"""How each model does at each site, from what the gateways tell of it hour by hour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from appliance.domain.model_figures import figure_of_tag
from appliance.wire.outbox import Stream
from fleet.analysis import paths_of
from fleet.clocks import learn_clocks, rows_of
from fleet.parts import LakeError, connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fleet.lake import Lake

_MODELS = f"""
SELECT site, gateway, tag, min(start_ns), max(start_ns + period_s * 1e9)::BIGINT,
    sum("count")::BIGINT, sum(bad)::BIGINT,
    sum("count" * mean) / nullif(sum("count") FILTER (mean IS NOT NULL), 0),
    min("min"), max("max"), arg_max("last", start_ns) FILTER ("last" IS NOT NULL)
FROM {rows_of(Stream.SUMMARY)}
WHERE contains(tag, '/model_')
GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 - our own words
_MEGABYTE = 1e6


class Figure(msgspec.Struct, frozen=True):
    """A figure over all hours: its mean, its bounds, the last; None: never known."""

    mean: float | None
    low: float | None
    high: float | None
    last: float | None


class ModelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one asset of one gateway.

    `looks` are the minutes in which it judged, `idle` those in which it did not.
    """

    site: str
    gateway: str
    asset: str
    version: str
    from_ns: int
    to_ns: int
    looks: int
    idle: int
    figures: dict[str, Figure]


def models_of(lake: Lake, asset: str | None = None) -> tuple[ModelReport, ...]:
    """Return every model that a lake knows of, the newest of an asset last.

    Raises:
        LakeError: A file cannot be read.
    """
    paths = paths_of(lake, Stream.SUMMARY)
    if not paths:
        return ()
    database = connect()
    try:
        learn_clocks(database, paths_of(lake, Stream.EVENT))
        rows = database.execute(_MODELS, [paths]).fetchall()
    except duckdb.Error as error:
        raise LakeError(f"the lake cannot be read: {error}") from error
    finally:
        database.close()
    found: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for site, gateway, tag, *rest in rows:
        name = figure_of_tag(tag)
        if name is not None and asset in {None, name.asset}:
            key = (site, gateway, name.asset, name.version)
            found.setdefault(key, []).append((name.figure, *rest))
    reports = (_report(key, figures) for key, figures in found.items())
    return tuple(sorted(reports, key=lambda m: (m.site, m.gateway, m.asset, m.from_ns)))


def _report(key: tuple[str, ...], figures: Sequence[tuple[Any, ...]]) -> ModelReport:
    names, begins, ends, looks, idle, *numbers = zip(*figures, strict=True)
    site, gateway, asset, version = key
    return ModelReport(
        site=site,
        gateway=gateway,
        asset=asset,
        version=version,
        from_ns=min(begins),
        to_ns=max(ends),
        looks=max(looks),
        idle=max(idle),
        figures={
            name: Figure(*each)
            for name, each in zip(names, zip(*numbers, strict=True), strict=True)
        },
    )


def lines_of_models(models: Sequence[ModelReport]) -> tuple[str, ...]:
    """Return them for people."""
    lines = [line for each in models for line in _lines_of(each)]
    return tuple(lines) or ("no model has told of itself to this lake",)


def _lines_of(each: ModelReport) -> tuple[str, ...]:
    known, minutes = each.figures, each.looks + each.idle
    span = f"{_time(each.from_ns)} to {_time(each.to_ns)}"
    sure = _text(known, "confidence", "mean", "{:.0%}")
    worst = _text(known, "confidence", "low", "{:.0%}")
    unknown = _text(known, "unknown_mode_share", "mean", "{:.0%}")
    return (
        f"{each.site}/{each.gateway} {each.asset} model {each.version}",
        f"    judged      in {each.looks} of {minutes} minutes, {span}",
        f"    takes       {_pair(known, 'took_ms', '{:.1f} ms')}",
        f"    score       {_pair(known, 'score', '{:.2f} of its limit')}",
        f"    confidence  {sure}, at worst {worst}",
        f"    unknown     modes {unknown} of the time",
        f"    drifted     {_text(known, 'drifted', 'mean', '{:.0%}')} of the time",
        f"    memory      {_megabytes(known)} of its process",
    )


def _pair(known: Mapping[str, Figure], name: str, form: str) -> str:
    """Return median and 99th percentile, as they were in the mean of the hours."""
    median = _text(known, f"{name}_p50", "mean", form)
    tail = _text(known, f"{name}_p99", "mean", form)
    worst = _text(known, f"{name}_p99", "high", form)
    return f"{median} (median), {tail} (99 of 100), at worst {worst}"


def _text(known: Mapping[str, Figure], name: str, part: str, form: str) -> str:
    figure = known.get(name)
    value = None if figure is None else getattr(figure, part)
    return "-" if value is None else form.format(value)


def _megabytes(known: Mapping[str, Figure]) -> str:
    figure = known.get("memory_bytes")
    if figure is None or figure.high is None:
        return "-"
    return f"{figure.high / _MEGABYTE:.0f} MB at most"


def _time(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // 10**9, UTC):%Y-%m-%d %H:%M}"
