"""The inference process: the hub's batches in, derived batches out."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import TYPE_CHECKING, Any

from appliance.domain.event import EventKind
from appliance.domain.tag import TagId
from appliance.inference.detector import PROCESSOR, BundleDetector, Runtime
from appliance.inference.judge import AssetJudge
from appliance.inference.memory import FOLDER, Keeper
from appliance.inference.telemetry import memory_bytes
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.runtime.backoff import Backoff
from appliance.runtime.notify import notify, watchdog_period_s
from appliance.runtime.tasks import companions
from appliance.wire.batches import batch_of_message, message_of
from appliance.wire.messages import BatchMessage, EventMessage, Lost, WireError
from models.bundle import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.ports import Clock
    from appliance.link.client import LinkClient
    from appliance.wire.messages import Hello

log = logging.getLogger(__name__)

HUB_SOCKET = "hub.sock"
LATENESS_S = 0.5
"""A window is judged so long after its end: until then its rows may still arrive."""
LOOKS_PER_HOP = 4
STATUS_PERIOD_S = 2.0
FIRST_RETRY_S, LONGEST_RETRY_S = 0.2, 3.0


async def run(config: Config, *, state_dir: Path, run_dir: Path, clock: Clock) -> None:
    """Work until cancelled; the hub may come and go."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_watchdog(clock), name="inference.watchdog")
        await _stay_linked(config, state_dir=state_dir, run_dir=run_dir, clock=clock)


async def _stay_linked(
    config: Config, *, state_dir: Path, run_dir: Path, clock: Clock
) -> None:
    runtime = Runtime(config.inference.providers, config.inference.threads)
    for absent in runtime.absent:
        log.warning("onnxruntime has no %s here: models run on the next", absent)
    models, bench = Models(state_dir / "models", runtime), Bench(config)
    keeper = Keeper(state_dir / FOLDER, clock)
    spread = random.SystemRandom().random
    backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S, jitter=0.3, spread=spread)
    lost = False
    while True:
        linked_s = math.inf
        try:
            async with connect(
                run_dir / HUB_SOCKET,
                process="inference",
                subscribe=("batches", "events"),
            ) as link:
                log.info("linked to the hub")
                lost = False
                linked_s = clock.now_s()
                judges = bench.judges(link.hello)
                await Session(judges, link, models, keeper, clock=clock).run()
        except (LinkLostError, LinkRefusedError, WireError) as error:
            if not lost:
                log.warning("the hub cannot be reached: %s", error)
            lost = True
        finally:
            keeper.keep_all(bench.known)
        if clock.now_s() - linked_s > LONGEST_RETRY_S:
            backoff.reset()
        await clock.sleep(backoff.next_s())


