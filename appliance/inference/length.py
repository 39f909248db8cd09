"""How long a window is where nobody says: short against day and training. Pure."""

from __future__ import annotations

WINDOW_ROWS = 50
"""A window is so many sampling periods …"""

LONGEST_S = 10_800.0
"""… an eighth of a day at most: the spread within a longer one is the day's …"""

FEWEST_ROWS = 16
"""… but not fewer than tell how a value swings (`models.features.rhythm`) …"""

WINDOWS_TO_LEARN = 6
"""… and the training has at least so many windows, side by side."""


def window_rows(period_s: float, train_rows: int) -> int:
    """Return how many sampling periods a window has."""
    most = max(FEWEST_ROWS, int(LONGEST_S / period_s))
    return max(1, min(WINDOW_ROWS, most, train_rows // WINDOWS_TO_LEARN))
