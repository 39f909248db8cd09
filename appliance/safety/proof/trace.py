"""A counterexample as JSON lines, and its replay by the real logic.

The first line says of what it is: an element of the matrix (or one row of it, which
then stops two elements of the proof's own) and which promises it breaks. Each further
line is a scan, or something that happened between two.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from appliance.safety.channel import ChannelState, Trust
from appliance.safety.logic import power_up
from appliance.safety.proof.clock import Happening, folded, happens
from appliance.safety.proof.move import Move, played
from appliance.safety.proof.rows import STANDS, RowWalk, based
from appliance.safety.row import Bypass, RowState
from appliance.safety.turn import Matrix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.safety.proof.walk import Road
    from appliance.safety.turn import State, Turn

FORMAT = "wheeltapper trace 1"


class TraceError(ValueError):
    """The text is no trace, or not one of this matrix."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One step of a replay: what was given, and what came of it (of a scan)."""

    step: Happening | Move
    state: State
    turn: Turn | None = None


def lines_of(road: Road, *, element: str, row: str = "") -> Iterator[str]:
    """Yield a counterexample line by line."""
    head = {"format": FORMAT, "element": element, "row": row, "breaks": road.broken}
    yield json.dumps(head, ensure_ascii=False)
    for step in road.steps:
        yield json.dumps(_plain(step), ensure_ascii=False)


def replayed(matrix: Matrix, lines: Iterable[str]) -> Iterator[Replayed]:
    """Let the real logic go the same road again.

    Raises:
        TraceError: It is no trace, or tells of rows or elements that are not here.
    """
    try:
        head, *steps = [json.loads(line) for line in lines if line.strip()]
        if head["format"] != FORMAT:
            raise TraceError(f"not a {FORMAT}")
        matrix = _part(private(matrix), head["element"], head["row"])
        yield from _replayed(matrix, steps)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise TraceError(f"no trace of this matrix: {error}") from error


def private(matrix: Matrix) -> Matrix:
    """Return the matrix with every channel a tag of its own row's.

    The proof gives each row its inputs whatever the others have: a transmitter that
    two rows share may then say two things at once, which is more than it can.
    """
    uses = Counter(tag for row in matrix.rows for tag in row.channels)
    uses.update(matrix.listened)
    rows = tuple(
        row.model_copy(
            update={
                "channels": tuple(
                    f"{tag} (for {row.id})" if uses[tag] > 1 else tag
                    for tag in row.channels
                )
            }
        )
        for row in matrix.rows
    )
    return replace(matrix, rows=rows)


def part(matrix: Matrix, element: str) -> Matrix:
    """Return one element of a matrix with the rows that stop it.

    Read from the matrix itself: what the logic makes of it is to be proved.
    """
    rows = tuple(r for r in matrix.rows if element in matrix.stops.get(r.id, ()))
    columns = tuple(each for each in matrix.elements if each.id == element)
    stops = {row.id: (element,) for row in rows}
    return Matrix(rows, columns, stops, matrix.maintenance)


def _part(matrix: Matrix, element: str, row: str) -> Matrix:
    if not row:
        found = part(matrix, element)
        if not found.elements:
            raise TraceError(f"no element {element!r}")
        return found
    settings = next((each for each in matrix.rows if each.id == row), None)
    if settings is None:
        raise TraceError(f"no initiator {row!r}")
    return RowWalk(settings).matrix


def _replayed(matrix: Matrix, steps: list[dict[str, Any]]) -> Iterator[Replayed]:
    state = folded(matrix, power_up(matrix, {}, armed=True))
    alone = any(element.id == STANDS for element in matrix.elements)
    for line in steps:
        step = _step(line)
        if isinstance(step, Happening):
            state = happens(matrix, state, step)
            yield Replayed(step, state)
            continue
        if alone:
            state = based(state)
        turn = played(matrix, state, step)
        yield Replayed(step, turn.state, turn)
        state = folded(matrix, turn.state)


def _plain(step: Happening | Move) -> dict[str, Any]:
    if isinstance(step, Happening):
        return {"happens": asdict(step)}
    given = {
        "words": dict(step.words),
        "runs": step.runs,
        "obeys": step.obeys,
        "granted": step.granted,
        "missing": step.missing,
        "acts": sorted(step.acts),
        "resets": sorted(step.resets),
        "pause": step.pause,
        "put": {name: _plain_row(each) for name, each in step.put.items()},
    }
    return {"scan": given}


def _step(line: dict[str, Any]) -> Happening | Move:
    if "happens" in line:
        return Happening(**line["happens"])
    given = dict(line["scan"])
    return Move(
        words={name: tuple(words) for name, words in given.pop("words").items()},
        acts=frozenset(given.pop("acts")),
        resets=frozenset(given.pop("resets")),
        put={name: _row(each) for name, each in given.pop("put").items()},
        **given,
    )


def _plain_row(state: RowState) -> dict[str, Any]:
    """Return what a folded row remembers."""
    return {
        "channels": [
            {
                "trust": str(each.trust),
                "value": None if math.isnan(each.value) else each.value,
                "heard": each.good_at_s is not None,
                "young": each.is_young,
                "exceeded": each.exceeded,
            }
            for each in state.channels
        ],
        "unproven_since_s": state.unproven_since_s,
        "bare_since_s": state.bare_since_s,
        "apart": state.apart,
        "bare_apart": state.bare_apart,
        "bypass": None if state.bypass is None else asdict(state.bypass),
    }


def _row(given: dict[str, Any]) -> RowState:
    channels = tuple(_channel(**each) for each in given["channels"])
    bypass = given["bypass"]
    state = RowState(**{**given, "channels": channels, "bypass": None})
    return replace(state, bypass=None if bypass is None else Bypass(**bypass))


def _channel(
    *, trust: str, value: float | None, heard: bool, young: bool, exceeded: bool
) -> ChannelState:
    return ChannelState(
        trust=Trust(trust),
        value=math.nan if value is None else value,
        good_at_s=0.0 if heard else None,
        measure=math.nan if young else 0.0,
        exceeded=exceeded,
    )
