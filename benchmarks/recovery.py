"""What a fault costs: seconds to recover, values lost, sessions left on the server.

    python -m benchmarks.recovery [--quick] [--json FILE] [--page FILE] [CASE…]

Real servers, real connectors under the hub's own supervisor, and the fault proxy of
`sim_plant.network` between them. The OPC UA server shows and records ten values of
each tag a second, and its record is the truth that what arrived, live or from history,
is held against. Modbus has no history: what nobody could read is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import math
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.recovery_rigs import killed
from benchmarks.recovery_rigs.modbus import MODBUS_CASES, modbus_rig
from benchmarks.recovery_rigs.opcua import (
    OPCUA_CASES,
    SECURED,
    opcua_rig,
)
from benchmarks.recovery_rigs.watch import LONGEST_RETRY_S, Watch
from sim_plant.servers.counting import Knobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.recovery_rigs.modbus import ModbusRig
    from benchmarks.recovery_rigs.opcua import OpcuaRig

SOME_VALUES = 5
SOON_S = 20.0
FILLED_WITHIN_S = 10.0
SETTLED_US = 300_000  # what was shown in the last moments may still be on its way
AT_ONCE = 4
WITHIN_S = 10.0
"""Two retries, each to its time-out, are 4 s, what a dead session may hold our place
2 s; the rest is room for a busy machine."""
KILLED = "our process killed"
PAGE = Path(__file__).parent.parent / "docs" / "reference" / "recovery.md"


@dataclass(frozen=True)
class Row:
    """One case. `filled` of the values came from history."""

    protocol: str
    case: str
    recovered_s: float
    lost: int
    filled: int
    duplicates: int
    wrong: int
    sessions: int

    @classmethod
    def failed(cls, protocol: str, case: str) -> Row:
        """Return the row of a case that did not come to its end."""
        return cls(protocol, case, math.inf, -1, 0, 0, 0, -1)

    @property
    def is_well(self) -> bool:
        """Whether it did what is promised."""
        whole = self.lost == 0 or self.protocol == "modbus"
        clean = self.duplicates == 0 and self.wrong == 0
        return whole and clean and self.sessions <= 1 and self.recovered_s <= WITHIN_S


def cases() -> list[tuple[str, str]]:
    """Return every protocol and case."""
    opcua = [("opcua", case) for case in (*OPCUA_CASES, KILLED)]
    return opcua + [("modbus", case) for case in MODBUS_CASES]


async def run(protocol: str, case: str) -> Row:
    """Play one case.

    Raises:
        TimeoutError: We did not come back, or a wait in between took too long.
    """
    if protocol == "modbus":
        async with modbus_rig() as rig:
            return await run_modbus(rig, case)
    with tempfile.TemporaryDirectory() as folder:
        secured = case in SECURED
        async with opcua_rig(Path(folder), Knobs(), secured=secured) as served:
            return await run_opcua(served, case)


async def run_opcua(rig: OpcuaRig, case: str) -> Row:
    """Play one case on a running rig."""
    source = rig.source()
    watch = Watch(source)
    if case == KILLED:
        source.resume_from(await killed.live_and_die(rig, watch))
        healed_us = now_us()
    async with watch.reading():
        if case != KILLED:
            await watch.until(lambda: has_values(watch), within_s=SOON_S)
            await OPCUA_CASES[case](rig, watch)
            healed_us = now_us()
        await watch.until_live_after(healed_us, within_s=SOON_S)
        back_us = now_us()
        until_us = back_us - SETTLED_US

        def is_whole() -> bool:
            return not rig.lost(watch, until_us=until_us) and rig.server.sessions <= 1

        with contextlib.suppress(TimeoutError):  # the row shows what is missing
            await watch.until(is_whole, within_s=FILLED_WITHIN_S)
        return Row(
            protocol="opcua",
            case=case,
            recovered_s=(back_us - healed_us) / 1e6,
            lost=rig.lost(watch, until_us=until_us),
            filled=watch.historical,
            duplicates=watch.duplicates,
            wrong=rig.wrong(watch),
            sessions=rig.server.sessions,
        )


async def run_modbus(rig: ModbusRig, case: str) -> Row:
    """Play one case on a running rig."""
    watch = Watch(rig.source())
    async with watch.reading():
        await watch.until(lambda: has_values(watch), within_s=SOON_S)
        await MODBUS_CASES[case](rig, watch)
        healed_us = now_us()
        await watch.until_live_after(healed_us, within_s=SOON_S)
        back_us = now_us()
        with contextlib.suppress(TimeoutError):  # the row shows what is left
            await watch.until(
                lambda: rig.relay.calls_open <= 1, within_s=FILLED_WITHIN_S
            )
        return Row(
            protocol="modbus",
            case=case,
            recovered_s=(back_us - healed_us) / 1e6,
            lost=rig.lost(watch),
            filled=0,
            duplicates=watch.duplicates,
            wrong=rig.wrong(watch),
            sessions=rig.relay.calls_open,
        )


async def run_all(wanted: Iterable[tuple[str, str]]) -> list[Row]:
    """Play cases, a few at a time: they mostly wait."""
    room = asyncio.Semaphore(AT_ONCE)

    async def play(protocol: str, case: str) -> Row:
        async with room:
            try:
                return await run(protocol, case)
            except BaseExceptionGroup as errors:
                if errors.split(TimeoutError)[1] is not None:
                    raise
                return Row.failed(protocol, case)

    async with asyncio.TaskGroup() as tasks:
        playing = [
            tasks.create_task(play(*each), name=f"recovery.{each[1]}")
            for each in wanted
        ]
    return [each.result() for each in playing]


def has_values(watch: Watch) -> bool:
    """Return whether every tag has some."""
    return all(len(each) >= SOME_VALUES for each in watch.received.values())


def now_us() -> int:
    """Return the time as the servers stamp it."""
    return time.time_ns() // 1000


def table(rows: Iterable[Row]) -> str:
    """Return the matrix as Markdown."""
    lines = [
        "| | case | s to recover | lost | from history | twice | wrong | sessions |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.protocol} | {row.case} | {row.recovered_s:.2f} | {row.lost} "
        f"| {row.filled} | {row.duplicates} | {row.wrong} | {row.sessions} |"
        for row in rows
    ]
    return "\n".join(lines)


def page(rows: Iterable[Row]) -> str:
    """Return the reference page."""
    day = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    return f"""# Recovery matrix

