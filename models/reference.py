"""What a bundle remembers of its training: healthy rows, and whether it was enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from models.features.table import FloatTable

ROWS = 48
"""Of a mode: so few tell a drift of a spread and a half, and weigh a few kilobytes."""


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Healthy rows of a mode, spread evenly over the training, in its order.

    In the order of the manifest's features.
    """

    rows: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(cls, rows: FloatTable) -> Reference:
        """Choose from all healthy rows of a mode."""
        places = np.unique(np.linspace(0, len(rows) - 1, ROWS).astype(int))
        chosen = rows[places].astype(np.float32) if len(rows) else rows
        return cls(tuple(tuple(_short(each) for each in row) for row in chosen))

    def table(self) -> FloatTable:
        """Return the rows [rows, features]."""
        return np.array(self.rows, dtype=np.float64)


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Had only a first `part` of the training been there, what of the next quarter?

    `strange` is which part of it would have been abnormal (beyond the limit of an
    anomaly), `limit` how far normal would have reached beside what was learned in the
    end: 2.0 is twice as far.
    """

    part: float
    strange: float
    limit: float


class Learning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether there was enough to learn from: measured, not supposed.

    `independent` windows that share no values; `missing` says, in words, what speaks
    against it, and `more_h` how many hours of running would help; nothing missing is
    enough. `trials` are of the mode with the most rows.
    """

    independent: int = 0
    trials: tuple[Trial, ...] = ()
    missing: tuple[str, ...] = ()
    more_h: float = 0.0


def _short(value: float) -> float:
    return float(f"{value:.8g}")
