"""What is wrong with a source itself, while it is: worth an alarm, not a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from appliance.domain.tag import TagId


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A fault of a source that stands until it is mended.

    `key` is stable and unique within its source (`clock`, `certificate`,
    `tag P-101/flow`): while it is listed the alarm is active, and when it is gone the
    alarm returns to normal. `message` says what is wrong, `remedy` what a person does
    about it, `tags` whose values are touched.
    """

    key: str
    message: str
    remedy: str
    priority: Literal["low", "medium", "high"] = "medium"
    tags: tuple[TagId, ...] = ()
