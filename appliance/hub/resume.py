"""What sources are told of our own past, so that a hole left by us is filled too."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from appliance.domain.ports import Backfilling, Resumable
from appliance.storage.connection import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.domain.ports import Source
    from appliance.domain.tag import TagId

log = logging.getLogger(__name__)


class ResumeStore(Protocol):
    """What is needed of the store (see `storage.store`)."""

    async def resume_points(self) -> dict[int, int]:
        """Return up to which source time the past of each tag number is whole."""
        ...

    async def note_unfilled(self, from_ns: Mapping[int, int]) -> None:
        """Remember which tags still lack something, and since when."""
        ...

    async def flush(self) -> None:
        """Commit what is queued now."""
        ...


class Resume:
    """Tells sources where they left off, and remembers what they have still to fill."""

    def __init__(
        self,
        store: ResumeStore,
        sources: Iterable[Source],
        numbers: Mapping[TagId, int],
    ) -> None:
        self._store = store
        self._sources = tuple(sources)
        self._numbers = numbers
        self._seen: Mapping[int, int] = {}
        self._noted: Mapping[int, int] = {}
        self._mute: set[str] = set()

    async def tell(self) -> None:
        """Tell every source that can resume, before it is opened.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        able = [each for each in self._sources if isinstance(each, Resumable)]
        if not able:
            return
        points = await self._store.resume_points()
        for source in able:
            numbers = self._numbers_of(source)
            known = {tag: points[n] for tag, n in numbers.items() if n in points}
            try:
                source.resume_from(known)
            except Exception:
                log.exception("source %s cannot resume", source.name)

    async def note(self) -> None:
        """Remember what is still to be filled, if it has changed; call it regularly.

        A hole that is closed now is forgotten with the next call, after a commit: by
        then its rows, which may still be on their way here, are on the disk.
        """
        seen = self._unfilled()
        unfilled = {
            number: min(part[number] for part in (seen, self._seen) if number in part)
            for number in seen.keys() | self._seen.keys()
        }
        self._seen = seen
        if unfilled == self._noted:
            return
        try:
            await self._store.flush()
            await self._store.note_unfilled(unfilled)
        except StoreUnavailableError:
            return  # told by the store, once; it is tried again with the next call
        self._noted = unfilled

    def _unfilled(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for source in self._sources:
            numbers = self._numbers_of(source)
            for tag, from_ns in self._asked(source).items():
                if tag in numbers:
                    found[numbers[tag]] = from_ns
        return found

    def _asked(self, source: object) -> Mapping[TagId, int]:
        try:
            # Asking whether it is one calls the property already.
            return source.unfilled_ns if isinstance(source, Backfilling) else {}
        except Exception:
            name = str(getattr(source, "name", source))
            if name not in self._mute:
                log.exception("source %s cannot say what it has still to fill", name)
            self._mute.add(name)
            return {}

    def _numbers_of(self, source: Source) -> dict[TagId, int]:
        tags = (tag for group in source.groups.values() for tag in group)
        return {tag: self._numbers[tag] for tag in tags if tag in self._numbers}
