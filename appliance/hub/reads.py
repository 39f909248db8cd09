"""What a person's window asks beside values and alarms: the machine, declared gaps."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.link.server import RefusedError
from appliance.runtime.pki.certificate import CertificateError, parse_certificates
from appliance.runtime.pki.folder import PkiFolder
from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from appliance.config import Config
    from appliance.domain.event import Gap
    from appliance.domain.ports import Clock
    from appliance.link.server import LinkServer, Peer
    from appliance.storage.retention import Usage

PACE_S, PACE_OVER_S = 60.0, 6 * 3600.0
LEAST_PACE_S = 300.0
"""The growth of the buffer is measured over at least, and at most, so long."""
GAPS_MAX = 500


class Fill(NamedTuple):
    """How much the buffer took at a moment."""

    at_s: float
    used_bytes: int


@dataclass(slots=True)
class Reads:
    """Answers `machine` and `gaps`. `usage` is the store's last measurement."""

    config: Config
    buffer: Path
    clock: Clock
    usage: Callable[[], Usage | None]
    _fills: deque[Fill] = field(
        default_factory=lambda: deque(maxlen=round(PACE_OVER_S / PACE_S))
    )
    _ticks: tuple[int, int] | None = None

    def offer(self, server: LinkServer) -> None:
        """Register both."""
        server.operation("machine", self._machine)
        server.operation("gaps", self._gaps)

    async def run(self) -> None:
        """Measure how fast the buffer fills, until cancelled."""
        while True:
            self.note()
            await self.clock.sleep(PACE_S)

    def note(self) -> None:
        """Take note of what the buffer takes now."""
        usage = self.usage()
        if usage is not None:
            self._fills.append(Fill(self.clock.now_s(), usage.used_bytes))

    async def _machine(self, _args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        quota_bytes = self.config.storage.quota_bytes
        told = await asyncio.to_thread(_machine_of, self.config, self.buffer.parent)
        before, self._ticks = self._ticks, told.pop("ticks")
        return {
            **told,
            "busy": busy_share(before, self._ticks),
            "quota_bytes": quota_bytes,
            "full_in_s": full_in_s(tuple(self._fills), quota_bytes),
        }

    async def _gaps(self, args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        from_ns, to_ns = int(args["from_ns"]), int(args["to_ns"])
        try:
            gaps = await asyncio.to_thread(_gaps_of, self.buffer)
        except StoreOpenError as error:
            raise RefusedError(str(error)) from error
        return gaps_between(gaps, from_ns, to_ns)


def full_in_s(fills: Sequence[Fill], quota_bytes: int) -> float | None:
    """Return when the buffer is full at its pace; None where that is not known.

    It is not full at the end of time either if it does not grow.
    """
    if len(fills) < 2 or fills[-1].at_s - fills[0].at_s < LEAST_PACE_S:  # noqa: PLR2004 - a pace needs two
        return None
    first, last = fills[0], fills[-1]
    pace = (last.used_bytes - first.used_bytes) / (last.at_s - first.at_s)
    if pace <= 0.0:
        return None
    return max(0.0, (quota_bytes - last.used_bytes) / pace)


def busy_share(
    before: tuple[int, int] | None, after: tuple[int, int] | None
) -> float | None:
    """Return the part of the processor's time that was used between two looks."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    return min(1.0, max(0.0, (after[0] - before[0]) / (after[1] - before[1])))


def gaps_between(
    gaps: Sequence[Gap], from_ns: int, to_ns: int
) -> list[dict[str, str | int]]:
    """Return what is declared as missing of values in a time, the newest last."""
    found: list[dict[str, str | int]] = [
        {"what": gap.what, "reason": gap.reason, "from_ns": gap.from_ns,
         "to_ns": gap.to_ns, "count": gap.count}
        for gap in gaps
        if gap.from_ns <= to_ns and gap.to_ns >= from_ns
        and gap.what in {"acquisition", "raw", "rollup"}
    ]  # fmt: skip
    return found[-GAPS_MAX:]


def ticks_of(stat: str) -> tuple[int, int] | None:
    """Return used and all ticks of the first line of `/proc/stat`, if it is one."""
    words = stat.split("\n", maxsplit=1)[0].split()
    if len(words) < 6 or words[0] != "cpu":  # noqa: PLR2004 - to iowait
        return None
    ticks = [int(word) for word in words[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def memory_of(meminfo: str) -> dict[str, int]:
    """Return memory in all and available of `/proc/meminfo`, as far as it is there."""
    found = {}
    names = {"MemTotal": "memory_bytes", "MemAvailable": "memory_available_bytes"}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name in names and rest.split():
            found[names[name]] = 1024 * int(rest.split()[0])
    return found


def _machine_of(config: Config, folder: Path) -> dict[str, Any]:
    disk = shutil.disk_usage(folder)
    return {
        "disk_bytes": disk.total,
        "disk_free_bytes": disk.free,
        "cores": os.cpu_count() or 1,
        "load_1min": os.getloadavg()[0],
        "ticks": ticks_of(_text("/proc/stat")),
        **memory_of(_text("/proc/meminfo")),
        "certificates": list(_certificates(config, folder)),
    }


def _certificates(config: Config, folder: Path) -> Iterator[dict[str, str | int]]:
    """Yield the certificates that our connections lean on, those that can be read."""
    folders = {folder / "pki"}
    files: dict[Path, str] = {}
    for source in config.sources:
        own = getattr(source, "pki", None)
        if isinstance(own, Path):
            folders.add(own)
        certificate = getattr(source, "certificate", None)
        if isinstance(certificate, Path):
            files[certificate] = source.name
    if config.uplink is not None and config.uplink.certificate_file:
        files[Path(config.uplink.certificate_file)] = "uplink"
    for path in sorted(folders):
        for kept in _kept(path):
            yield _row(kept.place, kept.certificate.subject, kept.certificate.ends_ns)
    for file, place in files.items():
        try:
            found = parse_certificates(file.read_bytes())
        except (OSError, CertificateError):
            continue
        yield from (_row(place, each.subject, each.ends_ns) for each in found[:1])


def _kept(path: Path) -> list[Any]:
    try:
        return [kept for kept in PkiFolder(path).kept() if kept.place != "rejected"]
    except OSError:
        return []


def _row(place: str, subject: str, ends_ns: int) -> dict[str, str | int]:
    return {"place": place, "subject": subject, "ends_ns": ends_ns}


def _gaps_of(buffer: Path) -> tuple[Gap, ...]:
    with open_reader(buffer) as reader:
        return reader.gaps()


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
