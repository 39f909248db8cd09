"""Inference from the hub's batches to derived ones, with a model it has learned."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from appliance.config import check_text
from appliance.domain.batch import Batch, bad_batch, batch_of
from appliance.domain.health import derived_group, derived_tags, explanation_of
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId
from appliance.inference import memory
from appliance.inference.asset import asset_model
from appliance.inference.derived import STATUS_BAD_NO_DATA
from appliance.inference.detector import BundleDetector
from appliance.inference.drift import Drift
from appliance.inference.drift_memory import ShiftMemory
from appliance.inference.judge import AssetJudge
from appliance.inference.memory import Keeper, read_memory, write_memory
from appliance.inference.moves import Change, Move
from appliance.inference.process import Models, Session, run
from appliance.inference.window import Windows
from appliance.link.client import connect
from appliance.link.roles import Role
from appliance.link.server import LinkServer
from appliance.runtime.files import replace_link
from appliance.runtime.tasks import alongside
from appliance.wire.batches import batch_of_message, message_of
from appliance.wire.messages import EventMessage, Lost, TagEntry
from models.bundle import write_bundle
from models.features import FeatureTable, feature_names, feature_vector
from models.train.learn import learn
from models.train.settings import TagSettings, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from appliance.config import Config
    from appliance.link.server import Peer
    from appliance.wire.messages import BatchMessage
    from models.features import FeatureVector

S = 1_000_000_000
START_NS = 1_800_000_000 * S
FLOW, SPEED, HOURS = map(TagId, ("P-101/flow", "P-101/speed", "P-101/hours"))
NAMES = (FLOW, SPEED, HOURS, *(tag.id for tag in derived_tags("P-101")))
NUMBERS = {TagId(name): number for number, name in enumerate(NAMES, start=1)}

TOML = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "plant"
connector = "example"
file = "x"
[[sources.tags]]
id = "P-101/flow"
key = "flow"
[[sources.tags]]
id = "P-101/speed"
key = "speed"
[[sources.tags]]
id = "P-101/hours"
key = "hours"
[[assets]]
id = "P-101"
hour_meter = "P-101/hours"
running = { tag = "P-101/speed", above = 100.0, settle_s = 0.0 }
failure = { tag = "P-101/flow", level = 1000.0 }
detection = { window_s = 4.0, hop_s = 1.0, on_delay_s = 2.0, tags = ["P-101/flow"] }
"""


def the_config() -> Config:
    config, problems = check_text(TOML)
    assert config is not None, problems
    return config


CONFIG = the_config()
MODEL = asset_model(CONFIG, CONFIG.assets[0])


def plant(time_ns: int, *, flow: float = 50.0, speed: float = 1480.0) -> Batch:
    """Return one poll; the flow has a ripple of ±1."""
    ripple = math.sin(time_ns / S * 7.0) + 0.3 * math.sin(time_ns / S * 1.3)
    return batch_of(
        [NUMBERS[FLOW], NUMBERS[SPEED], NUMBERS[HOURS]],
        [flow + ripple, speed, (time_ns - START_NS) / S],
        source_time_ns=time_ns,
        receive_time_ns=time_ns,
        group="plant.file",
    )


