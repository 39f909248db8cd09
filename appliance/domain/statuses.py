"""The names of the statuses that a person meets (OPC UA Part 6, annex A). Pure."""

from __future__ import annotations

from typing import Final

_NAMES: Final = {
    0x0000: "Good",
    0x002D: "GoodClamped",
    0x0096: "GoodLocalOverride",
    0x00A2: "GoodEntryInserted",
    0x00A6: "GoodMoreData",
    0x4000: "Uncertain",
    0x408F: "UncertainNoCommunicationLastUsableValue",
    0x4090: "UncertainLastUsableValue",
    0x4091: "UncertainSubstituteValue",
    0x4092: "UncertainInitialValue",
    0x4093: "UncertainSensorNotAccurate",
    0x4094: "UncertainEngineeringUnitsExceeded",
    0x4095: "UncertainSubNormal",
    0x8000: "Bad",
    0x8001: "BadUnexpectedError",
    0x8002: "BadInternalError",
    0x8003: "BadOutOfMemory",
    0x8004: "BadResourceUnavailable",
    0x8005: "BadCommunicationError",
    0x8006: "BadEncodingError",
    0x8007: "BadDecodingError",
    0x8008: "BadEncodingLimitsExceeded",
    0x800A: "BadTimeout",
    0x800B: "BadServiceUnsupported",
    0x800C: "BadShutdown",
    0x800D: "BadServerNotConnected",
    0x800E: "BadServerHalted",
    0x8010: "BadTooManyOperations",
    0x8011: "BadDataTypeIdUnknown",
    0x801F: "BadUserAccessDenied",
    0x8024: "BadInvalidTimestamp",
    0x8031: "BadNoCommunication",
    0x8032: "BadWaitingForInitialData",
    0x8033: "BadNodeIdInvalid",
    0x8034: "BadNodeIdUnknown",
    0x8035: "BadAttributeIdInvalid",
    0x8036: "BadIndexRangeInvalid",
    0x8037: "BadIndexRangeNoData",
    0x803A: "BadNotReadable",
    0x803B: "BadNotWritable",
    0x803C: "BadOutOfRange",
    0x803D: "BadNotSupported",
    0x803E: "BadNotFound",
    0x806F: "BadNoMatch",
    0x8073: "BadWriteNotSupported",
    0x8074: "BadTypeMismatch",
    0x8089: "BadConfigurationError",
    0x808A: "BadNotConnected",
    0x808B: "BadDeviceFailure",
    0x808C: "BadSensorFailure",
    0x808D: "BadOutOfService",
    0x809B: "BadNoData",
    0x80AB: "BadInvalidArgument",
    0x80AE: "BadConnectionRejected",
    0x80AF: "BadDisconnect",
    0x80B0: "BadConnectionClosed",
    0x80DB: "BadTooManyMonitoredItems",
}
_WORDS: Final = ("Good", "Uncertain", "Bad", "Bad")


def status_name(status: int) -> str:
    """Return the standard's name of a status, or its severity and number.

    >>> status_name(0x803C_0000), status_name(0x80FF_0000)
    ('BadOutOfRange', 'Bad 0x80FF0000')
    """
    known = _NAMES.get(status >> 16 & 0xFFFF)
    if known is not None:
        return known
    return f"{_WORDS[status >> 30 & 0b11]} 0x{status & 0xFFFF_FFFF:08X}"
