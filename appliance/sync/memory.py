"""What the uplink keeps over a restart: the broker's MQTT, and the bytes written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from appliance.runtime.files import write_whole
from appliance.sync.protocol import Protocol  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)


class Memory(msgspec.Struct, frozen=True):
    """`broker` is `host:port`; `bytes_written` counts over all runs.

    `day_bytes` were written on the local day numbered `day`. `spans` say how the
    numbers of the summaries of `epoch` were sent: see `sync.coarsen`.
    """

    broker: str = ""
    protocol: Protocol | None = None
    bytes_written: int = 0
    day: int = 0
    day_bytes: int = 0
    epoch: str = ""
    spans: tuple[tuple[int, int, float], ...] = ()


def recall(path: Path, broker: str) -> Memory:
    """Return what was kept; the protocol only if it was this broker's."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Memory)
    except FileNotFoundError:
        return Memory(broker)
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s is not used: %s", path, error)
        return Memory(broker)
    if kept.broker != broker:
        return msgspec.structs.replace(kept, broker=broker, protocol=None)
    return kept


def keep(path: Path, memory: Memory) -> None:
    """Write it down. A disk that refuses is logged: nothing depends on it."""
    try:
        write_whole(path, msgspec.json.encode(memory))
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error)