class Bench:
    """The judges of all assets; they outlive the link, and so does their evidence."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._numbers: dict[TagId, int] | None = None
        self._judges: dict[str, AssetJudge] = {}

    @property
    def known(self) -> Mapping[str, AssetJudge]:
        """The judges there are."""
        return self._judges

    def judges(self, hello: Hello) -> Mapping[str, AssetJudge]:
        """Return the judges for this hub: new ones where its tag table is another.

        Raises:
            WireError: It lacks the derived tags of our assets.
        """
        numbers = {TagId(entry.name): entry.number for entry in hello.tags}
        known = self._numbers
        same = known is not None and known.items() <= numbers.items()
        if not same:
            try:
                self._judges = {
                    asset.id: AssetJudge(self._config, asset, numbers)
                    for asset in self._config.assets
                }
            except KeyError as error:
                raise WireError(f"the hub does not know the tag {error}") from error
            self._numbers = numbers
        for judge in self._judges.values():
            judge.repeat()
        return self._judges


class Models:
    """The active bundle of each asset, loaded once per version."""

    def __init__(self, root: Path, runtime: Runtime = PROCESSOR) -> None:
        self._root = root
        self.runtime = runtime
        self._loaded: dict[str, tuple[Path, BundleDetector]] = {}
        self.refused: dict[str, str] = {}
        """Why the active bundle of an asset is not used."""

    async def active(self, asset: str) -> BundleDetector | None:
        """Return the detector of the active bundle; the one before if it is refused."""
        link = self._root / asset / "active"
        folder = await asyncio.to_thread(link.resolve)
        known = self._loaded.get(asset)
        if known is not None and known[0] == folder:
            return known[1]
        if not await asyncio.to_thread(folder.is_dir) or folder == link:
            return None if known is None else known[1]
        try:
            detector = await asyncio.to_thread(
                BundleDetector.load, folder, self.runtime
            )
        except BundleError as error:
            log.error("the model %s of %s is refused: %s", folder.name, asset, error)  # noqa: TRY400 - it ends here; a trace says nothing more
            self.refused[asset] = str(error)
            return None if known is None else known[1]
        self.refused.pop(asset, None)
        self._loaded[asset] = folder, detector
        log.info("%s is judged by model %s", asset, detector.version)
        return detector


class Session:
    """One connection to the hub: gather, judge, tell."""

    def __init__(
        self,
        judges: Mapping[str, AssetJudge],
        link: LinkClient,
        models: Models,
        keeper: Keeper,
        *,
        clock: Clock,
    ) -> None:
        self._keeper = keeper
        self._judges = judges
        self._link = link
        self._models = models
        self._clock = clock
        self._batches_lost = 0

    async def run(self) -> None:
        """Work until the link is lost.

        Raises:
            LinkLostError: The hub has gone.
            WireError: It has sent nonsense.
        """
        for asset in self._judges:
            await self._load(asset)
        async with companions() as tasks:
            tasks.start(self._recall_upkeep(), name="inference.upkeep")
            tasks.start(self._tell_status(), name="inference.status")
            for asset in self._judges:
                tasks.start(self._judge(asset), name=f"inference.judge.{asset}")
            await self._gather()

    async def _gather(self) -> None:
        async for news in self._link.messages():
            match news:
                case BatchMessage():
                    batch = batch_of_message(news)
                    for judge in self._judges.values():
                        judge.push(batch)
                case EventMessage(kind=EventKind.MODEL, name="activate", pending=False):
                    await self._load(str(news.details.get("asset")))
                case EventMessage(kind=EventKind.MAINTENANCE, pending=False):
                    self._begin_lives({news.asset: news.details})
                case Lost():
                    self._batches_lost += news.batches
                    log.warning("too slow: %d batches were lost", news.batches)

    async def _load(self, asset: str) -> None:
        judge = self._judges.get(asset)
        if judge is None:
            return
        detector = await self._models.active(asset)
        if detector is None or detector.version == judge.version:
            return
        memory = None
        if judge.version is None:  # a model that follows another one begins anew
            memory = await asyncio.to_thread(self._keeper.read, asset)
        judge.use(detector, memory)

    async def _recall_upkeep(self) -> None:
        """Hear of the maintenance that was done while we were not there."""
        try:
            self._begin_lives(await self._link.request("asset.upkeep"))
        except LinkRefusedError as error:
            log.warning("the hub does not tell of maintenance: %s", error)

    def _begin_lives(self, upkeep: Mapping[str, Mapping[str, Any]]) -> None:
        for asset, done in upkeep.items():
            judge, at_ns = self._judges.get(asset), done.get("at_ns")
            if judge is not None and isinstance(at_ns, int):
                judge.maintained(at_ns, str(done.get("what") or ""))

    async def _judge(self, asset: str) -> None:
        judge = self._judges[asset]
        while True:
            await self._clock.sleep(judge.hop_s / LOOKS_PER_HOP)
            due = judge.due(self._clock.utc_ns() - round(LATENESS_S * 1e9))
            if due is None:
                continue
            window, evidence = due
            now_ns, begun_s = self._clock.utc_ns(), self._clock.now_s()
            batch = await asyncio.to_thread(
                judge.judge, window, evidence, now_ns=now_ns
            )
            judge.telemetry.took(self._clock.now_s() - begun_s)
            if batch is not None:
                await self._link.send_batch(message_of(batch))
            await self._tell_changes(asset, judge)
            await self._keeper.keep(asset, judge)

    async def _tell_changes(self, asset: str, judge: AssetJudge) -> None:
        """Announce what waits; what the hub has not heard waits for the next link."""
        while judge.changes:
            try:
                await self._link.request(
                    "asset.changed", asset=asset, **judge.changes[0].told()
                )
            except LinkRefusedError as error:
                log.warning("the hub takes no change of %s: %s", asset, error)
            judge.changes.popleft()

    async def _tell_status(self) -> None:
        while True:
            await self._link.request(
                "process.status", process="inference", status=self._status()
            )
            await self._clock.sleep(STATUS_PERIOD_S)

    def _status(self) -> Mapping[str, Any]:
        judges = self._judges.items()
        counters = [judge.counters for _, judge in judges]
        names = counters[0].keys() if counters else ()
        return {
            "models": {a: j.version for a, j in judges if j.version is not None},
            "without_model": [a for a, j in judges if j.version is None],
            "refused": dict(self._models.refused),
            "baseline_due": [a for a, j in judges if j.baseline_due],
            "drift": {a: j.drift.sentence for a, j in judges if j.drift is not None},
            "drift_since_ns": {
                a: j.drift.since_ns for a, j in judges if j.drift is not None
            },
            "telemetry": {asset: judge.telemetry.told() for asset, judge in judges},
            "judged": {asset: judge.windows_judged for asset, judge in judges},
            "memory_bytes": memory_bytes(),
            "providers_absent": list(self._models.runtime.absent),
            "modes": {asset: judge.mode_name for asset, judge in judges},
            "diagnostics": [each for _, judge in judges for each in judge.diagnostics],
            "batches_lost": self._batches_lost,
            **{name: sum(each[name] for each in counters) for name in names},
        }


async def _watchdog(clock: Clock) -> None:
    notify("READY=1")
    period_s = watchdog_period_s()
    while period_s is not None:
        notify("WATCHDOG=1")
        await clock.sleep(period_s)
