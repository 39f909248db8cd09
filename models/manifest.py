"""What a bundle says of itself: where it comes from, how its limits were found."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations

import msgspec

from models.modes import ModeMap
from models.reference import Learning, Reference
from models.sensors import Sensors


class TagUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tag the model looks at."""

    id: str
    units: str


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the limits were found, so that a score of 1 can be understood.

    Rows were scored in so many contiguous `blocks`, in turn, each by a model that had
    not seen it; beyond their `tail_quantile` the scores were extrapolated by `tail` to
    `probability` per window, which is what a budget of `false_alarms_per_week`
    leaves.
    """

    method: str
    blocks: tuple[int, ...]
    tail: str
    tail_quantile: float
    false_alarms_per_week: float
    probability: float


class ModeCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way of running, which has a normal of its own.

    `rows` it was learned from, `suspect_rows` of them left out as not healthy;
    `raw_limit` is the limit before scaling it to `Manifest.limit`, from
    `held_out_rows` scores, times `safety_factor`. The state of the moment is abnormal
    from `anomaly_limit` on and normal again below `normal_limit` (both at most
    `Manifest.limit`); a state that lasts is worth a person from `evidence_limit` on
    (`models.lasting`). A jump beyond `change_limit` is a change. None: not learned.
    `still` features never moved while they were learned: how far each may go.
    """

    name: str
    rows: int
    held_out_rows: int
    safety_factor: float
    raw_limit: float
    anomaly_limit: float = 1.0
    normal_limit: float = 1.0
    evidence_limit: float | None = None
    change_limit: float | None = None
    suspect_rows: int = 0
    still: dict[str, float] = {}


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a bundle says of itself.

    `features` in the order of the graph's input, `detectors` in that of its output,
    `modes` by the graph's number; `dropped` features of the table with the reason.
    `trained_from` and `trained_to` are the ends of the first and the last training
    window. `reference` has healthy rows of each mode, `learning` whether it was
    enough. `sha256` has every file; that of the manifest is taken with its own entry
    empty.
    """

    schema: int
    asset: str
    version: str
    features_version: int
    features: tuple[str, ...]
    dropped: dict[str, str]
    tags: tuple[TagUnit, ...]
    window_s: float
    hop_s: float
    outputs: tuple[str, ...]
    limit: float
    calibration: Calibration
    detectors: tuple[str, ...]
    modes: tuple[ModeCard, ...]
    mode_map: ModeMap = ModeMap.single()
    modes_left_out: dict[str, str] = {}
    sensors: Sensors = Sensors()
    reference: tuple[Reference, ...] = ()
    learning: Learning = Learning()
    trained_from: datetime
    trained_to: datetime
    rows: int
    parity_max: float
    sha256: dict[str, str] = {}
