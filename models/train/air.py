"""What the air does to temperatures, and a few days of training cannot show.

Every temperature of a machine rises and falls with the air around it, together. A model
learned within a week has not seen the season. So the direction in which all its
temperatures move by the same amount is believed to vary by some kelvin, the more the
shorter the training was. One temperature that leaves the others is as telling as ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.features import tag_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.features.asset import FloatColumn
    from models.train.settings import TrainingSettings

SEASON_K = 6.0
"""Standard deviation of the air over the seasons, indoors and out."""
_YEAR_S = 365.25 * 86_400.0
_KELVIN = {
    **dict.fromkeys(("degC", "°C", "K"), 1.0),
    **dict.fromkeys(("degF", "°F"), 1.8),
}
_LEVELS = frozenset({"mean", "last"})


def air_of(
    names: Sequence[str], settings: TrainingSettings, *, rows: int
) -> FloatColumn:
    """Return by how much the air may move each feature, in its own units.

    It fades to nothing as the `rows` learned from come near a year.
    """
    unseen = max(0.0, 1.0 - rows * settings.hop_s / _YEAR_S)
    units = {tag.id: tag.units for tag in settings.tags}
    each = [
        _KELVIN.get(units.get(tag_of(name), ""), 0.0)
        if name.rpartition(":")[2] in _LEVELS
        else 0.0
        for name in names
    ]
    return SEASON_K * unseen * np.array(each, dtype=np.float64)
