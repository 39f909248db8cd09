"""The proof of a whole matrix, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.safety.proof.elements import ElementWalk, Posture, Postures
from appliance.safety.proof.lock import ElementLook, RowLook
from appliance.safety.proof.rows import RowNode, RowScan, RowWalk
from appliance.safety.proof.trace import lines_of, part, private

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.config import InitiatorSettings
    from appliance.safety.proof.elements import ElementNode
    from appliance.safety.proof.walk import Walked
    from appliance.safety.turn import Matrix

STATES_MAX = 50_000
"""Of one walk; a walk that is cut off proves nothing."""


@dataclass(frozen=True, slots=True)
class RowProof:
    """The walk over one row."""

    row: str
    walked: Walked[RowNode]
    postures: tuple[Posture, ...]
    look: RowLook


@dataclass(frozen=True, slots=True)
class FunctionProof:
    """One function: an element with all of its rows. `walked` is None if none holds."""

    element: str
    rows: tuple[RowProof, ...]
    walked: Walked[ElementNode] | None
    look: ElementLook

    @property
    def states(self) -> int:
        """States of all of its walks."""
        own = 0 if self.walked is None else self.walked.states
        return own + sum(row.walked.states for row in self.rows)

    @property
    def transitions(self) -> int:
        """Steps taken in all of its walks."""
        own = 0 if self.walked is None else self.walked.transitions
        return own + sum(row.walked.transitions for row in self.rows)

    @property
    def counterexample(self) -> tuple[str, ...]:
        """The first broken promise as a trace, or nothing."""
        for row in self.rows:
            if row.walked.counterexample is not None:
                road = row.walked.counterexample
                return tuple(lines_of(road, element=self.element, row=row.row))
        if self.walked is not None and self.walked.counterexample is not None:
            return tuple(lines_of(self.walked.counterexample, element=self.element))
        return ()

    @property
    def broken(self) -> tuple[str, ...]:
        """The promises that the counterexample breaks."""
        walks = (*(row.walked for row in self.rows), self.walked)
        for each in walks:
            if each is not None and each.counterexample is not None:
                return each.counterexample.broken
        return ()

    @property
    def is_proven(self) -> bool:
        """Whether every walk went everywhere, and no promise was broken."""
        walks = (*(row.walked for row in self.rows), self.walked)
        return all(
            each is not None and each.whole and each.counterexample is None
            for each in walks
        )


def prove(matrix: Matrix, *, states_max: int = STATES_MAX) -> Iterator[FunctionProof]:
    """Yield the proof of every element, one after the other.

    A row is walked once, whatever it stops. Where a row's walk fails, the element's is
    not begun.
    """
    matrix = private(matrix)
    proofs = {row.id: _row(matrix, row, states_max) for row in matrix.rows}
    for element in matrix.elements:
        function = part(matrix, element.id)
        rows = tuple(proofs[row.id] for row in function.rows)
        look = ElementLook(function)
        if not rows or any(_failed(each) for each in rows):
            yield FunctionProof(element.id, rows, None, look)
            continue
        postures = {each.row: each.postures for each in rows}
        walk = ElementWalk(function, postures, look)
        yield FunctionProof(element.id, rows, walk.walked(states_max), look)


def _row(matrix: Matrix, row: InitiatorSettings, states_max: int) -> RowProof:
    postures = Postures(row, finely=matrix.maintenance is not None)
    look = RowLook(row)

    def see(scan: RowScan) -> None:
        postures.look(scan)
        look(scan)

    walked = RowWalk(row, see).walked(states_max)
    return RowProof(row.id, walked, tuple(postures.found.values()), look)


def _failed(proof: RowProof) -> bool:
    return proof.walked.counterexample is not None or not proof.walked.whole
