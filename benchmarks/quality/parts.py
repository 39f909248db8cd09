"""The parts a model may be made of, side by side on the development halves.

Every set of parts learns and judges the same rows by the code of the backtest, within
this process: what is compared is the choice of parts, and nothing else.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from appliance.inference.causal import CausalSettings, Sheet, learn_and_judge
from appliance.inference.detector import BundleDetector
from benchmarks.quality import sets
from benchmarks.quality.scores import States
from benchmarks.quality.smaller import KINDS, smaller
from models.bundle import GRAPH, write_bundle
from models.parts import AUTOENCODER, DEFAULT_PARTS, FOREST, NEIGHBOURS
from models.train.learn import learn
from models.train.settings import parse_settings
from models.train.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.quality.sets import Labelled
    from models.features import FeatureTable

PART_SETS = (
    DEFAULT_PARTS,
    (*DEFAULT_PARTS, NEIGHBOURS),
    (*DEFAULT_PARTS, FOREST),
    (*DEFAULT_PARTS, AUTOENCODER),
    (*DEFAULT_PARTS, NEIGHBOURS, FOREST, AUTOENCODER),
    (NEIGHBOURS,),
    (FOREST,),
    (AUTOENCODER,),
)
"""As shipped, each further part beside it, all, and each of them alone."""

_ASKED, _WARMING = 1000, 50


class Row(NamedTuple):
    """What a set of parts did: SKAB's states, TEP's rates, and what it costs."""

    name: str
    skab: States
    detected_pct: float
    false_pct: float
    before_pct: float
    graph_bytes: tuple[int, ...]
    p50_us: tuple[float, ...]


@dataclass
class Trainer:
    """Learns in this process; the same table and settings are learned once.

    `kind`: the graph's matrices are stored in fewer bits (`smaller.KINDS`).
    """

    folder: Path
    kind: str = ""
    learned: dict[str, Path] = field(default_factory=dict)

    def __call__(self, table: FeatureTable, settings: Mapping[str, Any]) -> Path:
        """Return the folder of the bundle."""
        content = msgspec.json.encode(settings)
        key = hashlib.sha256(content + table.values.tobytes()).hexdigest()
        if key not in self.learned:
            bundle = learn(table, parse_settings(content))
            if self.kind:
                bundle = smaller(bundle, self.kind)
            self.learned[key] = write_bundle(self.folder / key, bundle)
        return self.learned[key]

    def newest(self) -> Path:
        """Return what was learned last."""
        return list(self.learned.values())[-1]


def compared(
    data: Path, out: Path, *, quick: bool, wanted: Sequence[str] = ()
) -> Iterator[Row]:
    """Judge SKAB and TEP by every set of parts, and by what is shipped made smaller.

    `wanted`: by these parts alone.
    """
    choices = [(tuple(wanted), "")] if wanted else [(each, "") for each in PART_SETS]
    if not wanted:
        choices += [(DEFAULT_PARTS, kind) for kind in KINDS]
    for parts, kind in choices:
        trainer = Trainer(out / f"{'+'.join(parts)}{kind}", kind)
        with one_thread():
            yield _row(parts, data, trainer, quick=quick)


def name_of(parts: Sequence[str]) -> str:
    """Return the set of parts in words: what is shipped, and what is beside it."""
    if tuple(parts[: len(DEFAULT_PARTS)]) != DEFAULT_PARTS:
        return f"{', '.join(parts)} alone"
    more = parts[len(DEFAULT_PARTS) :]
    return f"shipped and {', '.join(more)}" if more else "as shipped"


def _row(parts: tuple[str, ...], data: Path, trainer: Trainer, *, quick: bool) -> Row:
    settings = CausalSettings(parts=parts)
    states = _skab(sets.skab(data / "skab"), trainer, settings, quick=quick)
    costs = [cost_of(trainer.newest())]
    rates = _tep(
        sets.tep(data / "tep", trainer.folder / "tep"), trainer, settings, quick=quick
    )
    costs.append(cost_of(trainer.newest()))
    sizes, times = zip(*costs, strict=True)
    name = name_of(parts) + (f", matrices in {trainer.kind}" if trainer.kind else "")
    return Row(name, states, *rates, sizes, times)


def _skab(
    files: Mapping[str, Labelled],
    trainer: Trainer,
    settings: CausalSettings,
    *,
    quick: bool,
) -> States:
    states, tested = States(), slice(sets.SKAB_TRAIN_ROWS, None)
    for name in list(files)[::6] if quick else files:
        file = files[name]
        said = _said(file, sets.SKAB_TRAIN_ROWS, trainer, settings)
        states.add(file.anomaly[tested], said, file.time_ns[tested])
    return states


def _tep(
    files: Mapping[str, Labelled],
    trainer: Trainer,
    settings: CausalSettings,
    *,
    quick: bool,
) -> tuple[float, float, float]:
    """Return the rows detected, the false ones of the healthy run, those before."""
    detected, before, false = [], [], float("nan")
    for name in list(files)[:2] if quick else files:
        file = files[name]
        said = _said(file, sets.TEP_TRAIN_ROWS, trainer, settings)
        labels = file.anomaly[sets.TEP_TRAIN_ROWS :]
        healthy = 100.0 * float(said[~labels].mean())
        if not labels.any():
            false = healthy
        elif name.removesuffix(".csv") not in sets.HIDDEN_FAULTS:
            before.append(healthy)
            detected.append(100.0 * float(said[labels].mean()))
    return float(np.mean(detected)), false, float(np.mean(before))


def _said(
    file: Labelled, train_rows: int, trainer: Trainer, settings: CausalSettings
) -> np.ndarray:
    names = tuple(f"sensor {i + 1}" for i in range(file.values.shape[1]))
    sheet = Sheet(file.time_ns, names, file.values)
    judged = learn_and_judge(
        sheet, train_rows=train_rows, train=trainer, settings=settings
    )
    return np.asarray(judged.anomaly)


def cost_of(folder: Path) -> tuple[int, float]:
    """Return the size of a bundle's graph and the median time of one row, in µs."""
    detector = BundleDetector.load(folder)
    (rows, *_) = detector.reference().values()
    times = []
    for i in range(_ASKED + _WARMING):
        row = rows[i % len(rows)].tolist()
        begin = time.perf_counter_ns()
        detector.score(row)
        times.append(time.perf_counter_ns() - begin)
    size = (folder / GRAPH).stat().st_size
    return size, float(np.median(times[_WARMING:])) / 1000.0
