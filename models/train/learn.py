"""From a table to a bundle."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from models.bundle import OUTPUTS, SCHEMA, Bundle, Manifest, ModeCard, TagUnit
from models.features import FEATURES_VERSION, tag_of
from models.reference import Reference
from models.train.card import card_of
from models.train.enough import enough
from models.train.graph import graph_of
from models.train.limit import calibrate, calibration_of
from models.train.modes import modes_of, scored_only
from models.train.parity import check_parity
from models.train.prepare import prepare
from models.train.sensors import learn_sensors, stand_in

if TYPE_CHECKING:
    from models.features import FeatureTable
    from models.sensors import StandIn
    from models.train.distance import DistanceModel
    from models.train.prepare import TrainingRows
    from models.train.settings import TrainingSettings


def learn(table: FeatureTable, settings: TrainingSettings) -> Bundle:
    """Learn what is normal from the rows of a healthy period.

    The version is the time of the last row and the graph's digest: the same table
    and settings give the same bundle.

    Raises:
        TrainingError: Too little to learn from, or the graph is not what was fitted.
    """
    found = modes_of(table, settings)
    names = found.modes.names
    settings = msgspec.structs.replace(settings, modes=names)
    scored = scored_only(table)
    rows = prepare(scored, settings, found.labels)
    learned = [_learn_mode(rows, place, settings) for place in range(len(names))]
    models = [each.model for each in learned]
    cards = [each.card for each in learned]
    sensors = learn_sensors(scored, settings)
    stand_ins = tuple(each.stand_in for each in learned)
    sensors = msgspec.structs.replace(sensors, stand_ins=stand_ins)
    graph = graph_of(models)
    golden, parity_max = check_parity(graph, models, rows.values, rows.mode)
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
        calibration=calibration_of(settings),
        detectors=models[0].detectors,
        modes=tuple(cards),
        mode_map=found.modes,
        modes_left_out=dict(found.left_out),
        sensors=sensors,
        reference=tuple(each.reference for each in learned),
        learning=enough(rows, models, cards, settings),
        trained_from=first,
        trained_to=last,
        rows=len(rows.values),
        parity_max=parity_max,
    )
    costs = {name: part.cost for name, part in models[0].looks.items()}
    card = card_of(manifest, settings, graph_bytes=len(graph), costs=costs)
    return Bundle(manifest, graph, golden, card)


class _Learned(NamedTuple):
    """What is learned of one mode."""

    model: DistanceModel
    card: ModeCard
    reference: Reference
    stand_in: StandIn


def _learn_mode(rows: TrainingRows, place: int, settings: TrainingSettings) -> _Learned:
    own = rows.values[rows.mode == place]
    still = rows.still[place]
    model, limit = calibrate(own, rows.floor[place], rows.names, settings, still=still)
    stood = {rows.names[i]: float(rows.floor[place, i]) for i in np.flatnonzero(still)}
    name = settings.modes[place]
    healthy = own[model.answers(own).score <= 1.0]
    usual = {"center": model.center, "scale": model.scale}
    return _Learned(
        model,
        ModeCard(name=name, rows=len(own), still=stood, **limit._asdict()),
        Reference.of(healthy),
        stand_in(rows.names, own, **usual),
    )


def _utc(time_ns: int) -> datetime:
    return datetime.fromtimestamp(int(time_ns) // 1000 / 1e6, tz=UTC)


def _units(rows: TrainingRows, settings: TrainingSettings) -> tuple[TagUnit, ...]:
    units = {tag.id: tag.units for tag in settings.tags}
    used = dict.fromkeys(tag_of(name) for name in rows.names)
    return tuple(TagUnit(tag, units.get(tag, "")) for tag in used)