def times(seconds: float, *, start_ns: int = START_NS) -> range:
    return range(start_ns, start_ns + round(seconds * S), S // 5)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two learned versions of P-101's model; v1 is active."""
    root = tmp_path_factory.mktemp("models")
    windows = Windows(MODEL, NUMBERS)
    rows: list[tuple[int, FeatureVector]] = []
    for time_ns in times(150):
        windows.push(plant(time_ns))
        window = windows.due(time_ns)
        if window is not None and window.mode == "running":
            rows.append((window.end_ns, feature_vector(MODEL, window)))
    table = FeatureTable.of(feature_names(MODEL), rows)
    settings = TrainingSettings(
        asset="P-101",
        tags=(TagSettings(FLOW, "m3/h"),),
        window_s=4.0,
        hop_s=1.0,
    )
    for version in ("v1", "v2"):
        bundle = learn(table, settings)
        manifest = msgspec.structs.replace(bundle.manifest, version=version)
        write_bundle(root, replace(bundle, manifest=manifest))
    replace_link(root / "P-101" / "active", "v1")
    return root


@pytest.fixture
def judge(models: Path) -> AssetJudge:
    made = AssetJudge(CONFIG, CONFIG.assets[0], NUMBERS)
    made.use(BundleDetector.load(models / "P-101" / "v1"))
    return made


def told(judge: AssetJudge, batches: list[Batch]) -> list[Batch]:
    found = []
    for batch in batches:
        judge.push(batch)
        due = judge.due(batch.receive_time_ns)
        if due is not None:
            answer = judge.judge(*due, now_ns=batch.receive_time_ns)
            assert answer is not None
            found.append(answer)
    return found


def values(batch: Batch) -> dict[str, float]:
    """Return the good values by quantity."""
    return {
        NAMES[int(tag) - 1].split("/")[1]: float(value)
        for tag, value, quality in zip(
            batch.tag, batch.value, batch.quality, strict=True
        )
        if quality == Quality.GOOD
    }


def texts_of(batches: list[Batch], quantity: str) -> list[str | int]:
    """Return what was told of a quantity in words, in order."""
    number = NUMBERS[TagId(f"P-101/{quantity}")]
    return [
        text.content for batch in batches for text in batch.texts if text.tag == number
    ]


def test_an_anomaly_is_explained_and_its_end_is_told(judge: AssetJudge) -> None:
    begun_ns = START_NS + 20 * S
    high = [plant(t, flow=90.0) for t in times(12, start_ns=begun_ns)]
    after = [plant(t) for t in times(20, start_ns=begun_ns + 12 * S)]
    batches = told(judge, [plant(t) for t in times(20)] + high + after)
    first, *explained, last = texts_of(batches, "explanation")
    assert (first, last) == ("", "")
    found = explanation_of(str(explained[-1]))
    assert found is not None
    assert found.asset == "P-101"
    assert begun_ns <= found.since_ns <= begun_ns + 4 * S
    assert found.score > found.limit
    assert found.tags[0].tag == FLOW
    assert found.tags[0].direction == "up"


def test_a_healthy_machine_has_full_health_and_no_remaining_life(
    judge: AssetJudge,
) -> None:
    last = told(judge, [plant(t) for t in times(20)])[-1]
    found = values(last)
    assert found["health_index"] == 1.0
    assert found["anomaly"] == 0.0
    assert 0.0 < found["anomaly_score"] <= 1.0
    assert "remaining_useful_life_h" not in found
    assert last.group == derived_group("P-101")
    assert set(last.source_time_ns.tolist()) == {START_NS + 19 * S}
    assert last.texts == ()


def test_a_growing_fault_is_an_anomaly_with_cause_and_remaining_life(
    judge: AssetJudge,
) -> None:
    healthy = [plant(t) for t in times(20)]
    fault = [
        plant(t, flow=50.0 * math.exp((t - START_NS - 20 * S) / S / 30.0))
        for t in times(40, start_ns=START_NS + 20 * S)
    ]
    batches = told(judge, healthy + fault)
    anomalies = [values(batch).get("anomaly") for batch in batches]
    assert anomalies[:15] == [0.0] * 15
    assert anomalies[-10:] == [1.0] * 10
    last = values(batches[-1])
    assert last["anomaly_score"] > 1.0
    assert last["health_index"] < 1.0
    low, life = last["remaining_useful_life_h_low"], last["remaining_useful_life_h"]
    assert 0.0 <= low < life
    causes = texts_of(batches, "anomaly_score")
    assert causes[0] == FLOW
    assert len(causes) < len(batches) / 2  # told when it changes


def test_a_machine_that_stands_is_not_judged_and_that_is_told_once(
    judge: AssetJudge,
) -> None:
    batches = told(judge, [plant(t, speed=0.0) for t in times(12)])
    first, *others = batches
    assert judge.mode == "stopped"
    assert set(first.quality.tolist()) == {Quality.BAD}
    assert set(first.status.tolist()) == {STATUS_BAD_NO_DATA}
    assert np.isnan(first.value).all()
    assert all(len(each) == 0 and each.confirms for each in others)
    judge.repeat()
    (again,) = told(judge, [plant(START_NS + 13 * S, speed=0.0)])
    assert len(again) == 6


def test_the_indicator_is_the_mean_since_the_last_look(judge: AssetJudge) -> None:
    looks = []
    for time_ns in times(8):
        judge.push(plant(time_ns))
        due = judge.due(time_ns)
        if due is not None:
            looks.append(due[1])
    assert [round(each.indicator) for each in looks] == [50] * len(looks)
    assert looks[-1].life_h == pytest.approx(7.0)
    judge.push(bad_batch([NUMBERS[FLOW]], 0, time_ns=START_NS + 9 * S))
    due = judge.due(START_NS + 9 * S)
    assert due is not None
    assert due[1].indicator == pytest.approx(50, abs=2)  # the newest good one


def test_after_maintenance_the_anomaly_and_the_life_begin_anew(
    judge: AssetJudge,
) -> None:
    growing = [
        plant(t, flow=50.0 * math.exp((t - START_NS) / S / 30.0)) for t in times(40)
    ]
    last = values(told(judge, growing)[-1])
    assert last["anomaly"] == 1.0
    assert "remaining_useful_life_h" in last
    due_before = judge.baseline_due
    repaired_ns = START_NS + 10_000 * S
    judge.maintained(repaired_ns)
    assert (due_before, judge.baseline_due) == (False, True)  # learned of the old one
    assert [each["key"] for each in judge.diagnostics] == ["baseline P-101"]
    first = told(judge, [plant(t) for t in times(6, start_ns=repaired_ns)])[-1]
    assert values(first)["anomaly"] == 0.0
    assert values(first)["health_index"] == 1.0
    assert "remaining_useful_life_h" not in values(first)


def test_drift_is_advice_until_a_new_model_is_due_anyway(judge: AssetJudge) -> None:
    assert judge.drift is None
    assert judge._drift is not None
    judge._drift.drift = Drift(START_NS, (FLOW,))
    (advice,) = judge.diagnostics
    assert advice["key"] == "drift P-101"
    assert advice["tags"] == [FLOW]
    judge.maintained(START_NS + 10_000 * S)
    assert [each["key"] for each in judge.diagnostics] == ["baseline P-101"]


def test_a_judge_that_was_killed_goes_on_from_its_memory(
    judge: AssetJudge, models: Path
) -> None:
    begun_ns = START_NS + 20 * S
    told(judge, [plant(t) for t in times(20)])
    told(judge, [plant(t, flow=90.0) for t in times(12, start_ns=begun_ns)])
    known = judge.memory()
    assert known is not None
    assert known.standing is not None
    detector = BundleDetector.load(models / "P-101" / "v1")
    again = AssetJudge(CONFIG, CONFIG.assets[0], NUMBERS)
    again.use(detector, known)
    assert again.memory() == known
    high = [plant(t, flow=90.0) for t in times(8, start_ns=begun_ns + 12 * S)]
    found = explanation_of(str(texts_of(told(again, high), "explanation")[-1]))
    assert found is not None
    assert found.since_ns == known.standing.since_ns
    told(again, [plant(t) for t in times(8, start_ns=begun_ns + 20 * S)])
    again.maintained(begun_ns + 60 * S, "seal replaced")
    later = again.memory()
    assert later is not None
    assert later.standing is None
    (episode,) = later.episodes
    assert episode.since_ns == known.standing.since_ns
    assert episode.outcome == "seal replaced"
    once_more = AssetJudge(CONFIG, CONFIG.assets[0], NUMBERS)
    once_more.use(detector, later)
    once_more.maintained(begun_ns + 60 * S, "told again by the hub")
    assert once_more.memory() == later


def test_how_a_value_swings_is_part_of_an_episode_where_it_is_asked_for(
    models: Path,
) -> None:
    config, problems = check_text(
        TOML.replace("on_delay_s = 2.0", 'on_delay_s = 2.0, features = ["centroid_hz"]')
    )
    assert config is not None, problems
    judge = AssetJudge(config, config.assets[0], NUMBERS)
    judge.use(BundleDetector.load(models / "P-101" / "v1"))
    told(judge, [plant(t) for t in times(30)])
    begun_ns = START_NS + 30 * S
    swinging = [
        plant(t, flow=90.0 + 12.0 * (place % 2))
        for place, t in enumerate(times(12, start_ns=begun_ns))
    ]
    told(judge, swinging)
    known = judge.memory()
    assert known is not None
    assert known.standing is not None
    assert known.standing.fingerprint["P-101/flow:centroid_hz_z"] > 0.0


def test_without_a_model_nothing_is_worth_remembering() -> None:
    assert AssetJudge(CONFIG, CONFIG.assets[0], NUMBERS).memory() is None


def test_a_running_machine_that_changes_is_announced(judge: AssetJudge) -> None:
    assert judge._moves is not None
    judge._moves._limits = {"running": 3.0}  # so short a training learns none
    told(judge, [plant(t) for t in times(80)])
    assert not judge.changes
    start_ns = START_NS + 80 * S
    told(judge, [plant(t, flow=80.0) for t in times(20, start_ns=start_ns)])
    (change,) = judge.changes
    assert change.mode == "running"
    assert change.moves[0].tag == FLOW
    assert change.moves[0].after > change.moves[0].before + 5.0


def test_the_same_maintenance_counts_once(judge: AssetJudge) -> None:
    judge.maintained(START_NS - S)
    high = [plant(t, flow=90.0) for t in times(20)]
    assert values(told(judge, high)[-1])["anomaly"] == 1.0
    judge.maintained(START_NS - S)
    still = [plant(t, flow=90.0) for t in times(1.5, start_ns=START_NS + 20 * S)]
    assert values(told(judge, still)[-1])["anomaly"] == 1.0


def test_without_a_model_no_baseline_is_due() -> None:
    bare = AssetJudge(CONFIG, CONFIG.assets[0], NUMBERS)
    bare.maintained(START_NS)
    assert not bare.baseline_due


def test_without_a_model_it_gathers_and_says_nothing() -> None:
    bare = AssetJudge(CONFIG, CONFIG.assets[0], NUMBERS)
    due = None
    for time_ns in times(6):
        bare.push(plant(time_ns))
        due = bare.due(time_ns) or due
    assert due is not None
    assert bare.judge(*due, now_ns=0) is None
    assert bare.version is None
    assert bare.counters["windows_judged"] == 0


# ------------------------------------------------------------------ the process


class RacingClock:
    """A clock that runs with the plant: naps are short, time is what is fed."""

    def __init__(self) -> None:
        self.time_ns = START_NS

    def utc_ns(self) -> int:
        return self.time_ns

    def now_s(self) -> float:
        return self.time_ns / S

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.002))


