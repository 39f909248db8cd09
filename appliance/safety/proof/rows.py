"""The walk over one row: every channel, every class, its bypass and its on-delay.

The row stops two elements. One runs in every scan, the other is stopped and has its
reset pressed: so each scan asks whether the row stops, and whether it lets go.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.config import ElementSettings
from appliance.safety.latch import POWER_UP, Latch
from appliance.safety.logic import power_up
from appliance.safety.proof.classes import SILENT
from appliance.safety.proof.clock import (
    NOW_S,
    Happening,
    channel_key,
    folded,
    happens,
)
from appliance.safety.proof.combinations import Combinations
from appliance.safety.proof.expected import (
    NEVER,
    OVER,
    RUNNING,
    Expected,
    Seen,
    expected,
)
from appliance.safety.proof.move import Move, played
from appliance.safety.proof.promises import (
    CAUSELESS,
    HEARTBEAT,
    P1,
    P2,
    P4,
    P5,
    RESET,
)
from appliance.safety.proof.walk import Edge, Walked, walk
from appliance.safety.row import channels_of
from appliance.safety.turn import Matrix, State

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from appliance.config import InitiatorSettings
    from appliance.safety.row import RowState
    from appliance.safety.turn import Turn

RUNS, STANDS = "runs", "stands"


@dataclass(frozen=True, slots=True)
class RowNode:
    """A state of the row, and what its inputs alone say of it."""

    state: State
    expected: Expected


@dataclass(frozen=True, slots=True)
class RowScan:
    """One scan of the row walk, for whoever wants to look at it."""

    before: RowNode
    move: Move
    turn: Turn
    after: RowNode


class RowWalk:
    """Walks one row of a matrix; `look` sees every scan."""

    def __init__(
        self,
        row: InitiatorSettings,
        look: Callable[[RowScan], None] | None = None,
        *,
        whole: bool = False,
    ) -> None:
        self.row = row
        self.names = channels_of(row)
        columns = tuple(
            ElementSettings(id=name, output=name, point=name) for name in (RUNS, STANDS)
        )
        self.matrix = Matrix((row,), columns, {row.id: (RUNS, STANDS)})
        self._look = look
        self._combinations = Combinations(row, whole=whole)

    def walked(self, states_max: int) -> Walked[RowNode]:
        """Walk from power-up."""
        return walk(
            self.first(),
            key=lambda node: node_key(self.names, node),
            ways=self.ways,
            states_max=states_max,
        )

    def first(self) -> RowNode:
        """Return the beginning: nothing was heard yet."""
        state = folded(self.matrix, power_up(self.matrix, {}, armed=True))
        return RowNode(state, Expected((Seen(),) * len(self.names)))

    def ways(self, node: RowNode) -> Iterator[Edge[RowNode]]:
        """Yield every way on."""
        yield from self._happenings(node)
        for words in self._words(node):
            move = Move({self.row.id: words}, resets=frozenset({STANDS}))
            yield self._scanned(node, move)

    def _happenings(self, node: RowNode) -> Iterator[Edge[RowNode]]:
        row, before = node.state.rows[self.row.id], node.expected
        if row.bypass is None and before.bare == RUNNING:
            lasts = OVER if before.lasts == RUNNING else before.lasts
            over = replace(before, lasts=lasts, bare=OVER)
            yield self._happened(node, "on-delay", over)
        if row.bypass is not None and before.lasts == RUNNING:
            yield self._happened(node, "on-delay", replace(before, lasts=OVER))
        if row.bypass is not None and before.bare == RUNNING:
            yield self._happened(node, "bare on-delay", replace(before, bare=OVER))
        if row.bypass is None:
            yield self._happened(node, "bypass", before)
            if len(self.names) > 1:
                for name in self.names:
                    yield self._happened(node, "bypass", before, name)
        elif row.bypass.until_s > NOW_S:
            yield self._happened(node, "unbypass", before)
            yield self._happened(node, "bypass ends", before)

    def _happened(
        self, node: RowNode, what: str, after: Expected, channel: str = ""
    ) -> Edge[RowNode]:
        event = Happening(what, self.row.id, channel)
        state = happens(self.matrix, node.state, event)
        return Edge(event, RowNode(state, after))

    def _words(self, node: RowNode) -> Iterator[tuple[str, ...]]:
        row = node.state.rows[self.row.id]
        return self._combinations.of(
            standing_of(node),
            row.channels,
            node.expected.channels,
            marked_of(self.names, row),
        )

    def _scanned(self, node: RowNode, move: Move) -> Edge[RowNode]:
        turn = played(self.matrix, based(node.state), move)
        row = node.state.rows[self.row.id]
        places = bypassed_places(self.names, row)
        after = expected(self.row, node.expected, move.words[self.row.id], places)
        broken = tuple(self._broken(move, after, turn, row, places))
        to = RowNode(folded(self.matrix, turn.state), forgotten(self.row, after))
        if self._look is not None:
            scan = RowScan(node, move, turn, RowNode(turn.state, after))
            self._look(scan)
        return Edge(move, to, broken)

    def _broken(
        self,
        move: Move,
        after: Expected,
        turn: Turn,
        before: RowState,
        places: frozenset[int],
    ) -> Iterator[str]:
        words = move.words[self.row.id]
        runs, stands = turn.orders[RUNS], turn.orders[STANDS]
        if after.demands and runs.may_run:
            yield _unstopped(self.row, before, after)
        if not after.demands and not runs.may_run:
            yield CAUSELESS
        proved = after.lasts == NEVER and self._may_reset(after, places)
        if stands.may_run and not proved:
            yield P2
        if not stands.may_run and proved:
            yield RESET
        read = all(
            word not in SILENT or not each.sound
            for word, each in zip(words, after.channels, strict=True)
        )
        if self.row.source == "field" and runs.beat and not read:
            yield HEARTBEAT

    def _may_reset(self, after: Expected, places: frozenset[int]) -> bool:
        return self.row.source == "model" or all(
            place in places or (each.sound and not each.late)
            for place, each in enumerate(after.channels)
        )


def _unstopped(row: InitiatorSettings, before: RowState, after: Expected) -> str:
    """Name the promise that a demand without a stop breaks."""
    if before.bypass is not None and before.bypass.until_s <= NOW_S:
        return P4
    if row.source == "field" and not all(each.sound for each in after.channels):
        return P5
    return P1


def bypassed_places(names: tuple[str, ...], row: RowState) -> frozenset[int]:
    """Return the places of the channels that a bypass takes out in the next scan."""
    bypass = row.bypass
    if bypass is None or bypass.until_s <= NOW_S:
        return frozenset()
    if bypass.channel is None:
        return frozenset(range(len(names)))
    return frozenset({names.index(bypass.channel)})


def marked_of(names: tuple[str, ...], row: RowState) -> tuple[bool, ...]:
    """Say of each channel whether a bypass names it: that one is like no other."""
    channel = None if row.bypass is None else row.bypass.channel
    return tuple(name == channel for name in names)


def node_key(names: tuple[str, ...], node: RowNode) -> Hashable:
    """Return what makes the node's future; channels alike may change places."""
    (row,) = node.state.rows.values()
    trio = zip(row.channels, node.expected.channels, marked_of(names, row), strict=True)
    channels = sorted((channel_key(one), *rest) for one, *rest in trio)
    return tuple(channels), standing_of(node)


def standing_of(node: RowNode) -> Hashable:
    """Return what makes the node's future besides its channels."""
    (row,) = node.state.rows.values()
    bypass, known = row.bypass, node.expected
    return (
        (row.unproven_since_s, row.bare_since_s, row.apart, row.bare_apart),
        None if bypass is None else (bypass.channel is None, bypass.until_s),
        (known.lasts, known.bare, known.apart, known.bare_apart),
    )


def forgotten(row: InitiatorSettings, after: Expected) -> Expected:
    """Return what makes a difference to the next scan."""
    channels = tuple(
        each._replace(
            late=False,
            read=False,
            beyond=each.beyond and (each.sound or row.deadband > 0),
            value=each.value if each.sound else 0.0,
        )
        for each in after.channels
    )
    return replace(after, channels=channels)


def based(state: State) -> State:
    """Return the state with one element that runs and one that may be reset."""
    latches = {
        RUNS: Latch(tripped=False),
        STANDS: Latch(tripped=True, causes=(POWER_UP,), stopped=True),
    }
    return replace(state, latches=latches, reset_before=frozenset())
