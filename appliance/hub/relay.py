"""A lamp or horn that stands for alarms which nobody has answered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from appliance.domain.ports import OutputFailedError
from appliance.runtime.plugins import UnknownConnectorError, load_connector

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.config.callout import RelaySettings
    from appliance.domain.ports import Clock, Output
    from appliance.runtime.plugins import SourceSettings

log = logging.getLogger(__name__)

WRITE_WITHIN_S = 5.0
LOOK_S = 0.5
RETRY_S = 10.0
AGAIN_S = 60.0
"""It is written anew so often: the PLC may have been started meanwhile."""


class Relay:
    """Keeps one point as it shall be, through the permits of its source alone.

    A `call` is answered by `answered(id, said, sent)`; between calls the point follows
    `holds`. What is asked for has no bound but its askers: a message, and trials.
    """

    def __init__(
        self,
        settings: RelaySettings,
        source: SourceSettings,
        *,
        clock: Clock,
        holds: Callable[[], bool],
        answered: Callable[[str, str, bool], None],
    ) -> None:
        self._settings = settings
        self._source = source
        self._clock = clock
        self._holds = holds
        self._answered = answered
        self._asked: list[str] = []
        self._is_on: bool | None = None
        self._due_s = 0.0
        self.problem = ""
        """Why it could not be written last; empty when it could."""

    def call(self, message_id: str) -> None:
        """Switch it on, for a message."""
        self._asked.append(message_id)

    async def run(self) -> None:
        """Write until cancelled; a device that is away is tried again."""
        try:
            connector = load_connector(self._source.connector)
            output = connector.output(self._source, self._clock)
        except UnknownConnectorError as error:
            log.warning("relay %s: %s", self._settings.name, error)
            self.problem = str(error)
            while True:
                self._answer(str(error), sent=False)
                await self._clock.sleep(LOOK_S)
        async with output.open():
            while True:
                await self._look(output)
                await self._clock.sleep(LOOK_S)

    async def _look(self, output: Output) -> None:
        on = bool(self._asked) or self._holds()
        changed = self._is_on is not None and on is not self._is_on
        if changed or self._asked or self._clock.now_s() >= self._due_s:
            await self._write(output, on=on)

    async def _write(self, output: Output, *, on: bool) -> None:
        settings = self._settings
        value = settings.on if on else settings.off
        try:
            await output.write(settings.point, value, deadline_s=WRITE_WITHIN_S)
        except OutputFailedError as error:
            if not self.problem:
                log.warning("relay %s: %s", settings.name, error)
            self.problem, self._is_on = str(error), None
            self._due_s = self._clock.now_s() + RETRY_S
            self._answer(str(error), sent=False)
            return
        self.problem, self._is_on = "", on
        self._due_s = self._clock.now_s() + AGAIN_S
        self._answer(f"{settings.point} = {value:g}, read back", sent=True)

    def _answer(self, said: str, *, sent: bool) -> None:
        asked, self._asked = self._asked, []
        for message_id in asked:
            self._answered(message_id, said, sent)
