"""Settings of the wire: a serial port, or the certificates of a TLS connection."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it at run time
from typing import Literal, Self

from pydantic import Field, model_validator

from appliance.runtime.settings import Settings

Transport = Literal["tcp", "tls", "rtu", "ascii", "rtu-over-tcp", "ascii-over-tcp"]

_SLOW_BAUD = 19_200
_QUIET_CHARACTERS = 3.5
_QUIET_S = 0.001_75


class SerialSettings(Settings):
    """A serial port and how it speaks; the defaults are those of the standard."""

    port: str = Field(min_length=1)
    baudrate: int = Field(default=19_200, ge=300, le=4_000_000)
    parity: Literal["even", "odd", "none"] = "even"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8

    @property
    def silence_s(self) -> float:
        """How long RTU wants the line silent between two frames.

        3.5 characters, and above 19200 baud a fixed 1.75 ms ("MODBUS over Serial Line
        V1.02", 2.5.1.1).
        """
        if self.baudrate > _SLOW_BAUD:
            return _QUIET_S
        parity_bits = 0 if self.parity == "none" else 1
        bits = 1 + self.data_bits + parity_bits + self.stop_bits
        return _QUIET_CHARACTERS * bits / self.baudrate


class TlsSettings(Settings):
    """Whom we trust, and who we say we are (files, PEM).

    Without `ca`, the certificate authorities of this machine. `server_name` is the name
    in the server's certificate where it is not `host`.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    allow_unverified: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` go together")
        if self.allow_unverified and (self.ca or self.server_name):
            raise ValueError(
                "with allow_unverified = true anybody on the network can pretend to be "
                "the device; remove it, or `ca` and `server_name`"
            )
        return self
