"""Every Protocol on one page: what the rooms ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from appliance.domain.batch import Batch
    from appliance.domain.commissioning import Exploration, Probed
    from appliance.domain.diagnostic import Diagnostic
    from appliance.domain.event import Event, Gap
    from appliance.domain.sample import Sample
    from appliance.domain.tag import TagId


class SourceUnavailableError(Exception):
    """The connection failed or was lost: try again later."""


class OutputFailedError(Exception):
    """A write was refused, lost, or read back differently: the stop is not proven."""


@runtime_checkable
class Source(Protocol):
    """Something that yields batches: a PLC, a file, or another of our processes."""

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        ...

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """Tags this source is responsible for, by the group that confirms them."""
        ...

    def open(
        self, numbers: Mapping[TagId, int]
    ) -> AbstractAsyncContextManager[AsyncIterator[Batch | Gap]]:
        """Connect, and yield batches until the connection is lost.

        A `Gap` says what the source knows to be missing for good (a hole that the
        server's history could not fill, values the server dropped). `numbers` gives
        the tag number of every tag of `groups`. Leaving the context closes the
        connection and leaves no task behind.

        Raises:
            SourceUnavailableError: The connection failed or was lost.
        """
        ...


@runtime_checkable
class Diagnosed(Protocol):
    """A source that knows what is wrong with itself; optional."""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What stands now, connected or not; asked for every second."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A source that can fill a hole from the other side's history; optional."""

    def resume_from(self, newest_ns: Mapping[TagId, int]) -> None:
        """Say what is already stored: the newest source time of each tag.

        Called once, before the first `open`, so that a hole left by our own restart
        is filled like one left by the network.
        """
        ...


@runtime_checkable
class Backfilling(Protocol):
    """A `Resumable` source that says what it has still to fill; optional.

    What it says survives our restart, so that a hole that was half filled when we
    were killed is begun again; rows that are stored already are not stored twice.
    """

    @property
    def unfilled_ns(self) -> Mapping[TagId, int]:
        """From which source time on a tag's past is not whole, if it is not.

        A tag that was named in `resume_from` is listed from then on, until the source
        knows that nothing is missing, or has yielded or declared what was.
        """
        ...


class Reader(Protocol):
    """Pulls one sample per tag for a scan; what safety uses. Numpy-free."""

    @property
    def name(self) -> str:
        """Name used in logs and the configuration."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect; the connection is re-made inside `read` when it was lost.

        Entering never fails because the device is away.
        """
        ...

    async def read(self, deadline_s: float) -> tuple[Sample, ...]:
        """Return one sample per configured tag, in their order, within `deadline_s`.

        What could not be read in time is a bad sample; nothing is raised for it.
        """
        ...


class Output(Protocol):
    """Writes one final element and proves what it wrote. Numpy-free."""

    @property
    def name(self) -> str:
        """Name used in logs and the configuration."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect as a `Reader` does."""
        ...

    async def write(self, point: str, value: float, *, deadline_s: float) -> None:
        """Write a configured point and read it back.

        Raises:
            OutputFailedError: Refused, lost, late, or read back differently.
        """
        ...


class Probe(Protocol):
    """Reads tags once, for a person who sets them up."""

    async def probe(
        self, tags: Sequence[TagId], *, deadline_s: float
    ) -> tuple[Probed, ...]:
        """Connect, read, close; one answer per tag, in order; bad where there is none.

        Raises:
            SourceUnavailableError: Nobody answers.
        """
        ...


class Explorer(Protocol):
    """Looks what is there, and writes the configuration for it."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what it wants to know on the command line."""
        ...

    async def explore(self, args: Namespace) -> Exploration:
        """Look, within the bounds that `args` set.

        Raises:
            SourceUnavailableError: Nobody answers.
        """
        ...


class Detector(Protocol):
    """Scores windows; higher is worse."""

    def score(self, features: Sequence[float]) -> float:
        """Return the anomaly score of one feature vector (NaN in, NaN out)."""
        ...


class Clock(Protocol):
    """The only way to the time."""

    def utc_ns(self) -> int:
        """Wall clock, nanoseconds since 1970 (labels only; it may jump)."""
        ...

    def now_s(self) -> float:
        """Monotonic seconds (decisions)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Store(Protocol):
    """The only writer of the buffer."""

    def append(self, batch: Batch) -> None:
        """Queue a batch for the next group commit."""
        ...

    async def append_event(self, event: Event) -> int:
        """Commit an event; return its sequence number in the event stream."""
        ...

    async def append_gap(self, gap: Gap) -> None:
        """Commit a declared gap."""
        ...
