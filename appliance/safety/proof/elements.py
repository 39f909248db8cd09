"""The walk over one element: its latch, its output, its people, and the hand-over.

Its rows stand in postures that the row walks have reached: one scan of each kind that
the latch can tell apart. One row at a time goes through all of its postures while the
others are well, and any two demand together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING

from appliance.safety.logic import power_up
from appliance.safety.maintenance import Handover, Phase
from appliance.safety.proof.classes import LOST, SILENT
from appliance.safety.proof.clock import NOW_S, Happening, folded, happens
from appliance.safety.proof.move import NO, UNKNOWN, YES, Move, played
from appliance.safety.proof.promises import Scan, broken
from appliance.safety.proof.rows import bypassed_places
from appliance.safety.proof.walk import Edge, Walked, walk
from appliance.safety.row import channels_of, is_read, not_good

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from appliance.config import InitiatorSettings
    from appliance.safety.latch import Latch
    from appliance.safety.proof.expected import Expected
    from appliance.safety.proof.rows import RowScan
    from appliance.safety.row import RowState
    from appliance.safety.turn import Matrix, Order, State

_ACTS: tuple[tuple[str, ...], ...] = (
    (), ("reset",), ("stop",), ("stop", "reset"), ("arm",), ("disarm",),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Posture:
    """One scan of a row: from where, with which words, and what it must come to."""

    name: str
    names: tuple[str, ...]
    before: RowState
    words: tuple[str, ...]
    expected: Expected
    heard: bool

    @property
    def is_well(self) -> bool:
        """Whether it lets the machine run, and a reset pass."""
        return self.name == "well"


class Postures:
    """Gathers, while a row is walked, one scan of each kind.

    `finely` tells apart what only a hand-over does.
    """

    def __init__(self, row: InitiatorSettings, *, finely: bool = False) -> None:
        self._row = row
        self._finely = finely
        self.found: dict[Hashable, Posture] = {}

    def look(self, scan: RowScan) -> None:
        """Keep a scan if there was none like it."""
        row = self._row
        before = scan.before.state.rows[row.id]
        after = scan.turn.state.rows[row.id]
        known = scan.after.expected
        words = scan.move.words[row.id]
        heard = row.source == "model" or all(each.heard for each in known.channels)
        kind: tuple[bool, ...] = (
            after.demand,
            after.unproven_since_s is None,
            bool(not_good(row, after)),
            is_read(row, after),
            after.bypass is not None,
        )
        if self._finely:
            kind = (
                *kind,
                heard,
                any(c.is_young and c.good_at_s is not None for c in after.channels),
                any(each.sound and each.beyond for each in known.channels),
            )
        if kind not in self.found:
            name = _name(row, known, words, bypassed=after.bypass is not None)
            self.found[kind] = Posture(
                name, channels_of(row), before, words, known, heard
            )


def _name(
    row: InitiatorSettings, known: Expected, words: tuple[str, ...], *, bypassed: bool
) -> str:
    parts = ["bypassed"] if bypassed else []
    if known.demands:
        parts.append("demand")
    elif known.lasts != "never":
        parts.append("on-delay")
    elif not bypassed and all(each.sound and not each.late for each in known.channels):
        parts.append("proven")
    else:
        parts.append("proven by the rest")
    if row.source == "field" and any(word in SILENT and word != LOST for word in words):
        parts.append("not read")
    return "well" if parts == ["proven"] else ", ".join(parts)


@dataclass(frozen=True, slots=True)
class ElementNode:
    """A state of the element; its rows are put in by each move."""

    state: State
    told_run: bool


class ElementWalk:
    """Walks one element of a matrix with all of its rows; `look` sees every scan."""

    def __init__(
        self,
        matrix: Matrix,
        postures: Mapping[str, tuple[Posture, ...]],
        look: Callable[[Scan], None],
    ) -> None:
        self.matrix = matrix
        (self._element,) = matrix.elements
        self._together = tuple(_together(postures))
        self._look = look

    def walked(self, states_max: int) -> Walked[ElementNode]:
        """Walk from a power-up, and from a life that returns."""
        return walk(self.first(), key=_key, ways=self.ways, states_max=states_max)

    def first(self) -> ElementNode:
        """Return the beginning, as every life begins: tripped."""
        state = power_up(self.matrix, {}, armed=True)
        return ElementNode(folded(self.matrix, state), told_run=False)

    def ways(self, node: ElementNode) -> Iterator[Edge[ElementNode]]:
        """Yield every way on."""
        yield from self._happenings(node)
        for rows in self._together:
            for move in self._moves(node, rows):
                yield self._scanned(node, rows, move)

    def _happenings(self, node: ElementNode) -> Iterator[Edge[ElementNode]]:
        latch = node.state.latches[self._element.id]
        if latch.unstopped_since_s == NOW_S:
            yield self._happened(node, "confirm")
        if latch.unwritten_since_s == NOW_S:
            yield self._happened(node, "write")
        standing = node.state.handover
        if standing is not None and standing.until_s > NOW_S:
            yield self._happened(node, "hand-over ends")
        if standing is not None and standing.phase is Phase.GRANTED:
            yield self._happened(node, "restart")

    def _happened(self, node: ElementNode, what: str) -> Edge[ElementNode]:
        event = Happening(what, self._element.id)
        return Edge(event, replace(node, state=happens(self.matrix, node.state, event)))

    def _moves(self, node: ElementNode, rows: Mapping[str, Posture]) -> Iterator[Move]:
        words = {name: each.words for name, each in rows.items()}
        put = {name: each.before for name, each in rows.items()}
        element = self._element
        tags = ("", *(each.tag for each in element.permissives))
        acts = _ACTS
        grants: tuple[str, ...] = (UNKNOWN,)
        if self.matrix.maintenance is not None:
            acts = (*acts, ("hand over",), ("resume",))
        if node.state.handover is not None:
            grants = (YES, NO, UNKNOWN)
        worlds = [(NO, True), (YES, True), (YES, False), (UNKNOWN, True)]
        if element.feedback is None:
            worlds = [(UNKNOWN, True), (UNKNOWN, False)]
        for act, (runs, obeys), granted in product(acts, worlds, grants):
            resets = frozenset({element.id}) if "reset" in act else frozenset()
            for missing in tags if resets else ("",):
                yield Move(
                    words, runs=runs, obeys=obeys, granted=granted, missing=missing,
                    acts=frozenset(act) - {"reset"}, resets=resets, put=put,
                )  # fmt: skip
        if all(each.is_well for each in rows.values()):
            yield Move(words, runs=YES, granted=grants[0], pause=True, put=put)

    def _scanned(
        self, node: ElementNode, rows: Mapping[str, Posture], move: Move
    ) -> Edge[ElementNode]:
        turn = played(self.matrix, node.state, move)
        scan = Scan(
            self.matrix,
            rows={name: each.expected for name, each in rows.items()},
            free={name: _free(each) for name, each in rows.items()},
            names=", ".join(each.name for each in rows.values() if not each.is_well),
            before=node.state,
            told_run=node.told_run,
            move=move,
            turn=turn,
        )
        self._look(scan)
        told = _told(node, turn.orders[self._element.id], turn.state)
        after = folded(self.matrix, turn.state)
        return Edge(move, ElementNode(after, told), tuple(broken(scan)))


def _told(node: ElementNode, order: Order, state: State) -> bool:
    """Say what the element was told last; held, it is told nothing new."""
    return node.told_run if order.hold else order.may_run and state.armed


def _free(posture: Posture) -> frozenset[int]:
    """Return the places of the channels that no bypass takes out."""
    taken = bypassed_places(posture.names, posture.before)
    return frozenset(range(len(posture.names))) - taken


def _together(
    postures: Mapping[str, tuple[Posture, ...]],
) -> Iterator[dict[str, Posture]]:
    """Yield what the rows do together: one in each posture, or two in demand."""
    well = {name: _well(found) for name, found in postures.items()}
    yield well
    for name, found in postures.items():
        for posture in found:
            if posture is not well[name]:
                yield {**well, name: posture}
    unheard = {name: _named(found, heard=False) for name, found in postures.items()}
    if len(postures) > 1:
        yield {name: found or well[name] for name, found in unheard.items()}
    demands = {name: _named(found, name="demand") for name, found in postures.items()}
    for one, other in combinations(demands, 2):
        pair = {each: demands[each] or well[each] for each in (one, other)}
        yield {**well, **pair}


def _named(
    found: tuple[Posture, ...], *, heard: bool = True, name: str = ""
) -> Posture | None:
    return next(
        (each for each in found if each.heard is heard and each.name.startswith(name)),
        None,
    )


def _well(found: tuple[Posture, ...]) -> Posture:
    return next(each for each in found if each.is_well)


def _key(node: ElementNode) -> Hashable:
    (latch,) = node.state.latches.values()
    standing = node.state.handover
    return (
        _latch_key(latch),
        node.state.armed,
        node.state.reset_before,
        node.told_run,
        None if standing is None else _standing_key(standing),
    )


def _latch_key(latch: Latch) -> Hashable:
    return (
        latch.tripped,
        bool(latch.causes),
        latch.stopped,
        latch.unstopped_since_s,
        latch.stop_failed,
        latch.unwritten_since_s,
    )


def _standing_key(standing: Handover) -> Hashable:
    return (str(standing.phase), standing.until_s > NOW_S)
