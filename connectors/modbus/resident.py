"""One device of a bus, as long as the source lives: what is known of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from appliance.domain.batch import bad_batch
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION
from appliance.runtime.backoff import Backoff
from connectors.modbus.breaker import Breaker, BreakerState
from connectors.modbus.survey import Survey
from connectors.modbus.terrain import Terrain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId
    from connectors.modbus.config import Device, ModbusSettings, ModbusTagSettings

log = logging.getLogger(__name__)

PROBE_FIRST_S = 1.0
PROBE_LONGEST_S = 60.0
REFUSED_FIRST_S = 10.0
REFUSED_LONGEST_S = 600.0
JITTER = 0.2

_NAMES_MAX = 5


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The tags of one poll group of one device; `name` is what confirms them."""

    name: str
    period_s: float
    tags: tuple[ModbusTagSettings, ...]
    survey: Survey

    @property
    def ids(self) -> list[TagId]:
        """The tags by name."""
        return [tag.tag().id for tag in self.tags]


class Resident:
    """A device with its groups, its breaker, and what it has taught about itself."""

    def __init__(
        self,
        settings: ModbusSettings,
        device: Device,
        spread: Callable[[], float],
    ) -> None:
        self.device = device
        self.name = _full_name(settings.name, device.name)
        self.breaker = Breaker(
            Backoff(PROBE_FIRST_S, PROBE_LONGEST_S, jitter=JITTER, spread=spread)
        )
        patience = partial(
            Backoff, REFUSED_FIRST_S, REFUSED_LONGEST_S, jitter=JITTER, spread=spread
        )
        terrain = Terrain(device.limits, patience=patience)
        self.groups = tuple(_groups(settings, device, self.name, terrain))
        self._why = ""

    def note_failure(self, why: str, *, now_s: float) -> bool:
        """The device was silent; say whether it is given up by this, and log that."""
        self._why = why
        given_up = self.breaker.note_failure(now_s=now_s)
        if given_up:
            rows = sum(len(group.tags) for group in self.groups)
            log.warning("%s is silent, its %d tags are bad: %s", self.name, rows, why)
        return given_up

    def note_answer(self) -> bool:
        """The device answered; say whether it is back by this, and log that."""
        is_back = self.breaker.note_answer()
        if is_back:
            log.info("%s answers again", self.name)
        return is_back

    def bad_batches(
        self, numbers: Mapping[TagId, int], *, time_ns: int
    ) -> Iterator[Batch]:
        """Yield one bad row for every tag: the device is given up."""
        for group in self.groups:
            known = [numbers[tag] for tag in group.ids]
            status = STATUS_BAD_NO_COMMUNICATION
            yield bad_batch(known, status, time_ns=time_ns, group=group.name)

    def diagnostics(self) -> Iterator[Diagnostic]:
        """Yield what is wrong with the device, and with its tags: at most two."""
        if self.breaker.state is not BreakerState.CLOSED:
            yield Diagnostic(
                key=f"device {self.device.name or self.device.device_id}",
                message=f"{self.name} does not answer: {self._why}",
                remedy="see that it has power, its cable, its `device_id` and the "
                "settings of the line; a device that is removed for good leaves the "
                "configuration",
                tags=tuple(tag for group in self.groups for tag in group.ids),
            )
        refused = tuple(self._refused())
        if refused:
            named = ", ".join(refused[:_NAMES_MAX])
            others = len(refused) - _NAMES_MAX
            more = f" and {others} more" if others > 0 else ""
            yield Diagnostic(
                key=f"refused {self.device.name or self.device.device_id}",
                message=f"{self.name} refuses the addresses of {named}{more}",
                remedy="compare `table`, `address` and the way of counting with the "
                "manual; or is this another model or firmware?",
                priority="low",
                tags=refused,
            )

    def _refused(self) -> Iterator[TagId]:
        for group in self.groups:
            ids = group.ids
            yield from (ids[row] for row in group.survey.refused_rows)


def _full_name(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _groups(
    settings: ModbusSettings, device: Device, name: str, terrain: Terrain
) -> Iterator[Group]:
    for group, period_s in settings.periods_s.items():
        tags = tuple(_tags(settings, device, group))
        if tags:
            survey = Survey(name, tags, terrain, explores=True)
            yield Group(_full_name(name, group), period_s, tags, survey)


def _tags(
    settings: ModbusSettings, device: Device, group: str
) -> Sequence[ModbusTagSettings]:
    return [
        tag
        for tag in settings.tags
        if tag.group == group and settings.device_of(tag) == device
    ]
