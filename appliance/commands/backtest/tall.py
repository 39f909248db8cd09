"""Exports with one value per row (time, tag, value) put side by side. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.commands.backtest.export import ExportError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from appliance.commands.backtest.columns import Column
    from appliance.commands.backtest.export import TimeColumn, ValueTable
    from models.features.asset import SlotColumn

_TAGS = (
    "tag", "tagname", "tag name", "tag_name", "tag id", "tag_id", "tagid", "point",
    "point name", "point_name", "point id", "pointid", "sensor", "sensor_id", "signal",
    "variable", "parameter", "item", "itemid", "item_id", "channel", "metric",
    "measurement", "node", "nodeid", "node_id", "series", "name", "_field",
)  # fmt: skip
_VALUES = (
    "value", "_value", "val", "reading", "numericvalue", "numeric_value", "vvalue",
    "value_num", "wert", "valeur", "valor",
)  # fmt: skip
_MOST_TAGS = 2000
_MOST_CELLS = 400_000_000


class Pivoted(NamedTuple):
    """`values` [moments, names]; `first` is the row that gave each moment its text."""

    names: tuple[str, ...]
    time_ns: TimeColumn
    values: ValueTable
    first: SlotColumn


def tall_columns(
    names: Sequence[str], cells: Sequence[Sequence[str]], time_at: Sequence[int]
) -> tuple[int, int] | None:
    """Return where tag and value stand if each row is one value of one tag."""
    low = [name.strip().lower() for name in names]
    tag = next((low.index(each) for each in _TAGS if each in low), None)
    value = next((low.index(each) for each in _VALUES if each in low), None)
    if tag is None or value is None or not time_at or tag in time_at:
        return None
    distinct = {cell.strip() for cell in cells[tag]}
    numeric = all(each.replace(".", "").replace("-", "").isdigit() for each in distinct)
    if numeric or len(distinct) > max(1, len(cells[tag]) // 2):
        return None
    return tag, value


def pivoted(when_ns: TimeColumn, columns: Collection[Column]) -> Pivoted:
    """Return one row per moment in order of time; a tag holds until its next value.

    A bad or missing value ends the one before it. Of several values of one tag at
    one moment the last counts.

    Raises:
        ExportError: Too many tags to judge together.
    """
    tags = next(each for each in columns if each.as_text)
    value = next(each for each in columns if not each.as_text).values()
    places: dict[str, int] = {}
    slot = np.array([places.setdefault(t.strip(), len(places)) for t in tags.texts])
    time_ns, first, row = np.unique(when_ns, return_index=True, return_inverse=True)
    if len(places) > _MOST_TAGS or len(places) * len(time_ns) > _MOST_CELLS:
        raise ExportError(
            f"{len(places)} tags at {len(time_ns)} moments are too many to judge "
            "together; export one machine's tags at a time"
        )
    latest = np.full((len(time_ns), len(places)), -1, dtype=np.int64)
    latest[row, slot] = np.arange(len(slot))
    np.maximum.accumulate(latest, axis=0, out=latest)
    values = np.where(latest < 0, np.nan, value[latest])
    names = tuple(name or "unnamed" for name in places)
    return Pivoted(names, time_ns, values, first)