@dataclass
class FakeHub:
    """A link that publishes the plant and keeps what inference sends."""

    path: Path
    clock: RacingClock
    entries: tuple[TagEntry, ...] = tuple(
        TagEntry(number, name) for name, number in NUMBERS.items()
    )
    derived: list[Batch] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    upkeep: dict[str, Any] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)
    takes_changes: bool = True

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[FakeHub]:
        server = LinkServer(
            self.path, process="hub", role_of=lambda _u, _g: Role.SUPERVISOR
        )
        server.set_tags("epoch", self.entries)
        server.on_batch = self._take
        server.operation("process.status", self._status)
        server.operation("asset.upkeep", self._upkeep)
        if self.takes_changes:
            server.operation("asset.changed", self._changed)
        self.server = server
        async with alongside(server.serve(), name="test.hub"):
            await server.wait_ready()
            yield self

    async def _take(self, message: BatchMessage, _peer: Peer) -> None:
        self.derived.append(batch_of_message(message))

    async def _status(self, args: Mapping[str, Any], _peer: Peer) -> None:
        self.status = dict(args["status"])

    async def _changed(self, args: Mapping[str, Any], _peer: Peer) -> None:
        self.changes.append(dict(args))

    async def _upkeep(self, _args: Mapping[str, Any], _peer: Peer) -> dict[str, Any]:
        return self.upkeep

    async def run_plant(self, well: Callable[[], bool]) -> None:
        """Let the plant run until something has come of it."""
        async with asyncio.timeout(60):
            while not well():
                self.clock.time_ns += S // 5
                self.server.publish_batch(message_of(plant(self.clock.time_ns)))
                await asyncio.sleep(0.004)


