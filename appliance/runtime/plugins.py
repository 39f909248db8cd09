"""Connectors by name, through entry points; nothing is imported before it is used."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads it at run time
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import Field

from appliance.domain.tag import Tag, TagId, parse_tag_id
from appliance.runtime.settings import Settings

if TYPE_CHECKING:
    from appliance.domain.ports import (
        Clock,
        Explorer,
        Output,
        Probe,
        Reader,
        Source,
    )

GROUP = "wheeltapper.connectors"


class TagSettings(Settings):
    """What every connector's tag has; a connector adds where to find it.

    `states` are the words for its values, `{ 0 = "stopped", 1 = "running" }`.
    """

    id: str
    engineering_units: str = ""
    range_low: float | None = None
    range_high: float | None = None
    description: str = ""
    states: Mapping[int, str] = Field(default_factory=dict)

    def tag(self) -> Tag:
        """Return the tag of the domain.

        Raises:
            InvalidTagIdError: `id` is not a tag name.
        """
        low, high = self.range_low, self.range_high
        return Tag(
            id=parse_tag_id(self.id),
            engineering_units=self.engineering_units,
            range_low=float("-inf") if low is None else low,
            range_high=float("inf") if high is None else high,
            description=self.description,
            states=tuple(sorted(self.states.items())),
        )


@dataclass(frozen=True, slots=True)
class Dialling:
    """How many connections a source opens to where, and how many are taken there.

    `accepts` is None where that is not known, or does not matter.
    """

    where: str
    opens: int
    accepts: int | None = None


class SourceSettings(Settings):
    """What every source has; a connector adds how to reach it.

    A subclass declares `tags: tuple[ItsTagSettings, ...]` and may override
    `tag_table` where tags follow from something else.
    """

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w.\-]+$")
    connector: str
    stale_after_s: float = Field(default=5.0, gt=0)

    def tag_table(self) -> tuple[Tag, ...]:
        """Return the tags this source is responsible for."""
        tags: tuple[TagSettings, ...] = getattr(self, "tags", ())
        return tuple(each.tag() for each in tags)

    def of_gateway(self, site: str, gateway: str) -> Self:
        """Return a copy that knows whose source this is."""
        del site, gateway
        return self.model_copy()

    def shared_port(self) -> str | None:
        """Return the exclusive resource (a serial port) this occupies, or None."""
        return None

    def dialling(self, *, in_safety: bool) -> Dialling | None:
        """Return what this source dials, or None where nothing can be too much.

        In safety, a source may read and write on a connection each.
        """
        del in_safety
        return None

    def only_connection(self) -> str | None:
        """Return what bears no connection beside the source's own, or None."""
        return self.shared_port()

    def written_place(self, point: Settings) -> str | None:
        """Return where a point of this source lies, the same for whoever reaches it."""
        del point
        return None


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector's card: its settings, and where its classes are (`module:Class`).

    `source(settings, clock)` → `Source`; `reader(settings, clock)` → `Reader`;
    `output(settings, clock)` → `Output`; `probe(settings, clock)` → `Probe`;
    `explorer(clock)` → `Explorer`. Reading the card imports no protocol
    library and no numpy.
    """

    name: str
    settings: type[SourceSettings]
    source_path: str
    reader_path: str | None = None
    output_path: str | None = None
    probe_path: str | None = None
    explorer_path: str | None = None

    def source(self, settings: SourceSettings, clock: Clock) -> Source:
        """Construct the source; nothing is connected yet."""
        return cast("Source", _load(self.source_path)(settings, clock))

    def reader(self, settings: SourceSettings, clock: Clock) -> Reader:
        """Construct the reader for safety.

        Raises:
            UnknownConnectorError: This connector has none.
        """
        if self.reader_path is None:
            raise UnknownConnectorError(f"connector {self.name!r} cannot serve safety")
        return cast("Reader", _load(self.reader_path)(settings, clock))

    def output(self, settings: SourceSettings, clock: Clock) -> Output:
        """Construct the output for safety.

        Raises:
            UnknownConnectorError: This connector has none.
        """
        if self.output_path is None:
            raise UnknownConnectorError(f"connector {self.name!r} cannot write")
        return cast("Output", _load(self.output_path)(settings, clock))

    def probe(self, settings: SourceSettings, clock: Clock) -> Probe:
        """Construct what reads tags once; nothing is connected yet.

        Raises:
            UnknownConnectorError: This connector has none.
        """
        if self.probe_path is None:
            raise UnknownConnectorError(f"connector {self.name!r} cannot read once")
        return cast("Probe", _load(self.probe_path)(settings, clock))

    def explorer(self, clock: Clock) -> Explorer:
        """Construct what looks around.

        Raises:
            UnknownConnectorError: This connector has none.
        """
        if self.explorer_path is None:
            raise UnknownConnectorError(f"connector {self.name!r} cannot discover")
        return cast("Explorer", _load(self.explorer_path)(clock))


class UnknownConnectorError(LookupError):
    """No connector of that name is installed, or it lacks what is asked."""


def connector_names() -> tuple[str, ...]:
    """Return the installed connectors' names without importing any."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_connector(name: str) -> Connector:
    """Import a connector's card.

    Raises:
        UnknownConnectorError: Not installed.
    """
    for point in entry_points(group=GROUP, name=name):
        card = point.load()
        if isinstance(card, Connector):
            return card
    known = ", ".join(connector_names())
    raise UnknownConnectorError(f"no connector {name!r} is installed; known: {known}")


def tag_ids(settings: SourceSettings) -> tuple[TagId, ...]:
    """Return the names of a source's tags, in order."""
    return tuple(tag.id for tag in settings.tag_table())


def _load(path: str) -> Any:  # noqa: ANN401 - the entry point's promise, cast above
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
