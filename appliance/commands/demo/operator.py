"""The plant's operator in the demonstration: arms, resets, presses start.

After a real trip he leaves the machine alone, whoever resets it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from appliance.link.client import LinkLostError, LinkRefusedError, connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.domain.ports import Clock
    from appliance.link.client import LinkClient

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
_START_COIL = 1
_RUNNING, _RUN_PERMIT = 0, 1
POWER_UP = "power-up"


class PlantOperator:
    """Looks at safety and at the panel twice a second, and does what a person would."""

    def __init__(
        self,
        safety_socket: Path,
        *,
        modbus_port: int,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        self._socket = safety_socket
        self._port = modbus_port
        self._clock = clock
        self._tell = tell
        self.status: dict[str, Any] = {}
        self._left_alone = False

    async def run(self) -> None:
        """Work until cancelled; safety and plant may come and go."""
        while True:
            try:
                async with connect(self._socket, process="demo-operator") as link:
                    await self._attend(link)
            except (LinkLostError, LinkRefusedError, ModbusException, OSError) as error:
                log.info("the operator waits: %s", error)
            await self._clock.sleep(LOOK_EVERY_S)

    async def _attend(self, link: LinkClient) -> None:
        while True:
            self.status = await link.request("status")
            if await self._make_ready(link) and not self._left_alone:
                await self._start_if_permitted()
            await self._clock.sleep(LOOK_EVERY_S)

    async def _make_ready(self, link: LinkClient) -> bool:
        """Arm, and reset a trip of power-up; say whether the machine may be started."""
        if self.status["mode"] != "armed":
            claim = await link.request("mode", mode="armed")
            self._tell(f"operator arms: {claim['claim']}")
            return False
        if not self.status["tripped"]:
            return True
        if self.status["first_out"] != POWER_UP:
            self._left_alone = True
        elif not self._left_alone:
            try:
                await link.request("reset")
                self._tell("operator resets safety after power-up")
            except LinkRefusedError as error:
                log.info("reset refused: %s", error)
        return False

    async def _start_if_permitted(self) -> None:
        panel = AsyncModbusTcpClient("127.0.0.1", port=self._port, timeout=1, retries=0)
        try:
            if not await panel.connect():
                return
            lamps = await panel.read_discrete_inputs(_RUNNING, count=2, device_id=1)
            if lamps.isError() or lamps.bits[_RUNNING] or not lamps.bits[_RUN_PERMIT]:
                return
            await panel.write_coil(_START_COIL, value=True, device_id=1)
            self._tell("operator starts P-101 at the panel")
        finally:
            panel.close()