@asynccontextmanager
async def inference(state: Path, hub: FakeHub) -> AsyncIterator[None]:
    work = run(CONFIG, state_dir=state, run_dir=hub.path.parent, clock=hub.clock)
    async with alongside(work, name="test.inference"):
        yield


@pytest.fixture
def state(tmp_path: Path, models: Path) -> Path:
    """A state folder with copies of the learned versions."""
    folder = tmp_path / "state"
    (folder / "models" / "P-101").mkdir(parents=True)
    for version in ("v1", "v2"):
        target = models / "P-101" / version
        (folder / "models" / "P-101" / version).symlink_to(target)
    return folder


def activate(state: Path, version: str) -> None:
    replace_link(state / "models" / "P-101" / "active", version)


async def test_it_judges_by_the_active_model_and_says_which(
    tmp_path: Path, state: Path
) -> None:
    activate(state, "v1")
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    async with inference(state, hub):
        async with hub.serving():
            await hub.run_plant(
                lambda: len(hub.derived) > 3 and bool(hub.status.get("windows_judged"))
            )
    assert hub.status["models"] == {"P-101": "v1"}
    assert hub.status["without_model"] == []
    assert hub.status["modes"] == {"P-101": "running"}
    told = hub.status["telemetry"]["P-101"]
    assert told["took_ms_p99"] >= told["took_ms_p50"] >= 0.0
    assert 0.0 < told["score_p50"] <= 1.0
    assert told["confidence"] == 1.0
    assert hub.status["memory_bytes"] > 0
    assert hub.status["drift"] == {}
    assert hub.status["providers_absent"] == []
    assert values(hub.derived[-1])["health_index"] == 1.0


