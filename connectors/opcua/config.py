"""Settings of an OPC UA source, reader or output; no protocol library here."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - pydantic reads it at run time
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import unquote

from pydantic import Field, model_validator

from appliance.runtime.plugins import SourceSettings, TagSettings
from appliance.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

_NODE = re.compile(r"(?:nsu=(?P<uri>[^;]+);)?(?P<id>[isgb]=.+)", re.DOTALL)

NodeText = Annotated[
    str,
    Field(
        pattern=r"^(nsu=[^;]+;)?[isgb]=.+$",
        description="`nsu=URI;s=name`; the namespace by URI, because a server may "
        "number its namespaces anew at every start (`ns=2` is refused)",
    ),
]


def parse_node(text: NodeText) -> tuple[str | None, str]:
    """Return the namespace URI (None: the standard's own) and the identifier.

    >>> parse_node("nsu=urn:plant;s=P-101/flow")
    ('urn:plant', 's=P-101/flow')
    """
    found = _NODE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not of the form nsu=URI;s=name")
    uri = found["uri"]
    return None if uri is None else unquote(uri), found["id"]


class SecuritySettings(Settings):
    """How the connection is protected, and who we say we are.

    With a policy, `certificate` and `private_key` are ours and
    `server_certificate` is the one server we talk to (files, PEM or DER). The
    password lies in a file of its own.
    """

    policy: Literal["none", "Basic256Sha256", "Aes256Sha256RsaPss"] = "Basic256Sha256"
    allow_insecure: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    server_certificate: Path | None = None
    user: str | None = None
    password_file: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        files = (self.certificate, self.private_key, self.server_certificate)
        if self.policy == "none":
            if not self.allow_insecure:
                raise ValueError(
                    "without security anybody on the network can read along and "
                    "pretend to be the server; choose a policy, or accept it in "
                    "words: allow_insecure = true"
                )
            if any(files):
                raise ValueError('certificates have no use with policy = "none"')
        elif not all(files):
            raise ValueError(
                f"{self.policy} needs certificate, private_key and "
                'server_certificate; or choose policy = "none" with '
                "allow_insecure = true"
            )
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file go together")
        return self


class OpcuaTagSettings(TagSettings):
    """A tag and its node.

    A `waveform` is a node whose value is an array: one burst of equidistant points.
    Its `sample_rate_hz` is read from the node's property SampleRate if not given.
    """

    node: NodeText
    waveform: bool = False
    sample_rate_hz: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check_waveform(self) -> Self:
        if self.sample_rate_hz is not None and not self.waveform:
            raise ValueError("sample_rate_hz goes with waveform = true")
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
    `timeout_s` bounds connecting and each answer. `queue_messages` may wait for a
    busy hub; then the oldest are lost, counted and logged.
    """

    url: str = Field(pattern=r"^opc\.tcp://[^/\s@]+(/\S*)?$")
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    application_uri: str = "urn:wheeltapper:gateway"
    timeout_s: float = Field(default=4.0, gt=0, le=60)
    publishing_interval_s: float = Field(default=0.25, ge=0.01, le=3600)
    sampling_interval_s: float | None = Field(default=None, ge=0, le=3600)
    keep_alive_s: float = Field(default=1.0, gt=0, le=3600)
    queue_messages: int = Field(default=256, ge=1, le=100_000)
    tags: tuple[OpcuaTagSettings, ...] = ()
    points: tuple[PointSettings, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        _refuse_twice("point", (point.name for point in self.points))
        return self

    @model_validator(mode="after")
    def _check_stale(self) -> Self:
        slowest_s = max(self.keep_alive_s, self.publishing_interval_s)
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