Written by `python -m benchmarks.recovery` on {day}; {machine}, Python
{platform.python_version()}; {AT_ONCE} cases at once, so seconds are upper bounds.

Seconds count from the moment at which recovery was possible (the server listens, the
line is whole, the certificate is trusted, a session is free) until every tag was good
again with a younger value. Retries began at 0.1 s and grew to {LONGEST_RETRY_S:g} s
(in the product 0.5 s to 30 s). The OPC UA server showed ten values of each of five tags
a second, and every one of them counts. Sessions are those the server still had of us,
for Modbus the TCP connections. Modbus has no history: lost is what its registers showed
while nobody could read them. No process was restarted, but in the row that says so.

{table(rows)}
"""


def figures(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the rows as `make bench` wants them."""
    return [
        {
            "name": f"{row.protocol}: {row.case} (s)",
            "ours": round(row.recovered_s, 3),
            "baseline": None,
            "baseline_name": None,
            "ratio": None,
            "target": f"<= {WITHIN_S:g} s, nothing lost, one session",
            "met": row.is_well,
            **asdict(row),
        }
        for row in rows
    ]


def main() -> int:
    """Print the matrix; exit 1 if a case is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--quick", action="store_true", help="the same: it is short")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help=f"write it too, as {PAGE.name}")
    parser.add_argument("--victim", help=argparse.SUPPRESS)
    args = parser.parse_args()
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    if args.victim:
        asyncio.run(killed.victim(args.victim))
        return 0
    wanted = [each for each in cases() if not args.cases or each[1] in args.cases]
    rows = asyncio.run(run_all(wanted))
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(figures(rows), indent=1))
    if args.page:
        args.page.write_text(page(rows))
    return 0 if all(row.is_well for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