async def test_without_a_model_it_says_so_and_takes_one_up_when_it_is_activated(
    tmp_path: Path, state: Path
) -> None:
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    async with hub.serving(), inference(state, hub):
        await hub.run_plant(lambda: bool(hub.status))
        assert hub.status["without_model"] == ["P-101"]
        assert hub.derived == []
        activate(state, "v2")
        for asset in ("X-1", "P-101"):
            hub.server.publish_event(
                EventMessage(
                    "model", "activate", 1, "", details={"asset": asset},
                    pending=False, seq=1,
                )
            )  # fmt: skip
        await hub.run_plant(lambda: len(hub.derived) > 1)
        await hub.run_plant(lambda: bool(hub.status["models"]))
    assert hub.status["models"] == {"P-101": "v2"}


async def test_a_model_that_does_not_verify_is_refused_and_the_old_one_judges_on(
    tmp_path: Path, state: Path
) -> None:
    activate(state, "v1")
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    async with hub.serving(), inference(state, hub):
        await hub.run_plant(lambda: bool(hub.derived))
        broken = state / "models" / "P-101" / "v9"
        broken.mkdir()
        (broken / "manifest.json").write_text("{}")
        activate(state, "v9")
        hub.server.publish_event(
            EventMessage(
                "model", "activate", 1, "", details={"asset": "P-101"},
                pending=False, seq=1,
            )
        )  # fmt: skip
        await hub.run_plant(lambda: "P-101" in hub.status.get("refused", {}))
    assert hub.status["models"] == {"P-101": "v1"}


async def test_a_hub_that_comes_back_finds_the_evidence_kept(
    tmp_path: Path, state: Path
) -> None:
    activate(state, "v1")
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    async with inference(state, hub):
        async with hub.serving():
            await hub.run_plant(lambda: hub.status.get("windows_judged", 0) > 5)
        hub.status = {}
        async with hub.serving():
            await hub.run_plant(lambda: bool(hub.status))
    assert hub.status["windows_judged"] > 5


