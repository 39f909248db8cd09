"""Settings of a point that may be written, and the permit they give."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from connectors.modbus.permits import Permit
from connectors.modbus.places import Interval, PlaceSettings
from connectors.modbus.registers import RegisterType, Table, UnencodableError

WHOLE_TYPE = "every value of the type"


class PointSettings(PlaceSettings):
    """A point that may be written, and what may be written to it.

    A coil, or a number in holding registers. `values` lists what may be written (of a
    coil both 0 and 1 unless said otherwise), `range` bounds it, in engineering units;
    who means every value of the type says so in these words. Nothing that is not
    listed can be written, wherever in the program it is asked for.
    """

    name: str = Field(min_length=1, max_length=64)
    values: tuple[float, ...] = ()
    range: Interval | Literal["every value of the type"] | None = None

    def words_of(self, value: float) -> tuple[int, ...]:
        """Return the registers of a value in engineering units.

        Raises:
            UnencodableError: It does not fit the type.
        """
        factor, offset = self.gain
        return self.encoding.encode((value - offset) / factor)

    def permit(self, device_id: int) -> Permit:
        """Return what the last gate before the wire lets pass."""
        place = self.place
        values = self.values
        if not values and place.table is Table.COIL:
            values = (0.0, 1.0)
        choices = frozenset(self.words_of(value) for value in values)
        low, high = (0.0, 0.0) if choices else self._raw_range()
        return Permit(
            device_id, place.table, place.address, self.encoding, choices, low, high
        )

    def _raw_range(self) -> Interval:
        if self.range is None or isinstance(self.range, str):
            return -math.inf, math.inf
        ends = [self.encoding.decode(self.words_of(end)) for end in self.range]
        low, high = sorted(float(end) for end in ends)
        return low, high

    @model_validator(mode="after")
    def _check_writable(self) -> Self:
        table = self.place.table
        if table in (Table.DISCRETE, Table.INPUT):
            raise ValueError(f"a {table} cannot be written; use coil or holding")
        if table is Table.HOLDING and self.encoding.is_partial:
            raise ValueError(
                "writing one bit of a register would overwrite its other bits; "
                "use a coil, or the whole register"
            )
        if self.encoding.type is RegisterType.STRING:
            raise ValueError("a string cannot be written")
        return self

    @model_validator(mode="after")
    def _check_permit(self) -> Self:
        if self.values and self.range is not None:
            raise ValueError("`values` or `range`, not both")
        if self.place.table is Table.COIL:
            if self.range is not None:
                raise ValueError("a coil has no `range`; write `values = [0, 1]`")
        elif not self.values and self.range is None:
            raise ValueError(
                "say what may be written: `values = [0, 1]`, `range = [0, 65535]`, or "
                f'`range = "{WHOLE_TYPE}"`'
            )
        if isinstance(self.range, tuple) and not self.range[0] <= self.range[1]:
            raise ValueError("`range` is [low, high]")
        try:
            self.permit(0)
        except UnencodableError as error:
            raise ValueError(f"what may be written: {error}") from error
        return self
