"""A lamp follows the alarms, through thick and thin."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.config.callout import RelaySettings
from appliance.domain.ports import OutputFailedError
from appliance.hub import relay
from appliance.hub.relay import AGAIN_S, RETRY_S, Relay
from appliance.runtime.plugins import SourceSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

SETTINGS = RelaySettings(name="lamp", source="plc", point="lamp", on=2.0)
SOURCE = SourceSettings(name="plc", connector="fake")


@dataclass
class Lamp:
    """An output whose device comes and goes; it keeps when what was written."""

    at_s: float = 0.0
    away: bool = False
    held: bool = False
    written: list[tuple[float, float]] = field(default_factory=list)
    answers: list[tuple[str, str, bool]] = field(default_factory=list)
    name: str = "plc"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        yield

    async def write(self, point: str, value: float, *, deadline_s: float) -> None:
        assert (point, deadline_s) == ("lamp", relay.WRITE_WITHIN_S)
        if self.away:
            raise OutputFailedError("lamp: lost")
        self.written.append((self.at_s, value))

    # The clock, which moves when somebody naps.
    def now_s(self) -> float:
        return self.at_s

    def utc_ns(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds

    def relay(self) -> Relay:
        return Relay(
            SETTINGS,
            SOURCE,
            clock=self,
            holds=lambda: self.held,
            answered=lambda *said: self.answers.append(said),
        )

    async def look(self, lamp: Relay, length_s: float = 0.5) -> None:
        end_s = self.at_s + length_s
        while self.at_s < end_s:
            await lamp._look(self)
            await self.sleep(relay.LOOK_S)


async def test_it_burns_from_a_call_until_nothing_holds_it() -> None:
    plc = Lamp()
    lamp = plc.relay()
    await plc.look(lamp)
    lamp.call("m-1")
    plc.held = True
    await plc.look(lamp, 10.0)
    plc.held = False
    await plc.look(lamp, 10.0)
    assert [value for _, value in plc.written] == [0.0, 2.0, 0.0]
    assert plc.answers == [("m-1", "lamp = 2, read back", True)]


async def test_it_is_written_anew_for_a_plc_that_forgot() -> None:
    plc = Lamp(held=True)
    await plc.look(plc.relay(), 2 * AGAIN_S + 5)
    assert [value for _, value in plc.written] == [2.0, 2.0, 2.0]


async def test_a_device_that_is_away_is_tried_again_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plc = Lamp(away=True)
    lamp = plc.relay()
    lamp.call("m-1")
    await plc.look(lamp, 2 * RETRY_S)
    assert plc.answers == [("m-1", "lamp: lost", False)]
    assert lamp.problem == "lamp: lost"
    assert len(caplog.records) == 1
    plc.away = False
    await plc.look(lamp, 2 * RETRY_S)
    assert lamp.problem == ""
    assert [value for _, value in plc.written] == [0.0]
