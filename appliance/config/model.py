"""What a configuration holds, section by section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import Field, field_validator

from appliance.config.safety import ElementSettings, InitiatorSettings, SafetySettings
from appliance.domain.health import derived_tags
from appliance.runtime.plugins import SourceSettings  # noqa: TC001 - pydantic reads it
from appliance.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.config.alarms import AlarmSettings
    from appliance.config.assets import AssetSettings
    from appliance.config.callout import CalloutSettings
    from appliance.config.uplink import UplinkSettings
    from appliance.domain.tag import Tag, TagId

Provider: TypeAlias = Literal[
    "TensorrtExecutionProvider", "CUDAExecutionProvider", "ROCMExecutionProvider",
    "MIGraphXExecutionProvider", "OpenVINOExecutionProvider", "ACLExecutionProvider",
    "ArmNNExecutionProvider", "QNNExecutionProvider", "VitisAIExecutionProvider",
    "NnapiExecutionProvider", "XnnpackExecutionProvider", "DnnlExecutionProvider",
    "CPUExecutionProvider",
]  # fmt: skip
_TOPIC_LEVEL = r"^[^/+#\s]+$"


class SiteSettings(Settings):
    """Who we are; both are levels of every MQTT topic."""

    id: str = Field(pattern=_TOPIC_LEVEL, max_length=64)
    gateway: str = Field(pattern=_TOPIC_LEVEL, max_length=64)


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