async def test_maintenance_is_heard_when_it_is_done_and_when_coming_back(
    tmp_path: Path, state: Path
) -> None:
    activate(state, "v1")
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    async with inference(state, hub):
        async with hub.serving():
            await hub.run_plant(lambda: "baseline_due" in hub.status)
            assert hub.status["baseline_due"] == []
            for asset, at_ns in (("X-1", 2), ("P-101", hub.clock.time_ns + 10**15)):
                hub.server.publish_event(
                    EventMessage(
                        "maintenance", "maintained", 1, "", asset=asset,
                        details={"at_ns": at_ns}, pending=False, seq=1,
                    )
                )  # fmt: skip
            await hub.run_plant(lambda: hub.status["baseline_due"] == ["P-101"])
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    hub.upkeep = {"P-101": {"at_ns": hub.clock.time_ns + 10**15, "what": "seal"}}
    async with inference(state, hub), hub.serving():
        await hub.run_plant(lambda: hub.status.get("baseline_due") == ["P-101"])


async def test_a_hub_without_our_tags_is_not_ours(
    tmp_path: Path, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub = FakeHub(tmp_path / "hub.sock", RacingClock(), entries=())
    async with hub.serving(), inference(state, hub):
        async with asyncio.timeout(60):
            while "does not know the tag" not in caplog.text:
                await asyncio.sleep(0.005)


async def test_batches_that_were_lost_are_counted(tmp_path: Path, state: Path) -> None:
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    async with hub.serving(), inference(state, hub):
        await hub.run_plant(lambda: bool(hub.status))
        for outlet in hub.server._event_outlets:
            outlet.put_first(Lost(1, 2, 7))  # type: ignore[arg-type] # as a queue would
        await hub.run_plant(lambda: hub.status["batches_lost"] == 7)


async def test_what_was_known_is_kept_at_the_end_and_taken_up_at_the_start(
    tmp_path: Path, state: Path
) -> None:
    activate(state, "v1")
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    async with inference(state, hub), hub.serving():
        await hub.run_plant(lambda: len(hub.derived) > 3)
    file = state / "inference" / "P-101.memory"
    known = read_memory(file.read_bytes(), "P-101")
    assert known.drift is not None
    assert known.drift.model == "v1"
    shift = ShiftMemory("running", known.drift.features[0], 60, START_NS, 0.9)
    drifted = msgspec.structs.replace(known.drift, shifts=(shift,))
    known = msgspec.structs.replace(known, drift=drifted)
    file.write_bytes(write_memory(known))
    hub.status = {}
    async with inference(state, hub), hub.serving():
        await hub.run_plant(lambda: "P-101" in hub.status.get("drift", {}))
    assert hub.status["drift_since_ns"] == {"P-101": START_NS}


async def test_a_kill_loses_no_more_than_was_seen_since_the_last_writing(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "KEEP_EACH_S", 2.0)
    activate(state, "v1")
    hub = FakeHub(tmp_path / "hub.sock", RacingClock())
    file = state / "inference" / "P-101.memory"
    async with inference(state, hub), hub.serving():
        await hub.run_plant(file.exists)
        first = file.read_bytes()
        await hub.run_plant(lambda: file.read_bytes() != first)
        left_behind = file.read_bytes()  # what a kill would leave now
    known = read_memory(left_behind, "P-101")
    assert known.drift is not None
    assert known.drift.score.count > 0
    assert known != read_memory(first, "P-101")


@pytest.mark.parametrize("takes_changes", [True, False])
async def test_the_hub_is_told_of_a_change_whether_it_takes_it_or_not(
    tmp_path: Path, models: Path, takes_changes: bool
) -> None:
    hub = FakeHub(tmp_path / "hub.sock", RacingClock(), takes_changes=takes_changes)
    judge = AssetJudge(CONFIG, CONFIG.assets[0], NUMBERS)
    move = Move(FLOW, 50.0, 80.0, "m3/h")
    judge.changes.append(Change(START_NS, "running", (move,)))
    keeper = Keeper(tmp_path / "inference", hub.clock)
    async with (
        hub.serving(),
        connect(hub.path, process="inference", subscribe=()) as link,
    ):
        session = Session(
            {"P-101": judge}, link, Models(models), keeper, clock=hub.clock
        )
        await session._tell_changes("P-101", judge)
    assert not judge.changes
    assert [each["sentence"] for each in hub.changes] == (
        ["P-101/flow from 50 to 80 m3/h"] if takes_changes else []
    )
