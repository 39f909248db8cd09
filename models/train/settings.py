"""What training is told besides the table: a strict JSON document."""

from __future__ import annotations

import math

import msgspec

from models.features import FEATURES_VERSION
from models.modes import ModeMap  # noqa: TC001 - msgspec reads the annotations
from models.parts import ALL_PARTS, DEFAULT_PARTS


class TrainingError(Exception):
    """No model can be learned from this; the message says why."""


class TagSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tag's units and instrument range; without a range (None) it gives no floor."""

    id: str
    units: str = ""
    range_low: float | None = None
    range_high: float | None = None

    @property
    def span(self) -> float:
        """Width of the range, 0 where it is not known."""
        if self.range_low is None or self.range_high is None:
            return 0.0
        width = self.range_high - self.range_low
        return width if math.isfinite(width) and width > 0.0 else 0.0


class TrainingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The asset and its windows.

    `false_alarms_per_week` is what somebody is ready to bear.
    `kind` and `source` (where the table comes from, as a sentence) are for the card
    alone. Modes are learned from `mode_tags`, unless a map is `declared`; `modes` are
    their names once they are known. `twins` are groups of tags that measure the same,
    `cross_checked` tags follow from all others while their instrument is well. `parts`
    are what the score is made of; `features` names rhythms that it looks at as well.
    """

    asset: str
    tags: tuple[TagSettings, ...]
    window_s: float
    hop_s: float
    kind: str = "machine"
    source: str = ""
    modes: tuple[str, ...] = ("running",)
    false_alarms_per_week: float = 1.0
    mode_tags: tuple[str, ...] = ()
    mode_dwell_s: float = 0.0
    declared: ModeMap | None = None
    twins: tuple[tuple[str, ...], ...] = ()
    cross_checked: tuple[str, ...] = ()
    parts: tuple[str, ...] = DEFAULT_PARTS
    features: tuple[str, ...] = ()
    features_version: int = FEATURES_VERSION

    def __post_init__(self) -> None:
        if not 0 < self.hop_s <= self.window_s:
            raise ValueError("needs 0 < hop_s <= window_s")
        if self.features_version != FEATURES_VERSION:
            raise ValueError(
                f"the table has features_version {self.features_version}, "
                f"this trainer computes {FEATURES_VERSION}"
            )
        strange = [name for name in self.parts if name not in ALL_PARTS]
        if strange:
            raise ValueError(f"no such parts: {', '.join(strange)}")
        if len(set(self.parts)) != len(self.parts) or not self.parts:
            raise ValueError("parts: at least one, and each once")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The parts in their usual order."""
        return tuple(name for name in ALL_PARTS if name in self.parts)

    @property
    def overlap_rows(self) -> int:
        """How many rows before and after a row share values with it."""
        return max(0, math.ceil(self.window_s / self.hop_s - 1e-9) - 1)


def parse_settings(content: bytes) -> TrainingSettings:
    """Decode the settings.

    Raises:
        TrainingError: What is wrong, with its place.
    """
    try:
        return msgspec.json.decode(content, type=TrainingSettings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"settings: {error}") from error
