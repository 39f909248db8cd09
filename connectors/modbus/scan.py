"""Asks a line what is on it, and counts every question."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from appliance.domain.ports import SourceUnavailableError
from connectors.modbus.areas import Area, Surveyor
from connectors.modbus.line import Line
from connectors.modbus.planner import MAX_BITS, MAX_REGISTERS, Block
from connectors.modbus.registers import Table
from connectors.modbus.station import NoAnswerError, RefusedError
from connectors.modbus.survey import GATEWAY_SILENCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.ports import Clock
    from connectors.modbus.config import Device, ModbusSettings

TABLES: Final = (Table.INPUT, Table.HOLDING, Table.DISCRETE, Table.COIL)
_ILLEGAL_FUNCTION: Final = 1
_FAILED: Final = 4
_BUSY: Final = (5, 6)
_PATIENCE_S: Final = 0.2

Spot: TypeAlias = tuple[int, Table]
"""A table of a device (by its number on the line)."""


class OutOfQuestionsError(Exception):
    """As much was asked, or as long, as was allowed."""


@dataclass(slots=True)
class Allowance:
    """How many questions may be asked, and until when (monotonic seconds)."""

    questions: int
    until_s: float
    asked: int = 0

    def take(self, now_s: float) -> None:
        """Count a question.

        Raises:
            OutOfQuestionsError: It must not be asked.
        """
        if self.asked >= self.questions or now_s > self.until_s:
            raise OutOfQuestionsError
        self.asked += 1


class Asker:
    """A line that is made again where a device hangs up on a question."""

    def __init__(
        self, settings: ModbusSettings, clock: Clock, allowance: Allowance
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._allowance = allowance
        self._devices = {each.device_id: each for each in settings.device_table}
        self._line: Line | None = None

    async def read(self, device_id: int, block: Block) -> list[int]:
        """Return the words of a block.

        Raises:
            RefusedError: The device refuses, and does so again if it was only busy.
            NoAnswerError: It is silent.
            OutOfQuestionsError: It was not asked.
            SourceUnavailableError: There is no connection.
        """
        device = self._devices[device_id]
        try:
            return await self._read(device, block)
        except RefusedError as refusal:
            if refusal.code not in _BUSY:
                raise
        await self._clock.sleep(_PATIENCE_S)
        return await self._read(device, block)

    async def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            await self._line.leave()

    async def _read(self, device: Device, block: Block) -> list[int]:
        self._allowance.take(self._clock.now_s())
        if self._line is None or not self._line.connected:
            self._line = await Line.connect(self._settings, self._clock)
        return await self._line.station(device).read(block)


@dataclass(slots=True)
class Seen:
    """What a scan has found so far."""

    answering: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    areas: dict[Spot, list[Area]] = field(default_factory=dict)
    longest: dict[Spot, int] = field(default_factory=dict)
    readings: dict[Spot, list[dict[int, int]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


async def find_devices(asker: Asker, numbers: Sequence[int], seen: Seen) -> None:
    """Ask each number for one value of any kind; a refusal is an answer too.

    Raises:
        OutOfQuestionsError: Before all were asked.
        SourceUnavailableError: There is no connection.
    """
    for number in numbers:
        try:
            await asker.read(number, Block(Table.HOLDING, 0, 1, rows=(0,)))
        except RefusedError as refusal:
            if refusal.code in GATEWAY_SILENCE:
                seen.silent.append(number)
                continue
            if refusal.code == _FAILED:
                seen.silent.append(number)
                seen.notes.append(f"device {number} says only that it has failed")
                continue
        except NoAnswerError:
            seen.silent.append(number)
            continue
        except SourceUnavailableError:
            if not seen.answering and number == numbers[0]:
                raise
            seen.silent.append(number)  # hung up on the question; others may not be
            continue
        seen.answering.append(number)


async def find_areas(
    asker: Asker, spot: Spot, seen: Seen, *, most: int, within: range
) -> None:
    """Find the addresses that a table of a device has.

    Raises:
        OutOfQuestionsError: Before it was done; what was found is in `seen`.
        SourceUnavailableError: There is no connection.
    """
    device_id, table = spot

    async def gives(address: int, count: int) -> bool:
        try:
            await asker.read(device_id, Block(table, address, count, rows=(0,)))
        except RefusedError as refusal:
            if refusal.code == _ILLEGAL_FUNCTION:
                raise _NoSuchTableError from refusal
            return False
        return True

    longest = MAX_BITS if table.of_bits else MAX_REGISTERS
    surveyor = Surveyor(gives, longest=longest, most=most, within=within)
    try:
        await surveyor.survey()
    except _NoSuchTableError:
        return
    except NoAnswerError:
        seen.notes.append(f"device {device_id} fell silent while its {table} was read")
    finally:
        if surveyor.areas:
            seen.areas[spot] = surveyor.areas
            seen.longest[spot] = surveyor.longest
    if surveyor.is_cut:
        seen.notes.append(
            f"device {device_id}: {table}: {most} addresses looked at, it has more; "
            "say where: --addresses 3000-3999, or raise --most"
        )


async def read_areas(asker: Asker, spot: Spot, seen: Seen) -> None:
    """Read all areas of a table once, and keep the words as one more reading.

    Raises:
        OutOfQuestionsError: It was not read whole, so nothing is kept.
        SourceUnavailableError: There is no connection.
    """
    words: dict[int, int] = {}
    for area in seen.areas[spot]:
        words |= await _words_of(asker, spot, seen, area)
    readings = seen.readings.setdefault(spot, [])
    if readings and words.keys() != readings[0].keys():
        common = words.keys() & readings[0].keys()
        words = {at: words[at] for at in common}
        readings[:] = [{at: each[at] for at in common} for each in readings]
    if words:
        readings.append(words)


async def _words_of(asker: Asker, spot: Spot, seen: Seen, area: Area) -> dict[int, int]:
    """Read an area; what was too much at once is asked in halves from then on."""
    device_id, table = spot
    words: dict[int, int] = {}
    start = area.address
    while start < area.end:
        count = min(seen.longest[spot], area.end - start)
        try:
            told = await asker.read(device_id, Block(table, start, count, (0,)))
        except RefusedError:
            if count > 1:
                seen.longest[spot] = count // 2
                continue
        except NoAnswerError:
            pass  # what is missing now is no value
        else:
            words |= dict(enumerate(told, start))
        start += count
    return words


class _NoSuchTableError(Exception):
    """The device knows nothing of this table."""
