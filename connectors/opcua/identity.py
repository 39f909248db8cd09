"""Is a node still what its tag says? A change under us is refused, never mislabelled.

What a node was when it was first seen is remembered over reconnections, not over
restarts: there the configuration is the truth (`type`, `engineering_units`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.domain.diagnostic import Diagnostic
from connectors.opcua.units import same_unit
from connectors.opcua.wording import few, grouped_by

if TYPE_CHECKING:
    from appliance.domain.tag import TagId
    from connectors.opcua.tags import OpcuaTagSettings

STATUS_BAD_TYPE_MISMATCH: Final = 0x8074_0000
"""The data type is another one (OPC UA BadTypeMismatch)."""
STATUS_BAD_CONFIGURATION: Final = 0x8089_0000
"""The engineering unit is another one (OPC UA BadConfigurationError)."""

_ANY_RANK = -2


@dataclass(frozen=True, slots=True)
class Nature:
    """What a server says a node is; empty or None where it does not say.

    `data_type` is a name of the standard (`Double`) or `nsu=URI;i=3002`: an index
    would change with the order of the namespaces.
    """

    data_type: str = ""
    value_rank: int | None = None
    units: str = ""
    eu_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """A difference: of `what`, and the words for both sides."""

    what: str
    old: str
    new: str

    @property
    def status(self) -> int:
        """The status of the refused tag."""
        is_unit = self.what == "engineering unit"
        return STATUS_BAD_CONFIGURATION if is_unit else STATUS_BAD_TYPE_MISMATCH


class Identity:
    """What the nodes of a source were, and which of them are something else now."""

    def __init__(self) -> None:
        self._first: dict[TagId, Nature] = {}
        self._drifts: dict[TagId, Drift] = {}
        self._ranges: dict[TagId, Drift] = {}

    def judge(
        self, tag: TagId, settings: OpcuaTagSettings, nature: Nature
    ) -> int | None:
        """Return the status by which the tag is refused, or None."""
        found = against_configuration(settings, nature)
        before = self._first.get(tag)
        if found is None and before is not None:
            found = between(before, nature)
        if found is not None:
            self._drifts[tag] = found
            return found.status
        self._drifts.pop(tag, None)
        self._note_range(tag, before, nature)
        self._first[tag] = nature if before is None else _merged(before, nature)
        return None

    def eu_range(self, tag: TagId) -> tuple[float, float] | None:
        """Return the range that the server gives the tag, if it does."""
        nature = self._first.get(tag)
        return None if nature is None else nature.eu_range

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """One for each kind of change that stands."""
        refused = [
            Diagnostic(
                key=f"drift {drift.what} {drift.old} -> {drift.new}",
                message=f"{few(tags)}: the {drift.what} was {drift.old} and is "
                f"{drift.new} in the server; refused, so that nothing is mislabelled",
                remedy="Mend the node in the server; or accept the change: set "
                "`type`, `engineering_units` or `server_units` of the tag and "
                "restart the hub.",
                priority="high",
                tags=tags,
            )
            for drift, tags in grouped_by(self._drifts)
        ]
        ranged = [
            Diagnostic(
                key=f"range {drift.old} -> {drift.new}",
                message=f"{few(tags)}: the instrument's range was {drift.old} and "
                f"is {drift.new} in the server",
                remedy="Check `range_low`, `range_high` and the alarms' setpoints; "
                "then restart the hub.",
                tags=tags,
            )
            for drift, tags in grouped_by(self._ranges)
        ]
        return (*refused, *ranged)

    def _note_range(self, tag: TagId, before: Nature | None, nature: Nature) -> None:
        old = None if before is None else before.eu_range
        if old is None or nature.eu_range is None or old == nature.eu_range:
            self._ranges.pop(tag, None)
        else:
            self._ranges[tag] = Drift("range", _words(old), _words(nature.eu_range))


def against_configuration(settings: OpcuaTagSettings, nature: Nature) -> Drift | None:
    """Return where the node is not what the configuration says.

    Where the server does not say, nobody can know; then the configuration holds.
    """
    wanted, found = settings.type, nature.data_type
    if wanted and found and wanted != found:
        return Drift("data type", wanted, found)
    units, stated = settings.engineering_units, nature.units
    if settings.server_units is not None:
        agreed = settings.server_units == stated
    else:
        agreed = same_unit(units, stated)
    # A field of a structure has not the unit of its node.
    if units and stated and not agreed and settings.field is None:
        expected = units if settings.server_units is None else settings.server_units
        return Drift("engineering unit", expected, stated)
    return None


def between(before: Nature, now: Nature) -> Drift | None:
    """Return what changed in kind; a range is no kind."""
    if before.data_type and now.data_type and before.data_type != now.data_type:
        return Drift("data type", before.data_type, now.data_type)
    shapes = (_is_array(before.value_rank), _is_array(now.value_rank))
    if None not in shapes and shapes[0] != shapes[1]:
        return Drift("value rank", str(before.value_rank), str(now.value_rank))
    if before.units and now.units and not same_unit(before.units, now.units):
        return Drift("engineering unit", before.units, now.units)
    return None


def _is_array(rank: int | None) -> bool | None:
    """Whether it is an array; None where it may be either (Part 3, 8.6)."""
    return None if rank is None or rank <= _ANY_RANK else rank >= 0


def _merged(before: Nature, now: Nature) -> Nature:
    """Return what was known first, with what has become known since."""
    return Nature(
        data_type=before.data_type or now.data_type,
        value_rank=now.value_rank if before.value_rank is None else before.value_rank,
        units=before.units or now.units,
        eu_range=before.eu_range or now.eu_range,
    )


def _words(given: tuple[float, float]) -> str:
    return f"{given[0]:g}..{given[1]:g}"
