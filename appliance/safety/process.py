"""The safety process: everything is made here, joined, and run in one TaskGroup.

The mode at the start is the configuration's: a change by command is journaled and
lasts for this life. Every life begins tripped.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.config.safety import Mode
from appliance.link.roles import role_resolver
from appliance.link.server import LinkServer
from appliance.runtime.notify import notify, watchdog_period_s
from appliance.runtime.plugins import load_connector, tag_ids
from appliance.safety import happenings
from appliance.safety.announcer import Announcer
from appliance.safety.asking import RequestWriter
from appliance.safety.claim import said_at_arming
from appliance.safety.desk import Desk
from appliance.safety.intake import Intake
from appliance.safety.journal import Journal
from appliance.safety.logic import power_up
from appliance.safety.maintenance import Life, rules_of
from appliance.safety.operations import Operations
from appliance.safety.output import ElementWriter
from appliance.safety.quiet import quiet_logs
from appliance.safety.realtime import (
    ask_for_realtime,
    follow,
    new_loop,
    pin_to,
    settle_heap,
)
from appliance.safety.scan import Scan
from appliance.safety.tags import TagBoard
from appliance.safety.turn import matrix_of
from appliance.wire.events import tag_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config import Config
    from appliance.domain.ports import Clock, Output
    from appliance.runtime.plugins import SourceSettings

__all__ = ["new_loop", "run"]

log = logging.getLogger(__name__)

SOCKET = "safety.sock"
JOURNAL = "safety.db"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_READ_AT_MOST_S = 1.0
_THREADS = 4


async def run(config: Config, *, state_dir: Path, run_dir: Path, clock: Clock) -> None:
    """Scan until cancelled.

    Raises:
        UnknownConnectorError: A safety source cannot serve safety.
    """
    matrix = matrix_of(config)
    pinned = pin_to(config.safety.cpu_affinity)
    priority = config.safety.realtime_priority
    realtime = ask_for_realtime(priority)
    asyncio.get_running_loop().set_default_executor(_threads(priority))
    journal = Journal(state_dir / JOURNAL, clock=clock)
    await journal.open()
    board = TagBoard(matrix.rows)
    link = LinkServer(
        run_dir / SOCKET, process="safety", role_of=role_resolver(config.roles)
    )
    tags = {tag.id: tag for tag in board.tags}
    link.set_tags(journal.epoch, tag_table(tags, board.numbers))
    outputs = _outputs(config, clock)
    desk = Desk()
    life = life_of(config)
    scan = Scan(
        matrix,
        power_up(
            matrix,
            journal.causes,
            armed=config.safety.mode is Mode.ARMED,
            token=journal.token,
            life=life,
            now_s=clock.now_s(),
        ),
        period_s=config.safety.scan_period_s,
        intakes=tuple(_intakes(config, clock)),
        writers=_writers(config, outputs, clock),
        desk=desk,
        clock=clock,
        asking=_asking(config, outputs),
    )
    announcer = Announcer(link, journal, board=board, clock=clock, life=life)
    operations = Operations(
        matrix,
        scan,
        desk=desk,
        journal=journal,
        clock=clock,
        realtime=realtime,
        bypass_longest_s=config.safety.bypass_longest_s,
    )
    operations.offer(link)
    announcer.tell(happenings.of_power_up(matrix, scan.state), scan.state)
    if journal.trouble:
        announcer.tell_trouble(journal.trouble)
    mode = Mode.ARMED if scan.state.armed else Mode.OBSERVE
    log.info("mode is %s; %s", mode, realtime or "SCHED_FIFO")
    if pinned:
        log.info("%s", pinned)
    for line in said_at_arming(matrix) if scan.state.armed else ():
        log.info("%s", line)
    settle_heap()
    with quiet_logs(partial(follow, priority)):
        await _live(scan, announcer, journal, link, outputs=outputs, clock=clock)


async def _live(
    scan: Scan,
    announcer: Announcer,
    journal: Journal,
    link: LinkServer,
    *,
    outputs: Mapping[str, Output],
    clock: Clock,
) -> None:
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
        for output in outputs.values():
            await opened.enter_async_context(output.open())
        tasks.create_task(journal.run(), name="safety.journal")
        tasks.create_task(link.serve(), name="safety.link")
        await link.wait_ready()
        scan.start_companions(tasks)
        pulse = _Pulse(clock)
        scanning = scan.run(announcer, journal, on_turn=pulse.prove)
        tasks.create_task(scanning, name="safety.scan")


def _threads(priority: int) -> ThreadPoolExecutor:
    """Return the threads of whatever may block: they follow the scan's priority."""
    return ThreadPoolExecutor(
        max_workers=_THREADS,
        thread_name_prefix="safety",
        initializer=follow,
        initargs=(priority,),
    )


def life_of(config: Config) -> Life:
    """Return what a token must agree with; where no boot is known, none does."""
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return Life(boot, rules_of(config))


class _Pulse:
    """Tells systemd that scans complete: READY with the first, WATCHDOG since."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._period_s = watchdog_period_s()
        self._told_at_s: float | None = None

    def prove(self) -> None:
        """A scan has completed."""
        now_s = self._clock.now_s()
        if self._told_at_s is None:
            notify("READY=1")
        elif self._period_s is None or now_s - self._told_at_s < self._period_s / 2:
            return
        else:
            notify("WATCHDOG=1")
        self._told_at_s = now_s


def _outputs(config: Config, clock: Clock) -> dict[str, Output]:
    wanted = {element.output for element in config.elements}
    if config.safety.maintenance is not None:
        wanted.add(config.safety.maintenance.output)
    return {
        source.name: load_connector(source.connector).output(source, clock)
        for source in config.safety_sources
        if source.name in wanted
    }


def _writers(
    config: Config, outputs: Mapping[str, Output], clock: Clock
) -> dict[str, ElementWriter]:
    return {
        element.id: ElementWriter(element, outputs[element.output], clock=clock)
        for element in config.elements
    }


def _asking(config: Config, outputs: Mapping[str, Output]) -> RequestWriter | None:
    rules = config.safety.maintenance
    return None if rules is None else RequestWriter(rules, outputs[rules.output])


def _intakes(config: Config, clock: Clock) -> Iterator[Intake]:
    """Yield one per source that has tags; a source of points alone is only written."""
    for source in config.safety_sources:
        if tag_ids(source):
            reader = load_connector(source.connector).reader(source, clock)
            deadline_s = _deadline_s(config, source)
            yield Intake(reader, deadline_s=deadline_s, clock=clock)


def _deadline_s(config: Config, source: SourceSettings) -> float:
    """Return how long a read may take: what comes later is late for some initiator."""
    tags = set(tag_ids(source))
    ages_s = [
        row.max_age_s for row in config.initiators if tags.intersection(row.channels)
    ]
    return min([*ages_s, _READ_AT_MOST_S])
