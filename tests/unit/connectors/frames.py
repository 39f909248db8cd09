"""Modbus frames as a device makes them, written apart from what is tested."""

from __future__ import annotations

import struct


def mbap(number: int, device_id: int, pdu: bytes) -> bytes:
    """Return a frame of Modbus TCP."""
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, device_id) + pdu


def rtu(device_id: int, pdu: bytes) -> bytes:
    """Return a frame of RTU."""
    frame = bytes((device_id,)) + pdu
    return frame + struct.pack("<H", _crc16(frame))


def ascii_line(device_id: int, pdu: bytes) -> bytes:
    """Return a frame of ASCII."""
    frame = bytes((device_id,)) + pdu
    checksum = -sum(frame) & 0xFF
    return b":" + (frame + bytes((checksum,))).hex().upper().encode() + b"\r\n"


def _crc16(frame: bytes) -> int:
    """Return the checksum ("MODBUS over Serial Line V1.02", appendix B)."""
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
