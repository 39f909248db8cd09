"""The safety process: everything is made here, joined, and run in one TaskGroup.

The mode at the start is the configuration's: a change by command is journaled and
lasts for this life. Every life begins tripped.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from appliance.config.safety import Mode
from appliance.link.roles import role_resolver
from appliance.link.server import LinkServer
from appliance.runtime.notify import notify, watchdog_period_s
from appliance.runtime.plugins import load_connector, tag_ids
from appliance.safety import happenings
from appliance.safety.announcer import Announcer
from appliance.safety.claim import CLAIM
from appliance.safety.desk import Desk
from appliance.safety.intake import Intake
from appliance.safety.journal import Journal
from appliance.safety.logic import Matrix, power_up
from appliance.safety.operations import Operations
from appliance.safety.output import ElementWriter
from appliance.safety.realtime import ask_for_realtime, settle_heap
from appliance.safety.scan import Scan
from appliance.safety.tags import TagBoard
from appliance.wire.events import tag_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.ports import Clock, Output
    from appliance.runtime.plugins import SourceSettings

log = logging.getLogger(__name__)

SOCKET = "safety.sock"
JOURNAL = "safety.db"
_READ_AT_MOST_S = 1.0


def matrix_of(config: Config) -> Matrix:
    """Return the cause-and-effect matrix of a configuration."""
    return Matrix(config.initiators, config.elements, dict(config.matrix))


async def run(config: Config, *, state_dir: Path, run_dir: Path, clock: Clock) -> None:
    """Scan until cancelled.

    Raises:
        UnknownConnectorError: A safety source cannot serve safety.
    """
    matrix = matrix_of(config)
    realtime = ask_for_realtime(config.safety.realtime_priority)
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
    scan = Scan(
        matrix,
        power_up(matrix, journal.causes, armed=config.safety.mode is Mode.ARMED),
        period_s=config.safety.scan_period_s,
        intakes=tuple(_intakes(config, clock)),
        writers=_writers(config, outputs, clock),
        desk=desk,
        clock=clock,
    )
    announcer = Announcer(link, journal, board=board, clock=clock)
    operations = Operations(
        matrix, scan, desk=desk, journal=journal, clock=clock, realtime=realtime
    )
    operations.offer(link)
    announcer.tell(happenings.of_power_up(matrix, scan.state), scan.state)
    if journal.trouble:
        announcer.tell_trouble(journal.trouble)
    log.info("mode is %s; %s", config.safety.mode, realtime or "SCHED_FIFO")
    if scan.state.armed:
        log.info("%s", CLAIM)
    settle_heap()
    async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
        for output in outputs.values():
            await opened.enter_async_context(output.open())
        tasks.create_task(journal.run(), name="safety.journal")
        tasks.create_task(link.serve(), name="safety.link")
        await link.wait_ready()
        scan.start_companions(tasks)
        life = _Life(clock)
        scanning = scan.run(announcer, journal, on_turn=life.prove)
        tasks.create_task(scanning, name="safety.scan")


class _Life:
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
