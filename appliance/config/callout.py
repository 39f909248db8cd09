"""`[callout]`: who is called when an alarm waits for an answer."""

from __future__ import annotations

import re
from datetime import date  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from appliance.config.windows import parse_window
from appliance.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = r"^[\w][\w .\-]*$"
_ADDRESS = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"
_A_MAIL_ADDRESS = re.compile(_ADDRESS)
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$"
_URL = r"^https?://[!-~]+$"
_HERE = ("127.0.0.1", "localhost", "::1")
PRIORITIES = ("critical", "high", "medium", "low")


class TargetSettings(Settings):
    """What every target has.

    At most `calls_per_hour` calls go out to it; the last quarter of them is kept for
    critical alarms.
    """

    name: str = Field(pattern=_NAME, max_length=64)
    calls_per_hour: int = Field(default=12, ge=1, le=3600)


class LetterSettings(TargetSettings):
    """A target that reads. With `resolved`, a short note follows an answer."""

    resolved: bool = False


class MailSettings(LetterSettings):
    """`[[callout.mail]]`: a mail server takes it (SMTP).

    At most `calls_per_hour`, of which the last quarter is kept for critical alarms.
    With `resolved`, a short note follows when somebody has answered.

    `security`: `starttls` (port 587), `tls` (465), or `none` (25) for a server of the
    site that asks for no password. `password_file` and `ca_file` are paths, or bare
    names of systemd credentials of wheeltapper-sync.
    """

    host: str = Field(pattern=_HOST, max_length=253)
    port: int | None = Field(default=None, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    sender: str = Field(pattern=_ADDRESS, max_length=254)
    recipients: tuple[str, ...] = Field(min_length=1, max_length=50)

    @field_validator("recipients")
    @classmethod
    def _are_addresses(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            if _A_MAIL_ADDRESS.fullmatch(each) is None:
                raise ValueError(f"{each!r} is not like name@company.example")
        return given

    @model_validator(mode="after")
    def _a_password_travels_in_secret(self) -> MailSettings:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together")
        if self.security == "none" and self.username is not None:
            raise ValueError('a password needs security = "starttls" or "tls"')
        return self

    @property
    def dialled_port(self) -> int:
        """The port, or the usual one of the security."""
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.security]


class WebhookSettings(LetterSettings):
    """`[[callout.webhook]]`: a service takes it (POST of JSON).

    `calls_per_hour` and `resolved` as of mail. `secret_file` signs each body
    (HMAC-SHA256), `bearer_file` names the token that is sent along, `ca_file` who
    vouches for the server; default: the system's list.
    """

    url: str = Field(pattern=_URL, max_length=2000)
    ca_file: str | None = None
    secret_file: str | None = None
    bearer_file: str | None = None

    @model_validator(mode="after")
    def _goes_in_secret(self) -> WebhookSettings:
        parts = urlsplit(self.url)
        if not parts.hostname or parts.port == 0:
            raise ValueError("the url names no server")
        if "@" in parts.netloc:
            raise ValueError("a password has no place in the url; use bearer_file")
        if parts.scheme == "http" and parts.hostname not in _HERE:
            raise ValueError("http goes in the clear; write https://")
        return self


class RelaySettings(TargetSettings):
    """`[[callout.relay]]`: a lamp or horn at a point of one of the hub's sources.

    `point` is listed in `[[sources.points]]` of `source`, with both values permitted.
    It is `on` from a call until every alarm that called is answered, then `off`.
    """

    source: str
    point: str
    on: float = 1.0
    off: float = 0.0
    calls_per_hour: int = Field(default=3600, ge=1, le=3600)


class StepSettings(Settings):
    """`[[callout.steps]]`: who is called for which alarms, after how long.

    `after_s` counts from when the alarm called for somebody and nobody acknowledged
    it. `windows` such as "22:00-06:00 weekdays" are when it applies, always without
    one; what falls due outside waits for the next. With `repeat_s` it is said again,
    `repeats` times.
    """

    targets: tuple[str, ...] = Field(min_length=1, max_length=20)
    after_s: float = Field(default=0.0, ge=0, le=604_800)
    priorities: tuple[Literal["critical", "high", "medium", "low"], ...] = Field(
        default=("critical", "high"), min_length=1
    )
    windows: tuple[str, ...] = ()
    repeat_s: float | None = Field(default=None, ge=60)
    repeats: int = Field(default=3, ge=1, le=100)

    @field_validator("windows")
    @classmethod
    def _windows_are_times(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for each in windows:
            parse_window(each)
        return windows


class CalloutSettings(Settings):
    """`[callout]`: who is called when an alarm waits for an answer; off without it.

    Times of the day are those of `time_zone`; one of the `holidays` counts as a Sunday.
    To one target, calls within `gather_s` go as one message, in a flood of alarms those
    within `flood_gather_s`; one more urgent than the last goes at once. With
    `stop_on_return`, nobody more is called once an alarm has gone by itself.
    """

    time_zone: str = "UTC"
    holidays: tuple[date, ...] = ()
    gather_s: float = Field(default=60.0, ge=0, le=3600)
    flood_gather_s: float = Field(default=300.0, ge=0, le=3600)
    stop_on_return: bool = False
    mail: tuple[MailSettings, ...] = ()
    webhook: tuple[WebhookSettings, ...] = ()
    relay: tuple[RelaySettings, ...] = ()
    steps: tuple[StepSettings, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            problem = f"{name!r} is no time zone; say one such as 'Europe/Berlin'"
            raise ValueError(problem) from error
        return name

    @property
    def targets(self) -> Iterator[TargetSettings]:
        """All of them, of every kind."""
        yield from (*self.mail, *self.webhook, *self.relay)

    @property
    def leaves_the_gateway(self) -> bool:
        """Whether sync has something to deliver."""
        return bool(self.mail or self.webhook)
