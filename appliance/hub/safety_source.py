"""Safety as a source that says of itself what stands: a bypass is a standing alarm."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from appliance.domain.diagnostic import Diagnostic
from appliance.domain.tag import TagId, parse_tag_id

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.hub.link_source import LinkSource

BYPASSES = parse_tag_id("safety/bypasses")
"""By this tag safety says how many of its initiators are bypassed."""


class SafetySource:
    """Reads safety by its link, and raises an alarm while anything is bypassed.

    When safety is lost, what it said last stands: a bypass does not end by that.
    """

    def __init__(self, link: LinkSource, numbers: Mapping[TagId, int]) -> None:
        self._link = link
        self._numbers = numbers
        self._bypasses = 0

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._link.name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """The tags we take from there; none before the first connection."""
        return self._link.groups

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What stands now."""
        if not self._bypasses:
            return ()
        some = "initiators are" if self._bypasses > 1 else "initiator is"
        return (
            Diagnostic(
                key="bypass",
                message=f"{self._bypasses} {some} bypassed and would stop nothing",
                remedy="see who, why and until when by `trips list`; end it by"
                " `trips unbypass` as soon as its reason is gone",
                priority="high",
                tags=(BYPASSES,),
            ),
        )

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Dial, and yield batches until the link is lost.

        Raises:
            SourceUnavailableError: The process is not there, or has gone.
        """
        async with (
            self._link.open(numbers) as batches,
            aclosing(self._noting(batches)) as noted,
        ):
            yield noted

    async def _noting(
        self, batches: AsyncIterator[Batch]
    ) -> AsyncGenerator[Batch, None]:
        async for batch in batches:
            told = batch.value[batch.tag == self._numbers.get(BYPASSES, -1)]
            if len(told):
                self._bypasses = int(told[-1])
            yield batch
