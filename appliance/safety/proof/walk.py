"""Breadth first through a graph of states, remembering the road to each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from appliance.safety.proof.clock import Happening
    from appliance.safety.proof.move import Move

Node = TypeVar("Node")


@dataclass(frozen=True, slots=True)
class Edge(Generic[Node]):
    """One way on from a state; `broken` are the promises that it breaks."""

    step: Happening | Move
    to: Node
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Road:
    """A counterexample: the steps from the beginning, and what the last one breaks."""

    steps: tuple[Happening | Move, ...]
    broken: tuple[str, ...]


@dataclass(slots=True)
class Walked(Generic[Node]):
    """What a walk has seen; `whole` is False if it was cut off at its limit."""

    states: int = 0
    transitions: int = 0
    whole: bool = True
    counterexample: Road | None = None
    nodes: list[Node] = field(default_factory=list)


def walk(
    first: Node,
    *,
    key: Callable[[Node], Hashable],
    ways: Callable[[Node], Iterable[Edge[Node]]],
    states_max: int,
) -> Walked[Node]:
    """Take every way from every reachable state, until one breaks a promise.

    More states than `states_max` end it early: nothing is proved then.
    """
    walked: Walked[Node] = Walked(nodes=[first])
    came: list[tuple[int, Happening | Move] | None] = [None]
    seen = {key(first)}
    waiting = deque([0])
    while waiting:
        place = waiting.popleft()
        for edge in ways(walked.nodes[place]):
            walked.transitions += 1
            if edge.broken:
                steps = (*_road(came, place), edge.step)
                walked.counterexample = Road(steps, edge.broken)
                walked.states = len(seen)
                return walked
            name = key(edge.to)
            if name in seen:
                continue
            if len(seen) == states_max:
                walked.whole, walked.states = False, len(seen)
                return walked
            seen.add(name)
            waiting.append(len(walked.nodes))
            walked.nodes.append(edge.to)
            came.append((place, edge.step))
    walked.states = len(seen)
    return walked


def _road(
    came: list[tuple[int, Happening | Move] | None], place: int
) -> tuple[Happening | Move, ...]:
    steps: list[Happening | Move] = []
    before = came[place]
    while before is not None:
        steps.append(before[1])
        before = came[before[0]]
    return tuple(reversed(steps))
