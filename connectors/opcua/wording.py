"""Words that several diagnostics share. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.domain.tag import TagId

_NAMED = 5
_Reason = TypeVar("_Reason")


def few(tags: Sequence[TagId]) -> str:
    """Name the first tags and count the others.

    >>> few(["P-101/a", "P-101/b"])
    'P-101/a, P-101/b'
    """
    named = ", ".join(tags[:_NAMED])
    more = len(tags) - _NAMED
    return f"{named} and {more} more" if more > 0 else named


def grouped_by(
    reasons: Mapping[TagId, _Reason],
) -> Iterator[tuple[_Reason, tuple[TagId, ...]]]:
    """Yield each reason once, with all tags it holds for: a flood becomes one line."""
    found: defaultdict[_Reason, list[TagId]] = defaultdict(list)
    for tag, reason in reasons.items():
        found[reason].append(tag)
    for reason, tags in found.items():
        yield reason, tuple(tags)


def span_words(seconds: float) -> str:
    """Return a length of time as a person says it.

    >>> span_words(3700), span_words(90), span_words(86_400 * 800)
    ('1 h 1 min', '1 min 30 s', '2 years')
    """
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days >= 730:  # noqa: PLR2004 - two years
        return f"{days // 365} years"
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
