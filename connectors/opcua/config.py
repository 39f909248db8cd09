"""Settings of an OPC UA source, reader or output; no protocol library here."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it at run time
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, field_validator, model_validator

from appliance.runtime.pki.application import gateway_uri
from appliance.runtime.plugins import SourceSettings
from appliance.runtime.settings import Settings
from connectors.opcua.tags import (
    DEFAULT_GROUP,
    GroupSettings,
    Mode,
    NodeText,
    OpcuaTagSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Policy = Literal[
    "none", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"
]
"""As in the standard's own URIs, .../SecurityPolicy#Aes256_Sha256_RsaPss."""
_FORMER_POLICIES = {"Aes256Sha256RsaPss": "Aes256_Sha256_RsaPss"}


class SecuritySettings(Settings):
    """How the connection is protected, whom we trust, and who we say we are.

    **The server.** Its certificate must lie in `trusted` of the folder `pki` (default:
    `pki` below the state folder), or be issued by one that does and not be revoked.
    One that is not is kept in `rejected`: `wheeltapper pki trust THUMBPRINT`. Or
    `server_certificate` names the one file we accept. A certificate for another host
    than that of `url` is refused, unless `check_host_name = false`; one whose issuer
    has no current revocation list, unless `allow_missing_crl = true`.

    **We.** Our certificate is made at the first need and renewed in good time, or
    `certificate` and `private_key` are files of yours (PEM or DER).

    **The session** is that of `user`, whose password lies in `password_file`, or of
    `user_certificate` with `user_private_key`, or, accepted in words, of nobody:
    `allow_anonymous = true`. A password is encrypted on its way by the channel or for
    the server's trusted certificate alone, unless `allow_plain_password = true`.

    `policy = "none"` protects nothing and must be accepted in words,
    `allow_insecure = true`; an anonymous session is then accepted too, because on an
    open channel no identity is worth more.
    """

    policy: Policy = "Basic256Sha256"
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    allow_insecure: bool = False
    allow_anonymous: bool = False
    allow_plain_password: bool = False
    allow_missing_crl: bool = False
    check_host_name: bool = True
    pki: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    server_certificate: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    user_certificate: Path | None = None
    user_private_key: Path | None = None

    @property
    def is_secured(self) -> bool:
        """Whether messages are at least signed."""
        return self.policy != "none"

    @field_validator("policy", mode="before")
    @classmethod
    def _modern(cls, given: object) -> object:
        """Accept what earlier versions called a policy."""
        return _FORMER_POLICIES.get(given, given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _check_channel(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key go together")
        if self.is_secured:
            return self
        if not self.allow_insecure:
            raise ValueError(
                "without security anybody on the network can read along and "
                "pretend to be the server; choose a policy, or accept it in "
                "words: allow_insecure = true"
            )
        if self.certificate or (self.server_certificate and not self.user):
            raise ValueError('certificates have no use with policy = "none"')
        return self

    @model_validator(mode="after")
    def _check_identity(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file go together")
        if (self.user_certificate is None) != (self.user_private_key is None):
            raise ValueError("user_certificate and user_private_key go together")
        if self.user is not None and self.user_certificate is not None:
            raise ValueError("choose user or user_certificate, not both")
        somebody = self.user is not None or self.user_certificate is not None
        if self.is_secured and not somebody and not self.allow_anonymous:
            raise ValueError(
                "nobody is named to the server: give user and password_file, or "
                "user_certificate and user_private_key, or accept it in words: "
                "allow_anonymous = true"
            )
        if not self.is_secured and self.user_certificate is not None:
            raise ValueError('a user_certificate needs another policy than "none"')
        return self


NumberType = Literal[
    "Boolean",
    "SByte",
    "Byte",
    "Int16",
    "UInt16",
    "Int32",
    "UInt32",
    "Int64",
    "UInt64",
    "Float",
    "Double",
]


class PointSettings(Settings):
    """A node that may be written. Nothing that is not listed can be written."""

    name: str = Field(min_length=1, max_length=64)
    node: NodeText
    type: NumberType = "Boolean"


class OpcuaSettings(SourceSettings):
    """One OPC UA server.

    The server looks for changes every `sampling_interval_s` (default: the publishing
    interval), sends them every `publishing_interval_s`, and when nothing changed
    says so every `keep_alive_s`. Three keep-alives missed are a lost connection.
    These and `mode`, `queue_size` are those of the group `subscription`, which tags
    belong to by default; `groups` names others.
    `timeout_s` bounds connecting and each answer. `queue_messages` may wait for a
    busy hub; then the oldest are lost, counted and logged. What the server refused is
    tried again every `retry_s`.

    To servers we are `application_uri`; by default `urn:wheeltapper:SITE:GATEWAY`, or
    the name in the certificate that we have.

    A source time further ahead of our clock than `clock_tolerance_s`, or before 2015,
    is wrong, and so are all times of a server whose own clock is that far off. With
    `clock = "keep"` such rows are uncertain; with `"replace"` they get the best time
    that is known, and keep their quality. Either way a diagnostic stands.

    After a loss the server's session is taken up again; what we leave behind, the
    server forgets after `session_timeout_s`. With `backfill` the hole is filled from
    the server's history, at most the last `backfill_longest_s` of it, behind the live
    values and no faster than `backfill_rows_per_s`; `backfill_page_rows` are asked of
    a tag at once, and `backfill_timeout_s` is the patience with one such answer.
    What history cannot fill is declared as a gap.
    """

    url: str = Field(pattern=r"^opc\.tcp://[^/\s@]+(/\S*)?$")
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    application_uri: str | None = Field(default=None, pattern=r"^[!-~]+$")
    timeout_s: float = Field(default=4.0, gt=0, le=60)
    publishing_interval_s: float = Field(default=0.25, ge=0.01, le=3600)
    sampling_interval_s: float | None = Field(default=None, ge=0, le=3600)
    keep_alive_s: float = Field(default=1.0, gt=0, le=3600)
    queue_messages: int = Field(default=256, ge=1, le=100_000)
    mode: Mode = "auto"
    queue_size: int | None = Field(default=None, ge=1, le=100_000)
    retry_s: float = Field(default=60.0, ge=0.05, le=86_400)
    session_timeout_s: float = Field(default=30.0, ge=1, le=3600)
    backfill: bool = True
    backfill_longest_s: float = Field(default=7 * 86_400.0, gt=0)
    backfill_rows_per_s: float = Field(default=5000.0, ge=10, le=1_000_000)
    backfill_page_rows: int = Field(default=500, ge=10, le=100_000)
    backfill_timeout_s: float = Field(default=20.0, gt=0, le=600)
    clock: Literal["keep", "replace"] = "keep"
    clock_tolerance_s: float = Field(default=60.0, gt=0, le=86_400)
    groups: tuple[GroupSettings, ...] = ()
    tags: tuple[OpcuaTagSettings, ...] = ()
    points: tuple[PointSettings, ...] = ()
    _gateway_uri: str | None = None

    @property
    def gateway_uri(self) -> str | None:
        """The name of the gateway whose source this is, if that is known."""
        return self._gateway_uri

    def of_gateway(self, site: str, gateway: str) -> Self:
        """Return these settings, knowing whose they are."""
        known = super().of_gateway(site, gateway)
        known._gateway_uri = gateway_uri(site, gateway)  # noqa: SLF001 - our own copy
        return known

    @property
    def effective_session_timeout_s(self) -> float:
        """`session_timeout_s`, or what three silent intervals need if that is more."""
        slowest_s = max(
            group.publishing_interval_s for group in self.all_groups.values()
        )
        return max(self.session_timeout_s, 3 * self.keep_alive_s, 3 * slowest_s)

    @property
    def all_groups(self) -> dict[str, GroupSettings]:
        """Every group by its name, the default one first."""
        own = GroupSettings(
            name=DEFAULT_GROUP,
            publishing_interval_s=self.publishing_interval_s,
            sampling_interval_s=self.sampling_interval_s,
            mode=self.mode,
            queue_size=self.queue_size,
        )
        return {own.name: own} | {group.name: group for group in self.groups}

    def written_place(self, point: Settings) -> str | None:
        """Return the server and the node of a point."""
        if not isinstance(point, PointSettings):
            return None
        return f"{self.url.lower().rstrip('/')} {point.node}"

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        _refuse_twice("point", (point.name for point in self.points))
        _refuse_twice("group", (group.name for group in self.groups))
        known = self.all_groups
        for tag in self.tags:
            if tag.group not in known:
                names = ", ".join(known)
                raise ValueError(
                    f"tag {tag.id}: unknown group {tag.group!r}; known: {names}"
                )
        return self

    @model_validator(mode="after")
    def _check_stale(self) -> Self:
        groups = self.all_groups
        used = {tag.group for tag in self.tags if tag.group in groups}
        slowest_s = max(
            [self.keep_alive_s]
            + [groups[name].publishing_interval_s for name in sorted(used)]
        )
        if self.tags and slowest_s >= self.stale_after_s:
            raise ValueError(
                f"`stale_after_s` ({self.stale_after_s:g}) must be longer than "
                f"`keep_alive_s` and `publishing_interval_s` ({slowest_s:g}), or its "
                "tags are always stale"
            )
        return self


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name!r} is listed twice; remove one")
        seen.add(name)
