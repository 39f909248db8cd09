"""Settings of tags and groups: which node, and how it is to be had."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import unquote

from pydantic import Field, model_validator

from appliance.runtime.plugins import TagSettings
from appliance.runtime.settings import Settings

DEFAULT_GROUP = "subscription"

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


GroupName = Annotated[str, Field(pattern=r"^[\w\-]+$", max_length=32)]
Mode = Literal["subscribe", "poll", "auto"]


class OpcuaTagSettings(TagSettings):
    """A tag and its node.

    A `waveform` is a node whose value is an array: one burst of equidistant points.
    Its `sample_rate_hz` is read from the node's property SampleRate if not given.
    Of an array that is no waveform the tag is one `element`, counted from 0; of a
    structure it is one `field`, with dots through structures in structures.

    `deadband` (in engineering units) or `deadband_pct` (of the node's EURange) is the
    change that is too small to be told. `queue_size` is how many values the server
    keeps between two messages (default: the group's).

    `type` is the data type that the node must have (`Double`, or `nsu=URI;i=3002`).
    Where the server states the unit it must be `engineering_units`; if it spells it
    in a way we do not know, say how in `server_units`.
    """

    node: NodeText
    group: GroupName = DEFAULT_GROUP
    waveform: bool = False
    sample_rate_hz: float | None = Field(default=None, gt=0)
    element: int | None = Field(default=None, ge=0)
    field: str | None = Field(default=None, pattern=r"^[^.]+(\.[^.]+)*$")
    deadband: float | None = Field(default=None, gt=0)
    deadband_pct: float | None = Field(default=None, gt=0, le=100)
    queue_size: int | None = Field(default=None, ge=1, le=100_000)
    type: str | None = Field(default=None, min_length=1)
    server_units: str | None = None

    @model_validator(mode="after")
    def _check_waveform(self) -> Self:
        if self.sample_rate_hz is not None and not self.waveform:
            raise ValueError("sample_rate_hz goes with waveform = true")
        if self.waveform and self.element is not None:
            raise ValueError("a waveform is the whole array; remove `element`")
        return self

    @model_validator(mode="after")
    def _check_deadband(self) -> Self:
        if self.deadband is not None and self.deadband_pct is not None:
            raise ValueError("choose `deadband` or `deadband_pct`, not both")
        has_deadband = self.deadband is not None or self.deadband_pct is not None
        if has_deadband and self.waveform:
            raise ValueError("a waveform has no deadband; remove it")
        return self


class GroupSettings(Settings):
    """Tags that are told or asked for together, and confirmed together.

    The server looks for changes every `sampling_interval_s` (default: the publishing
    interval) and sends them every `publishing_interval_s`; `mode = "poll"` reads at
    that interval instead. `auto` subscribes and polls what the server will not
    monitor for want of room. `queue_size` is per tag (default: eight intervals').
    """

    name: GroupName
    publishing_interval_s: float = Field(default=0.25, ge=0.01, le=3600)
    sampling_interval_s: float | None = Field(default=None, ge=0, le=3600)
    mode: Mode = "auto"
    queue_size: int | None = Field(default=None, ge=1, le=100_000)
