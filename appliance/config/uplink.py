"""`[uplink]`: the road to the cloud, and what may take it."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from appliance.config.windows import parse_window
from appliance.runtime.settings import Settings

WEBSOCKET_PORT = 443


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
