"""Frames taken apart without mercy, for pymodbus's transactions.

pymodbus's own framers pass what is not an answer to the request (another function,
another length), cut TLS streams at the wrong places, and die of ASCII that is none.
These give pymodbus a reply only if it is the answer, to the byte; see `replies.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from binascii import Error as HexError
from binascii import unhexlify
from typing import TYPE_CHECKING

from pymodbus.framer.ascii import FramerAscii
from pymodbus.framer.base import FramerBase
from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU

from connectors.modbus.replies import Request, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

BUFFER_BYTES = 4096
"""How much may lie before the answer: late replies and noise."""

_MBAP_BYTES = 7
_LENGTHS = range(2, 255)  # device and PDU, as the header counts them
_HEAD_BYTES = 6  # no answer begins with a longer head


class Message(ModbusPDU):
    """A request or a reply as its bytes; pymodbus only carries it."""

    def __init__(self, device_id: int, pdu: bytes, transaction_id: int = 0) -> None:
        super().__init__(dev_id=device_id, transaction_id=transaction_id)
        self.function_code = pdu[0]
        self.pdu = pdu

    def encode(self) -> bytes:
        """Return what follows the function."""
        return self.pdu[1:]


class StrictFramer(FramerBase):
    """Remembers what was asked, and lets nothing but the answer through.

    `on_wrong` is told at once of a reply after which the answer cannot come any more.
    """

    numbered = False
    """Whether frames carry a transaction number."""

    def __init__(self, on_wrong: Callable[[str], None]) -> None:
        super().__init__(DecodePDU(False))  # noqa: FBT003 - pymodbus's own signature
        self._on_wrong = on_wrong
        self._request: Request | None = None
        self._transaction_id = 0

    def buildFrame(self, message: ModbusPDU) -> bytes:  # noqa: N802 - pymodbus's name
        """Return the frame of a request, and wait for its answer from now on."""
        self._request = request = request_of(message)
        self._transaction_id = message.transaction_id
        return self.encode(request.pdu, message.dev_id, message.transaction_id)

    def forget(self) -> None:
        """Wait for nothing any more: what comes now is late."""
        self._request = None

    def handleFrame(  # noqa: N802 - pymodbus's name
        self, data: bytes, exp_devid: int, exp_tid: int
    ) -> tuple[int, Message | None]:
        """Return how many bytes are done with, and the answer if it is there."""
        del exp_devid, exp_tid  # pymodbus would take 0 for any
        request = self._request
        if request is None:
            return len(data), None
        used, reply = self.find(data, request, self._transaction_id)
        if reply is None:
            return used, None
        if request.judge(reply) is Verdict.OTHER:
            self._wrong(f"a reply to something else: {reply[:8].hex(' ')}")
            return len(data), None
        self._request = None
        return used, Message(request.device_id, reply, self._transaction_id)

    @abstractmethod
    def find(
        self, data: bytes, request: Request, transaction_id: int
    ) -> tuple[int, bytes | None]:
        """Return how many bytes are done with, and the reply in them if any."""

    def _wrong(self, why: str) -> None:
        self._request = None
        self._on_wrong(why)


class NumberedFramer(StrictFramer, FramerSocket):
    """Frames of Modbus TCP and TLS: a header with transaction number and length."""

    numbered = True

    def find(
        self, data: bytes, request: Request, transaction_id: int
    ) -> tuple[int, bytes | None]:
        """Skip what answers an earlier request; the rest must be ours."""
        used = 0
        while len(data) - used >= _MBAP_BYTES:
            header = data[used : used + _MBAP_BYTES]
            number, protocol, length = (
                int.from_bytes(header[at : at + 2], "big") for at in (0, 2, 4)
            )
            if protocol or length not in _LENGTHS:
                self._wrong(f"not Modbus: {header.hex(' ')}")
                return len(data), None
            end = used + _MBAP_BYTES - 1 + length
            if end > len(data):
                break
            reply, used = data[used + _MBAP_BYTES : end], end
            if number != transaction_id:
                continue
            if header[-1] != request.device_id:
                self._wrong(f"device {header[-1]} answered for {request.device_id}")
                return len(data), None
            return used, reply
        return used, None


class RtuFramer(StrictFramer, FramerRTU):
    """Frames of RTU: device, reply, checksum; nothing says where one begins.

    What stands before the answer is skipped: the reply of another device, or the noise
    of a line that changes its direction.
    """

    def find(
        self, data: bytes, request: Request, transaction_id: int
    ) -> tuple[int, bytes | None]:
        """Look for the answer at every byte; its checksum must be right."""
        del transaction_id
        waiting = len(data)
        for start, device_id in enumerate(data):
            size = request.length_of(data[start + 1 : start + 1 + _HEAD_BYTES])
            if device_id != request.device_id or size is None:
                continue
            end = start + 1 + size
            if end + 2 > len(data):
                waiting = min(waiting, start)
                continue
            reply = data[start + 1 : end]
            checksum = int.from_bytes(data[end : end + 2], "big")
            right = self.check_CRC(data[start:end], checksum)
            if right and request.judge(reply) is not Verdict.OTHER:
                return len(data), reply
        return waiting, None


class AsciiFramer(StrictFramer, FramerAscii):
    """Frames of ASCII: a colon, device and reply in hexadecimal, checksum, new line."""

    def find(
        self, data: bytes, request: Request, transaction_id: int
    ) -> tuple[int, bytes | None]:
        """Skip every line that is not the answer."""
        del transaction_id
        used = 0
        while (end := data.find(self.END, used)) >= 0:
            start = data.rfind(self.START, used, end)
            used = end + len(self.END)
            told = _plain(data[start + 1 : end]) if start >= 0 else b""
            if len(told) < self.MIN_SIZE // 2 - 1 or told[0] != request.device_id:
                continue
            reply = told[1:-1]
            right = self.check_LRC(told[:-1], told[-1])
            if right and request.judge(reply) is not Verdict.OTHER:
                return used, reply
        return used, None


def request_of(message: ModbusPDU) -> Request:
    """Return what a message asks, by whomever it was made."""
    if isinstance(message, Message):
        return Request(message.dev_id, message.pdu)
    function = message.function_code.to_bytes(1, "big")
    return Request(message.dev_id, function + message.encode())


def _plain(line: bytes) -> bytes:
    try:
        return unhexlify(line)
    except HexError:
        return b""
