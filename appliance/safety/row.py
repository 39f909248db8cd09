"""One initiator: its channels, their vote, its on-delay and its bypass. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.safety.channel import ChannelState, Reading, Trust, judge, margin
from appliance.safety.spread import FEWEST, Comparison, compared, spread
from appliance.safety.vote import (
    OUT,
    TRIP,
    Verdict,
    Vote,
    degraded,
    may_run,
    parse_vote,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.config import InitiatorSettings


BYPASS_HARD_S = 24 * 3600.0
"""No bypass lasts longer, whoever asks."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """One channel, or (None) the whole initiator, out of action until a scan time."""

    initiator: str
    channel: str | None
    until_s: float
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class RowState:
    """What an initiator remembers; the defaults are power-up.

    `unproven_since_s`: since when the vote, as bypassed, lacks the proof of the safe
    case. `bare_since_s`: the same without regard to the bypass, so that a demand is
    seen, and its on-delay runs, while it is bypassed. `apart` and `bare_apart` keep
    the side of a deviation's setpoint for its deadband, in the same two ways.
    """

    channels: tuple[ChannelState, ...]
    vote: Vote | Comparison = TRIP
    unproven_since_s: float | None = None
    bare_since_s: float | None = None
    apart: bool = False
    bare_apart: bool = False
    demand: bool = False
    bare_demand: bool = False
    bypass: Bypass | None = None


def powered_up(row: InitiatorSettings) -> RowState:
    """Return the state before the first scan."""
    return RowState(channels=tuple(ChannelState() for _ in channels_of(row)))


def channels_of(row: InitiatorSettings) -> tuple[str, ...]:
    """Return the names of the channels; a model's row has one, the model."""
    return row.channels if row.source == "field" else (row.id,)


def judge_row(
    row: InitiatorSettings,
    state: RowState,
    readings: Mapping[str, Reading],
    now_s: float,
) -> RowState:
    """Advance an initiator by one scan; `readings` is what arrived, by channel."""
    names = channels_of(row)
    channels = tuple(
        judge(row, before, readings.get(name), now_s)
        for name, before in zip(names, state.channels, strict=True)
    )
    bypass = state.bypass
    if bypass is not None and now_s >= bypass.until_s:
        bypass = None
    bare = [_verdict(row, channel) for channel in channels]
    unbypassed = _judged(row, channels, bare, apart=state.bare_apart)
    bare_since_s = _since(state.bare_since_s, unbypassed.proven, now_s)
    acting, unproven_since_s = unbypassed, bare_since_s
    if bypass is not None:
        heard = _bypassed(names, bare, bypass)
        acting = _judged(row, channels, heard, apart=state.apart)
        unproven_since_s = _since(state.unproven_since_s, acting.proven, now_s)
    return RowState(
        channels=channels,
        vote=acting.vote,
        unproven_since_s=unproven_since_s,
        bare_since_s=bare_since_s,
        apart=acting.apart,
        bare_apart=unbypassed.apart,
        demand=_lasts(row, unproven_since_s, now_s),
        bare_demand=_lasts(row, bare_since_s, now_s),
        bypass=bypass,
    )


def with_bypass(state: RowState, bypass: Bypass | None) -> RowState:
    """Return the state with its one bypass set or taken away."""
    return replace(state, bypass=bypass)


def not_good(row: InitiatorSettings, state: RowState) -> tuple[str, ...]:
    """Return the channels that forbid a reset, in words; a model forbids nothing."""
    if row.source == "model":
        return ()
    return tuple(
        f"{name} is {channel.word}"
        for name, channel in zip(row.channels, state.channels, strict=True)
        if channel.word != Trust.GOOD and not _is_out(name, state.bypass)
    )


def is_read(row: InitiatorSettings, state: RowState) -> bool:
    """Say whether this scan judged news, not memory.

    A channel that is already bad counts as judged: its vote has taken it for bad.
    """
    return row.source == "model" or all(
        not channel.missed or channel.trust is Trust.BAD for channel in state.channels
    )


def margin_of(row: InitiatorSettings, state: RowState) -> float:
    """Return the margin of the channel that decides the vote; NaN if none is left."""
    if row.condition == "deviation":
        values = [c.value for c in state.channels if c.trust is not Trust.BAD]
        return row.setpoint - spread(values) if len(values) >= FEWEST else math.nan
    margins = sorted(
        each
        for channel in state.channels
        if not math.isnan(each := margin(row, channel))
    )
    deciding = min(_vote(row).needed, len(margins))
    return margins[deciding - 1] if margins else math.nan


@dataclass(frozen=True, slots=True)
class _Judgement:
    vote: Vote | Comparison
    proven: bool
    apart: bool = False


def _judged(
    row: InitiatorSettings,
    channels: Sequence[ChannelState],
    verdicts: Sequence[Verdict],
    *,
    apart: bool,
) -> _Judgement:
    """Say what the channels prove together: by their vote, or by their spread."""
    if row.condition == "deviation":
        return _compared(row, channels, verdicts, apart=apart)
    vote = degraded(
        _vote(row), verdicts, bad_is=row.bad_is, bypass_leaves=row.bypass_leaves
    )
    return _Judgement(vote, may_run(vote, verdicts))


def _compared(
    row: InitiatorSettings,
    channels: Sequence[ChannelState],
    verdicts: Sequence[Verdict],
    *,
    apart: bool,
) -> _Judgement:
    vote = compared(verdicts, bad_is=row.bad_is)
    if isinstance(vote, Vote):
        return _Judgement(vote, vote == OUT, apart)
    heard = zip(channels, verdicts, strict=True)
    gap = spread(each.value for each, verdict in heard if verdict is Verdict.SAFE)
    back = row.deadband if apart else 0.0
    together = gap <= row.setpoint - back
    return _Judgement(vote, together, not together)


def vote_of(row: InitiatorSettings) -> Vote | Comparison:
    """Return the vote of a row whose channels are all good."""
    if row.condition == "deviation":
        return Comparison(len(row.channels))
    return _vote(row)


def _vote(row: InitiatorSettings) -> Vote:
    return parse_vote(row.vote) if row.source == "field" else Vote(1, 1)


def _verdict(row: InitiatorSettings, channel: ChannelState) -> Verdict:
    """A model that is absent, stale or bad is no demand: it is an extra."""
    if row.source == "model" and channel.trust is not Trust.GOOD:
        return Verdict.SAFE
    return channel.verdict


def _bypassed(
    names: Sequence[str], verdicts: Sequence[Verdict], bypass: Bypass | None
) -> list[Verdict]:
    return [
        Verdict.BYPASSED if _is_out(name, bypass) else verdict
        for name, verdict in zip(names, verdicts, strict=True)
    ]


def _is_out(name: str, bypass: Bypass | None) -> bool:
    return bypass is not None and bypass.channel in (None, name)


def _since(before_s: float | None, proven: bool, now_s: float) -> float | None:  # noqa: FBT001 - a pure fold over scans
    if proven:
        return None
    return now_s if before_s is None else before_s


def _lasts(row: InitiatorSettings, since_s: float | None, now_s: float) -> bool:
    return since_s is not None and now_s - since_s >= row.on_delay_s
