"""From a table to a bundle."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from models.bundle import OUTPUTS, SCHEMA, Bundle, Manifest, TagUnit
from models.features import FEATURES_VERSION, tag_of
from models.train.card import card_of
from models.train.graph import graph_of
from models.train.limit import calibrate
from models.train.parity import check_parity
from models.train.prepare import prepare

if TYPE_CHECKING:
    from models.features import FeatureTable
    from models.train.prepare import TrainingRows
    from models.train.settings import TrainingSettings


def learn(table: FeatureTable, settings: TrainingSettings) -> Bundle:
    """Learn what is normal from the rows of a healthy period.

    The version is the time of the last row and the graph's digest: the same table
    and settings give the same bundle.

    Raises:
        TrainingError: Too little to learn from, or the graph is not what was fitted.
    """
    rows = prepare(table, settings)
    model, calibration = calibrate(
        rows.values, rows.floor, overlap_rows=settings.overlap_rows
    )
    graph = graph_of(model)
    golden, parity_max = check_parity(graph, model, rows.values)
    first, last = (_utc(rows.time_ns[i]) for i in (0, -1))
    digest = hashlib.sha256(graph).hexdigest()
    manifest = Manifest(
        schema=SCHEMA,
        asset=settings.asset,
        version=f"{last:%Y%m%dT%H%M%SZ}-{digest[:8]}",
        features_version=FEATURES_VERSION,
        features=rows.names,
        dropped=dict(rows.dropped),
        tags=_units(rows, settings),
        window_s=settings.window_s,
        hop_s=settings.hop_s,
        outputs=OUTPUTS,
        limit=1.0,
        calibration=calibration,
        modes=settings.modes,
        trained_from=first,
        trained_to=last,
        rows=len(rows.values),
        parity_max=parity_max,
    )
    card = card_of(manifest, settings, components=model.pca.n_components_)
    return Bundle(manifest, graph, golden, card)


def _utc(time_ns: int) -> datetime:
    return datetime.fromtimestamp(int(time_ns) // 1000 / 1e6, tz=UTC)


def _units(rows: TrainingRows, settings: TrainingSettings) -> tuple[TagUnit, ...]:
    units = {tag.id: tag.units for tag in settings.tags}
    used = dict.fromkeys(tag_of(name) for name in rows.names)
    return tuple(TagUnit(tag, units.get(tag, "")) for tag in used)
