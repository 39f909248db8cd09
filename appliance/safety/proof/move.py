"""One scan of the walk: what the world brings, given to the real `step`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from appliance.domain.sample import (
    STATUS_BAD_SENSOR_FAILURE,
    STATUS_GOOD,
    Quality,
    Sample,
)
from appliance.domain.tag import TagId
from appliance.safety import logic
from appliance.safety.channel import ChannelState, Reading
from appliance.safety.latch import Report
from appliance.safety.maintenance import Handover
from appliance.safety.proof.classes import (
    BAD,
    FROZEN,
    SILENT,
    YOUNG,
    value_of,
)
from appliance.safety.proof.clock import NOW_S, SOON_S
from appliance.safety.turn import Commands, Readings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import (
        InitiatorSettings,
        PermissiveSettings,
    )
    from appliance.safety.row import RowState
    from appliance.safety.turn import Matrix, State, Turn

YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True, slots=True)
class Move:
    """What one scan is given.

    `words` by row and channel; `runs` is what the feedback says, `obeys` whether the
    output is written as it was told; `granted` what the PLC says; `missing` a
    permissive's tag that does not hold; `acts` what people want; `pause`: a scan came
    far too late. `put` are rows that the scan finds in another state than they were.
    """

    words: Mapping[str, tuple[str, ...]]
    runs: str = NO
    obeys: bool = True
    granted: str = UNKNOWN
    missing: str = ""
    acts: frozenset[str] = field(default_factory=frozenset)
    resets: frozenset[str] = field(default_factory=frozenset)
    pause: bool = False
    put: Mapping[str, RowState] = field(default_factory=dict)


def played(matrix: Matrix, state: State, move: Move) -> Turn:
    """Let one scan of the real logic judge a move."""
    aged = {
        row.id: _aged(row, _found(state, move, row.id), move.words[row.id])
        for row in matrix.rows
    }
    scanned_s = NOW_S
    if move.pause and math.isfinite(matrix.longest_pause_s):
        scanned_s = NOW_S - 2 * matrix.longest_pause_s
    state = replace(state, rows=aged, scanned_at_s=scanned_s)
    readings = Readings(
        _tags(matrix, aged, move), _models(matrix, move), _reports(state, move)
    )
    return logic.step(matrix, state, readings, _commands(matrix, move), NOW_S)


def _found(state: State, move: Move, row: str) -> RowState:
    return move.put.get(row, state.rows[row])


def _aged(row: InitiatorSettings, state: RowState, words: tuple[str, ...]) -> RowState:
    """Give each channel the past that its word tells of."""
    pairs = zip(state.channels, words, strict=True)
    channels = tuple(_past(row, channel, word) for channel, word in pairs)
    return replace(state, channels=channels)


def _past(row: InitiatorSettings, channel: ChannelState, word: str) -> ChannelState:
    late_s = row.max_age_s + row.comms_loss_delay_s
    match word:
        case "held":
            return _confirmed_at(channel, -row.max_age_s)
        case "late":
            return _confirmed_at(channel, -late_s)
        case "lost":
            return _confirmed_at(channel, math.nextafter(-late_s, -math.inf))
        case "frozen":
            return replace(channel, moved_at_s=-(row.frozen_after_s or 0.0))
    if row.condition == "rate" and word != YOUNG:
        return replace(channel, history=((-row.rate_window_s, 0.0),))
    return channel


def _confirmed_at(channel: ChannelState, at_s: float) -> ChannelState:
    if channel.good_at_s is None:
        return channel
    return replace(channel, good_at_s=NOW_S + at_s)


def _tags(
    matrix: Matrix, rows: Mapping[str, RowState], move: Move
) -> dict[str, Reading]:
    given: dict[str, Reading] = {}
    for row in matrix.rows:
        if row.source == "field":
            trio = zip(
                row.channels, rows[row.id].channels, move.words[row.id], strict=True
            )
            for tag, channel, word in trio:
                if word not in SILENT:
                    given[tag] = _reading(tag, *_value(row, channel, word))
    for element in matrix.elements:
        _note(given, element.feedback, move.runs)
        for permissive in element.permissives:
            value = _held(permissive, holds=permissive.tag != move.missing)
            given[permissive.tag] = _reading(permissive.tag, value)
    if matrix.maintenance is not None:
        _note(given, matrix.maintenance.granted, move.granted)
    return given


def _value(
    row: InitiatorSettings, channel: ChannelState, word: str
) -> tuple[float, bool]:
    """Return the value of a class, and whether it is good; a bad one looks harmless."""
    if word == BAD:
        return value_of(row, "near" if row.condition == "deviation" else "below"), False
    if word == FROZEN:
        return channel.value, True
    return value_of(row, word), True


def _note(given: dict[str, Reading], tag: str | None, word: str) -> None:
    if tag is not None and word != UNKNOWN:
        given[tag] = _reading(tag, 1.0 if word == YES else 0.0)


def _held(permissive: PermissiveSettings, *, holds: bool) -> float:
    limits = [each for each in (permissive.above, permissive.below) if each is not None]
    if holds:
        return limits[0]
    upwards = permissive.above is None
    return math.nextafter(limits[0], math.inf if upwards else -math.inf)


def _models(matrix: Matrix, move: Move) -> dict[str, Reading]:
    return {
        row.id: _reading(row.id, *_value(row, ChannelState(), word))
        for row in matrix.rows
        if row.source == "model" and (word := move.words[row.id][0]) not in SILENT
    }


@lru_cache(maxsize=4096)
def _reading(tag: str, value: float, good: bool = True) -> Reading:  # noqa: FBT001, FBT002 - told apart where they are made
    quality = Quality.GOOD if good else Quality.BAD
    status = STATUS_GOOD if good else STATUS_BAD_SENSOR_FAILURE
    return Reading(Sample(TagId(tag), value, quality, status, 0, 0), NOW_S)


def _reports(state: State, move: Move) -> dict[str, Report]:
    """An output that obeys shows what its latch said in the scan before."""
    return {
        name: Report(point=not latch.tripped)
        if move.obeys
        else Report(point=None, written=False)
        for name, latch in state.latches.items()
    }


def _commands(matrix: Matrix, move: Move) -> Commands:
    acts, rules = move.acts, matrix.maintenance
    length_s = SOON_S if rules is None else min(SOON_S, rules.longest_s)
    wanted = Handover("kim", "an upgrade", NOW_S + length_s)
    return Commands(
        stop="tea" if "stop" in acts else "",
        reset=move.resets,
        actor="kim",
        arm=True if "arm" in acts else False if "disarm" in acts else None,
        hand_over=wanted if "hand over" in acts else None,
        resume="resume" in acts,
    )
