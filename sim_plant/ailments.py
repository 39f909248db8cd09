"""What else may befall the machine and its transmitters, besides wear and blockage.

An ailment grows evenly over some wear-hours to its final severity (0…1); what a
severity of 1 does to the machine stands in `physics`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from sim_plant.declared import Declared
from sim_plant.tags import TRANSMITTERS, transmitter_index


class Ailment(Declared):
    """A fault of the machine with one severity.

    `unbalance`, `misalignment`, `looseness` shake it; a `worn_ring` lets water run back
    inside the pump; a `seal_leak` lets it out behind the pump; `discharge_blocked`
    narrows the pipe behind it.
    """

    kind: Literal[
        "unbalance",
        "misalignment",
        "looseness",
        "worn_ring",
        "seal_leak",
        "discharge_blocked",
    ]
    at_s: float = Field(ge=0)
    final_severity: float = Field(gt=0, le=1)
    develop_h: float = Field(default=0.0, ge=0)

    @property
    def what(self) -> str:
        """Name in the truth log."""
        return self.kind

    @property
    def where(self) -> str:
        """Place in the truth log."""
        return "P-101"

    def severity(self, wear_h: float) -> float:
        """Severity some wear-hours after onset."""
        if self.develop_h == 0.0:
            return self.final_severity
        return self.final_severity * min(wear_h / self.develop_h, 1.0)


class TransmitterDrift(Declared):
    """A transmitter that leaves the truth, evenly, by a part of its range."""

    kind: Literal["transmitter_drift"]
    at_s: float = Field(ge=0)
    tag: str
    part_of_range: float = Field(ge=-1, le=1)
    develop_h: float = Field(default=0.0, ge=0)

    @field_validator("tag")
    @classmethod
    def _known(cls, tag: str) -> str:
        return known_transmitter(tag)

    @property
    def what(self) -> str:
        """Name in the truth log."""
        return "transmitter_drift"

    @property
    def where(self) -> str:
        """Place in the truth log."""
        return self.tag

    def severity(self, wear_h: float) -> float:
        """How much of the drift has come about (0…1)."""
        return 1.0 if self.develop_h == 0.0 else min(wear_h / self.develop_h, 1.0)

    def bias(self, severity: float) -> float:
        """What it adds to the truth, in engineering units."""
        transmitter = TRANSMITTERS[transmitter_index(self.tag)]
        width = transmitter.range_high - transmitter.range_low
        return self.part_of_range * width * severity


def known_transmitter(tag: str) -> str:
    """Return the tag.

    Raises:
        ValueError: No transmitter has it.
    """
    if tag not in {transmitter.tag for transmitter in TRANSMITTERS}:
        raise ValueError(f"no transmitter is called {tag!r}")
    return tag
