"""What sources are told of our own past, and what is remembered of their holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.domain.tag import TagId
from appliance.hub.resume import Resume
from appliance.storage.connection import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

FLOW, LEVEL = TagId("P-101/flow"), TagId("T-101/level")
NUMBERS = {FLOW: 1, LEVEL: 2}


class Points:
    """A store that knows points, and keeps what is noted and when it flushed."""

    def __init__(self, points: dict[int, int] | None = None) -> None:
        self.points = points or {}
        self.log: list[object] = []
        self.refuses = False

    async def resume_points(self) -> dict[int, int]:
        return self.points

    async def flush(self) -> None:
        if self.refuses:
            raise StoreUnavailableError("disk full")
        self.log.append("flush")

    async def note_unfilled(self, from_ns: Mapping[int, int]) -> None:
        self.log.append(dict(from_ns))

    @property
    def noted(self) -> list[object]:
        return [each for each in self.log if each != "flush"]


class Plain:
    name = "plain"
    groups: Mapping[str, Sequence[TagId]] = {"plain": (LEVEL,)}

    def open(self, numbers: object) -> None:
        raise NotImplementedError


class Filling(Plain):
    name = "filling"
    groups: Mapping[str, Sequence[TagId]] = {"filling": (FLOW, TagId("no/number"))}

    def __init__(self) -> None:
        self.told: list[dict[TagId, int]] = []
        self.holes: dict[TagId, int] = {}
        self.broken = False

    def resume_from(self, newest_ns: Mapping[TagId, int]) -> None:
        self.told.append(dict(newest_ns))
        if self.broken:
            raise ZeroDivisionError

    @property
    def unfilled_ns(self) -> Mapping[TagId, int]:
        if self.broken:
            raise ZeroDivisionError
        return self.holes


def resume(store: Points, *sources: Plain) -> Resume:
    return Resume(store, sources, NUMBERS)  # type: ignore[arg-type] # never opened


async def test_a_source_that_can_resume_is_told_its_own_tags() -> None:
    source = Filling()
    await resume(Points({1: 10, 2: 20}), Plain(), source).tell()
    assert source.told == [{FLOW: 10}]


async def test_nothing_is_asked_of_the_disk_where_nobody_can_resume() -> None:
    store = Points()
    store.resume_points = None  # type: ignore[method-assign, assignment] # not called
    await resume(store, Plain()).tell()


async def test_a_source_that_fails_to_resume_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, other = Filling(), Filling()
    source.broken = True
    both = resume(Points({1: 10}), source, other)
    await both.tell()
    assert other.told == [{FLOW: 10}]
    for _ in range(3):
        await both.note()
    words = [record.message for record in caplog.records]
    assert words == [
        "source filling cannot resume",
        "source filling cannot say what it has still to fill",
    ]


async def test_a_hole_is_noted_at_once_and_forgotten_after_a_commit() -> None:
    store, source = Points(), Filling()
    notes = resume(store, source)
    await notes.note()
    assert store.log == []
    source.holes = {FLOW: 10, TagId("of/others"): 1}
    await notes.note()
    source.holes = {FLOW: 15}
    await notes.note()  # what lies between may still be on its way
    source.holes = {}
    await notes.note()
    assert store.noted == [{1: 10}, {1: 15}]
    await notes.note()
    await notes.note()
    assert store.noted == [{1: 10}, {1: 15}, {}]
    assert store.log.count("flush") == 3


async def test_what_a_full_disk_did_not_take_is_noted_later() -> None:
    store, source = Points(), Filling()
    notes = resume(store, source)
    source.holes, store.refuses = {FLOW: 10}, True
    await notes.note()
    assert store.log == []
    store.refuses = False
    await notes.note()
    assert store.noted == [{1: 10}]
