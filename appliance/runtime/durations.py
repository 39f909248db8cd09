"""Durations as people write them."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)(?P<unit>s|m|h|d|)")
_UNIT_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class DurationError(ValueError):
    """The text is not a duration."""


def seconds(text: str) -> float:
    """Return the seconds of `90`, `90s`, `3m`, `1.5h` or `2d`.

    Raises:
        DurationError: Anything else.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise DurationError(f"{text!r} is not a duration; write 90s, 3m, 1h or 2d")
    return float(match["amount"]) * _UNIT_S[match["unit"]]
