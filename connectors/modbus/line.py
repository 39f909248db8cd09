"""One line to one or several Modbus devices: the only way to the wire. Numpy-free.

Whatever is sent goes through `Line.ask`, and what would change something passes the
permits of the configuration, below everybody, or is not sent.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Self

from pymodbus.exceptions import ModbusException, ModbusIOException

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.tasks import insist_on_cancellation
from connectors.modbus.framing import Message, request_of
from connectors.modbus.owed import SETTLED_AFTER, Owed
from connectors.modbus.permits import RETURN_QUERY
from connectors.modbus.replies import Request
from connectors.modbus.station import NoAnswerError, Station
from connectors.modbus.transport import (
    client_of,
    connect,
    framer_of,
    notice_unacknowledged,
)

if TYPE_CHECKING:
    from pymodbus.pdu import ModbusPDU

    from appliance.domain.ports import Clock
    from connectors.modbus.config import Device, ModbusSettings

_NONCES = 0x1_0000
_UNANSWERED_MAX = 3
"""After so many unanswered requests in a row a socket without numbers is given up."""


class Line:
    """A connection, until it fails; then it stays failed: connect anew.

    One request at a time is on the line. The answer of a lost or cancelled one may
    still come. It is told apart by its transaction number; where there is none, the
    device is asked for nothing that a late answer would fit, until it has proven to be
    in step. A socket on which every device is silent is closed.
    """

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._clock = clock
        self._where = settings.where
        self._permits = settings.permits
        self._is_serial = settings.is_serial
        self._device_count = len(settings.device_table)
        silence_s = 0.0 if settings.serial is None else settings.serial.silence_s
        self._silence_s = max(silence_s, settings.turnaround_s)
        self._one_at_a_time = asyncio.Lock()
        self._asking = False
        self._quiet_until_s = 0.0
        self._owed: dict[int, Owed] = {}
        self._silent: set[int] = set()
        self._unanswered = 0
        self._nonce = 0
        self._framer = framer_of(settings, self._fail)
        self._client = client_of(
            settings,
            {"trace_pdu": self._guard, "trace_connect": self._on_connection},
            self._framer,
        )

    @classmethod
    async def connect(cls, settings: ModbusSettings, clock: Clock) -> Self:
        """Connect, without pymodbus's own retries and reconnection.

        Raises:
            SourceUnavailableError: Nobody answers within `timeout_s`.
        """
        line = cls(settings, clock)
        longest_s = max(device.timeout_s for device in settings.device_table)
        try:
            await line._open(listen_s=longest_s)
        except BaseException:
            line.close()
            raise
        return line

    @property
    def connected(self) -> bool:
        """Whether anything can be asked."""
        return self._client.connected

    def station(self, device: Device) -> Station:
        """Return a device on this line."""
        return Station(self, device)

    def close(self) -> None:
        """Close the connection; what was being asked is not answered any more."""
        self._client.close()
        self._fail("closed")

    async def leave(self) -> None:
        """Close the connection: Modbus knows no goodbye."""
        self.close()

    async def ask(self, device: Device, pdu: bytes) -> bytes:
        """Send a request and return its answer, or the device's refusal.

        Raises:
            NoAnswerError: The device is silent, or what it says is no answer.
            NotPermittedError: It would change what the configuration does not list.
            SourceUnavailableError: The connection is lost.
        """
        async with self._one_at_a_time:
            if self._framer.numbered:
                await self._leave_in_peace()
                return await self._exchange(device, pdu)
            owed = self._owed.setdefault(device.device_id, Owed())
            request = Request(device.device_id, pdu)
            if owed.hides(request, now_s=self._clock.now_s()):
                await self._ask_in_order(device, self._probe(), owed)
                if owed.hides(request, now_s=self._clock.now_s()):
                    raise NoAnswerError(f"{self._named(device)}: out of step")
            return await self._ask_in_order(device, pdu, owed)

    async def _open(self, *, listen_s: float) -> None:
        await connect(self._client, self._where)
        if not self._is_serial:
            notice_unacknowledged(self._client, after_s=2 * listen_s)
        if not self._framer.numbered:
            # Whoever was here before may have asked; its answer is not ours.
            self._quiet_until_s = self._clock.now_s() + listen_s

    def _probe(self) -> bytes:
        """Return a request whose echo settles everything that was asked before it."""
        self._nonce = (self._nonce + 1) % _NONCES
        return struct.pack(">BHH", RETURN_QUERY, 0, self._nonce)

    async def _ask_in_order(self, device: Device, pdu: bytes, owed: Owed) -> bytes:
        request = Request(device.device_id, pdu)
        await self._leave_in_peace()
        try:
            answer = await self._exchange(device, pdu)
        except (NoAnswerError, asyncio.CancelledError):
            # A device that does not know the probe must not be probed for ever.
            settling_s = 0.0 if pdu[0] == RETURN_QUERY else device.timeout_s
            until_s = self._clock.now_s() + SETTLED_AFTER * settling_s
            owed.unanswered(request, until_s=until_s)
            raise
        owed.answered(request, request.judge(answer))
        return answer

    async def _leave_in_peace(self) -> None:
        wait_s = self._quiet_until_s - self._clock.now_s()
        if wait_s > 0:
            await self._clock.sleep(wait_s)

    async def _exchange(self, device: Device, pdu: bytes) -> bytes:
        if not self.connected:
            raise SourceUnavailableError(f"{self._where}: the connection is lost")
        try:
            answer = await self._send(device, Message(device.device_id, pdu))
        except ModbusIOException as error:
            self._note_silence(device)
            raise NoAnswerError(
                f"{self._named(device)}: no fitting answer within "
                f"{device.timeout_s:g} s"
            ) from error
        except SourceUnavailableError:
            self.close()
            raise
        except (ModbusException, OSError) as error:
            self.close()
            raise SourceUnavailableError(f"{self._where}: {error}") from error
        except asyncio.CancelledError:
            self._note_silence(device)
            raise
        self._silent.clear()
        self._unanswered = 0
        return answer

    async def _send(self, device: Device, message: Message) -> bytes:
        self._client.ctx.comm_params.timeout_connect = device.timeout_s
        self._asking = True
        try:
            answer: Message = await self._client.execute(
                no_response_expected=False, request=message
            )
            insist_on_cancellation()
        finally:
            self._asking = False
            self._framer.forget()
            self._quiet_until_s = self._clock.now_s() + self._silence_s
        return answer.pdu

    def _note_silence(self, device: Device) -> None:
        self._silent.add(device.device_id)
        self._unanswered += 1
        all_silent = len(self._silent) == self._device_count
        patience = 1 if self._framer.numbered else _UNANSWERED_MAX
        if not self._is_serial and all_silent and self._unanswered >= patience:
            self.close()

    def _named(self, device: Device) -> str:
        return f"{self._where}, device {device.device_id}"

    def _guard(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:  # noqa: FBT001 - pymodbus calls it so
        """Let nothing out that is not permitted, whoever asked for it."""
        if sending:
            self._permits.check(pdu.dev_id, request_of(pdu).pdu)
        return pdu

    def _on_connection(self, made: bool) -> None:  # noqa: FBT001 - pymodbus calls it so
        if not made:
            self._fail("the connection is lost")

    def _fail(self, why: str) -> None:
        """Fail what is being asked now; pymodbus would let it wait for its time-out."""
        future = self._client.ctx.response_future
        if self._asking and not future.done():
            future.set_exception(SourceUnavailableError(f"{self._where}: {why}"))
