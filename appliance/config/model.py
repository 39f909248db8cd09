"""What a configuration holds, section by section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from appliance.config.learning import ModesSettings, SensorsSettings
from appliance.config.safety import ElementSettings, InitiatorSettings, SafetySettings
from appliance.config.windows import parse_window
from appliance.domain.health import derived_tags
from appliance.runtime.plugins import SourceSettings  # noqa: TC001 - pydantic reads it
from appliance.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.config.callout import CalloutSettings
    from appliance.domain.tag import Tag, TagId

WEBSOCKET_PORT = 443
Provider: TypeAlias = Literal[
    "TensorrtExecutionProvider", "CUDAExecutionProvider", "ROCMExecutionProvider",
    "MIGraphXExecutionProvider", "OpenVINOExecutionProvider", "ACLExecutionProvider",
    "ArmNNExecutionProvider", "QNNExecutionProvider", "VitisAIExecutionProvider",
    "NnapiExecutionProvider", "XnnpackExecutionProvider", "DnnlExecutionProvider",
    "CPUExecutionProvider",
]  # fmt: skip
_ID = r"^[^/+#\s][^/+#]*$"
_TOPIC_LEVEL = r"^[^/+#\s]+$"
_WITH_SETPOINT = frozenset({"high", "high_high", "low", "low_low", "rate"})


class SiteSettings(Settings):
    """Who we are; both are levels of every MQTT topic."""

    id: str = Field(pattern=_TOPIC_LEVEL, max_length=64)
    gateway: str = Field(pattern=_TOPIC_LEVEL, max_length=64)


class BearingSettings(Settings):
    """Geometry of a rolling bearing, from its data sheet."""

    balls: int = Field(ge=3, le=100)
    ball_diameter_mm: float = Field(gt=0)
    pitch_diameter_mm: float = Field(gt=0)
    contact_angle_deg: float = Field(default=0.0, ge=0, lt=90)

    @model_validator(mode="after")
    def _balls_fit(self) -> BearingSettings:
        if self.ball_diameter_mm >= self.pitch_diameter_mm:
            raise ValueError("the balls are larger than the pitch circle")
        return self


class SeveritySettings(Settings):
    """`[assets.severity]`: by which table the overall velocity is judged, zones A to D.

    `standard` 20816-3 (machines above 15 kW, by `mounting`: is the support's first
    resonance a quarter above the running speed, it is rigid) or 10816-7 (pumps, by
    `category`: I needs high reliability).
    """

    standard: Literal["20816-3", "10816-7"]
    power_kw: float = Field(gt=0)
    mounting: Literal["rigid", "flexible"] = "rigid"
    category: Literal["I", "II"] = "II"


class QuantitiesSettings(Settings):
    """`[assets.quantities]`: which tag tells what, where its name does not say so.

    Without a word, a tag counts whose last part is the key's name (`P-101/flow`).
    """

    velocity: str | None = None
    flow: str | None = None
    suction_pressure: str | None = None
    discharge_pressure: str | None = None
    current: str | None = None
    winding_temperature: str | None = None
    bearing_temperature: str | None = None
    level: str | None = None
    valve: str | None = None


class RunningSettings(Settings):
    """The machine runs while `tag` is above `above`; `settle_s` of it are start-up."""

    tag: str
    above: float = 0.5
    settle_s: float = Field(default=5.0, ge=0)


class FailureSettings(Settings):
    """The asset counts as failed when `tag` reaches `level` (engineering units)."""

    tag: str
    level: float


class DetectionSettings(Settings):
    """Windows of `window_s`, one every `hop_s`; `tags` to score, default all.

    `false_alarms_per_week` is how many false anomalies you are ready to bear for this
    machine: the limit that is learned follows from it.
    """

    window_s: float = Field(default=10.0, gt=0)
    hop_s: float = Field(default=1.0, gt=0)
    tags: tuple[str, ...] = ()
    on_delay_s: float = Field(default=3.0, ge=0)
    false_alarms_per_week: float = Field(default=1.0, gt=0, le=1000)


class AssetSettings(Settings):
    """A machine that has health.

    `gear_teeth` of the wheel and `blades` of the impeller on the shaft that
    `speed_tag` tells of add the lines of a gear's mesh and of blade passing.
    """

    id: str = Field(pattern=_ID, max_length=64)
    kind: str = "machine"
    description: str = ""
    running: RunningSettings | None = None
    hour_meter: str | None = None
    speed_tag: str | None = None
    waveform_tag: str | None = None
    bearing: BearingSettings | None = None
    gear_teeth: int | None = Field(default=None, ge=2, le=1000)
    blades: int | None = Field(default=None, ge=2, le=200)
    severity: SeveritySettings | None = None
    quantities: QuantitiesSettings = QuantitiesSettings()
    failure: FailureSettings | None = None
    detection: DetectionSettings = DetectionSettings()
    modes: ModesSettings = ModesSettings()
    sensors: SensorsSettings = SensorsSettings()


class SuppressedWhileSettings(Settings):
    """The alarm means nothing while `tag` is above, below, or equal to.

    Every limit that is given must hold, and a bad or stale value suppresses nothing.
    """

    tag: str
    above: float | None = None
    below: float | None = None
    equals: float | None = None

    @model_validator(mode="after")
    def _has_a_limit(self) -> SuppressedWhileSettings:
        if self.above is None and self.below is None and self.equals is None:
            raise ValueError("say above, below, or equals")
        return self


class AlarmSettings(Settings):
    """One alarm: which rule watches which tag, and what the operator shall do.

    `rule`: `high`, `low`, and `high_high`, `low_low` beyond them (setpoint, deadband),
    `rate` (setpoint per second, either way), `stale` (no confirmation for the source's
    `stale_after_s`), `bad` (quality bad), `score` (an asset's anomaly score above its
    limit).

    With a `count`, so many onsets within `count_within_s` count too, however short.
    `realarm_after_s` announces it again while it stays active. It may be shelved for
    `shelve_max_s`; 0 forbids it. While the alarm named by `parent` (`TAG:RULE`) stands
    and is announced, this one lives on but is not announced, unless it has the higher
    priority.
    """

    tag: str
    rule: Literal[
        "high", "high_high", "low", "low_low", "rate", "stale", "bad", "score"
    ]
    setpoint: float | None = None
    deadband: float = Field(default=0.0, ge=0)
    on_delay_s: float = Field(default=0.0, ge=0)
    off_delay_s: float = Field(default=0.0, ge=0)
    count: int | None = Field(default=None, ge=2, le=1000)
    count_within_s: float | None = Field(default=None, gt=0)
    realarm_after_s: float | None = Field(default=None, ge=60)
    shelve_max_s: float = Field(default=28_800.0, ge=0, le=604_800)
    suppressed_while: SuppressedWhileSettings | None = None
    parent: str | None = None
    priority: Literal["low", "medium", "high", "critical"] = "medium"
    latched: bool = False
    cause: str = ""
    consequence: str = ""
    action: str = ""
    respond_within_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _limit_rules_have_a_setpoint(self) -> AlarmSettings:
        if self.rule in _WITH_SETPOINT and self.setpoint is None:
            raise ValueError(f"rule {self.rule!r} needs a setpoint")
        return self

    @model_validator(mode="after")
    def _a_count_has_a_window(self) -> AlarmSettings:
        if (self.count is None) != (self.count_within_s is None):
            raise ValueError("count and count_within_s go together")
        if self.count is not None and not self.on_delay_s:
            raise ValueError("without an on_delay_s the first onset counts already")
        return self

    @property
    def id(self) -> str:
        """Name of the alarm: its tag and rule."""
        return f"{self.tag}:{self.rule}"


class StorageSettings(Settings):
    """`[storage]`: how much, how often, how long.

    `key_file` names a file or systemd credential with 64 hexadecimal digits: the
    buffer is then encrypted (`buffer encrypt` does it to one that is there).
    """

    quota_bytes: int = Field(default=2_000_000_000, ge=1_000_000)
    commit_period_s: float = Field(default=1.0, gt=0, le=60)
    chunk_s: float = Field(default=60.0, gt=0, le=3600)
    outbox_quota_bytes: int = Field(default=500_000_000, ge=100_000)
    key_file: str | None = None


class ProxySettings(Settings):
    """`[uplink.proxy]`: an HTTP proxy that tunnels to the broker (CONNECT)."""

    host: str
    port: int = Field(default=3128, ge=1, le=65535)
    username: str | None = None
    password_file: str | None = None


class UplinkSettings(Settings):
    """`[uplink]`: the cloud broker. Keys come from files or systemd credentials.

    `acknowledged_by = "fleet"` waits for the fleet's word; `"broker"` takes PUBACK.

    What leaves: the streams in `sends`, of the tags that a pattern in `tags` matches
    (`*` any text, `?` any character); raw samples only on request here at the gateway,
    within `raw_bytes_per_day`. Rows of events are always numbered; one that may not
    leave goes empty. Snippets are rounded `snippet_snr_db` below their own rms.

    When: summaries and health wait up to `hold_s` for company. `windows`, such as
    "02:00-04:00 daily" in `time_zone`, are the only times to connect, except for
    alarms, trips and anomalies. `bytes_per_s` and `bytes_per_day` bound the rest.
    A backlog of summaries that would take longer than `coarsen_after_s` is merged to
    15 minutes, then to an hour; 0 never merges.

    How: `transport = "websocket"` puts MQTT into a WebSocket at `path` (`port` is then
    443 unless it is given), for sites that let only the web out.
    """

    host: str
    port: int = Field(default=8883, ge=1, le=65535)
    tls: bool = True
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    transport: Literal["tcp", "websocket"] = "tcp"
    path: str = Field(default="/mqtt", pattern=r"^/[!-~]*$")
    proxy: ProxySettings | None = None
    acknowledged_by: Literal["fleet", "broker"] = "fleet"
    summary_period_s: float = Field(default=60.0, gt=0)
    health_period_s: float = Field(default=60.0, gt=0)
    window: int = Field(default=50, ge=1, le=1000)
    max_payload_bytes: int = Field(default=100_000, ge=1_000, le=1_000_000)
    sends: tuple[Literal["event", "health", "summary", "snippet"], ...] = (
        "event", "health", "summary", "snippet",
    )  # fmt: skip
    tags: tuple[str, ...] = ("*",)
    snippet_snr_db: float = Field(default=36.0, ge=6, le=120)
    raw_bytes_per_day: int = Field(default=1_000_000, ge=0)
    hold_s: float = Field(default=300.0, ge=0, le=86_400)
    windows: tuple[str, ...] = ()
    time_zone: str = "UTC"
    bytes_per_s: float | None = Field(default=None, ge=100)
    bytes_per_day: int | None = Field(default=None, ge=10_000)
    coarsen_after_s: float = Field(default=14_400.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _websocket_has_its_own_port(cls, given: object) -> object:
        if not isinstance(given, dict) or given.get("transport") != "websocket":
            return given
        return {"port": WEBSOCKET_PORT, **given}

    @field_validator("windows")
    @classmethod
    def _windows_are_times(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for each in windows:
            parse_window(each)
        return windows

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            problem = f"{name!r} is no time zone; say one such as 'Europe/Berlin'"
            raise ValueError(problem) from error
        return name


class UpdatesSettings(Settings):
    """`[updates]`: the tree that released models come from, and how far we trust it.

    `root_file` is the root that trust begins with (`1.root.json` of the tree, brought
    by hand). `ca_file` names who vouches for the server's certificate; default: the
    system's list. `activate = "staged"` leaves the last step to a person.
    """

    tree: str = Field(pattern=r"^(file:///|https://).")
    root_file: str
    period_s: float = Field(default=45.0, ge=5)
    activate: Literal["automatic", "staged"] = "automatic"
    ca_file: str | None = None


class InferenceSettings(Settings):
    """`[inference]`: how models run here, and what learning one may take.

    `providers` of onnxruntime in the order of preference; one that is not there is
    passed over, so the processor comes last. `threads` of one model: graphs as small
    as ours gain nothing by more. `wheeltapper learn` gives up beyond
    `training_memory_bytes` of address space, or `training_within_s`.
    """

    threads: int = Field(default=1, ge=1, le=8)
    providers: tuple[Provider, ...] = ("CPUExecutionProvider",)
    training_memory_bytes: int = Field(default=3_000_000_000, ge=500_000_000)
    training_within_s: float = Field(default=1800.0, ge=10, le=86_400)

    @field_validator("providers")
    @classmethod
    def _processor_is_last(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if given[-1:] != ("CPUExecutionProvider",) or len(set(given)) != len(given):
            problem = "the last must be 'CPUExecutionProvider', and none may be twice"
            raise ValueError(problem)
        return given


class MetricsSettings(Settings):
    """`[metrics]`: Prometheus may ask the hub; off where this section is absent.

    `listen` is `unix:/path` or a port of this machine alone, `127.0.0.1:9464`.
    """

    listen: str = Field(pattern=r"^(unix:/.+|(127\.0\.0\.1|localhost):\d{1,5})$")


class RoleSettings(Settings):
    """`[roles]`: UNIX groups whose members have a role; higher roles include lower."""

    viewer: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()
    maintainer: tuple[str, ...] = ()
    supervisor: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The effective configuration. Built by `load_config` alone.

    `file` is where it was read from, for children of a process.
    """

    site: SiteSettings
    sources: tuple[SourceSettings, ...] = ()
    assets: tuple[AssetSettings, ...] = ()
    alarms: tuple[AlarmSettings, ...] = ()
    safety: SafetySettings = field(default_factory=SafetySettings)
    safety_sources: tuple[SourceSettings, ...] = ()
    initiators: tuple[InitiatorSettings, ...] = ()
    elements: tuple[ElementSettings, ...] = ()
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    storage: StorageSettings = field(default_factory=StorageSettings)
    uplink: UplinkSettings | None = None
    updates: UpdatesSettings | None = None
    inference: InferenceSettings = field(default_factory=InferenceSettings)
    roles: RoleSettings = field(default_factory=RoleSettings)
    metrics: MetricsSettings | None = None
    callout: CalloutSettings | None = None
    file: Path | None = field(default=None, compare=False)

    def measured_tags(self) -> tuple[Tag, ...]:
        """Return the tags of all sources of the hub, in order."""
        return tuple(tag for source in self.sources for tag in source.tag_table())

    def derived_tags(self) -> tuple[Tag, ...]:
        """Return the tags that inference produces."""
        return tuple(tag for asset in self.assets for tag in derived_tags(asset.id))

    def tag(self, tag_id: TagId) -> Tag | None:
        """Return a tag by its name, measured or derived."""
        for tag in (*self.measured_tags(), *self.derived_tags()):
            if tag.id == tag_id:
                return tag
        return None
