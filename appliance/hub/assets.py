"""What inference says of the assets, made into events and rows for the cloud."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.alarms.delay import Condition, Delay, Lasting, elapse, observe
from appliance.domain.event import Event, EventKind
from appliance.domain.health import (
    ANOMALY,
    ANOMALY_SCORE,
    HEALTH_INDEX,
    LIFE_H,
    LIFE_HIGH_H,
    LIFE_LOW_H,
)
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId
from appliance.wire.outbox import HealthRow, SnippetRow
from appliance.wire.snippets import pack_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.config import AssetSettings
    from appliance.domain.batch import Batch, Waveform
    from appliance.hub.latest import Latest

SNIPPET_POINTS = 4096
_LIMIT = 1.0  # of the anomaly score, by the tag's definition


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Tag numbers of an asset's derived tags and of its waveform, and that tag."""

    score: int
    anomaly: int
    index: int
    life: int
    life_low: int
    life_high: int
    waveform: int | None
    waveform_tag: str


class Assets:
    """Follows the derived tags of every asset. `anomalies` are the log's last words.

    The tag says when an anomaly begins (inference applies the on-delay). That it ends
    must last for the on-delay too, so a restart of inference does not end it.
    """

    def __init__(
        self,
        assets: Sequence[AssetSettings],
        numbers: Mapping[TagId, int],
        latest: Latest,
        *,
        anomalies: Mapping[str, Event],
    ) -> None:
        self._latest = latest
        self._numbers = {a.id: _numbers_of(a, numbers) for a in assets}
        self._by_anomaly = {n.anomaly: asset for asset, n in self._numbers.items()}
        self._delay = {a.id: _delay_of(a) for a in assets}
        self._anomaly = {
            a.id: Lasting(active=a.id in anomalies and anomalies[a.id].name == "begin")
            for a in assets
        }
        self._since_ns = {
            asset: word.time_ns
            for asset, word in anomalies.items()
            if word.name == "begin"
        }
        self._deaf_until_ns: dict[str, int] = {}
        self._reported_ns: dict[str, int] = {}
        size = max(self._by_anomaly, default=-1) + 2  # the last stands for all others
        self._watched = np.zeros(size, dtype=bool)
        self._watched[list(self._by_anomaly)] = True

    def take(self, batch: Batch, *, now_s: float, utc_ns: int) -> Iterator[Event]:
        """Yield the anomalies that begin or end with a batch."""
        if batch.historical:
            return
        own = self._watched[np.minimum(batch.tag, len(self._watched) - 1)]
        for row in np.flatnonzero(own).tolist():
            asset = self._by_anomaly[int(batch.tag[row])]
            if batch.source_time_ns[row] <= self._deaf_until_ns.get(asset, 0):
                continue
            value, quality = float(batch.value[row]), int(batch.quality[row])
            condition = Condition.UNKNOWN
            if quality == Quality.GOOD:
                condition = Condition.ON if value >= _LIMIT else Condition.OFF
            yield from self._follow(asset, condition, now_s=now_s, utc_ns=utc_ns)

    def knows(self, asset: str) -> bool:
        """Say whether there is such an asset."""
        return asset in self._numbers

    def since_ns(self, asset: str) -> int | None:
        """Return when the anomaly that stands was told to begin; None if none does."""
        return self._since_ns.get(asset) if self._anomaly[asset].active else None

    def close(self, asset: str, *, utc_ns: int) -> Iterator[Event]:
        """End an anomaly that stands, if one does: the asset was repaired.

        What was judged of windows up to `utc_ns` says nothing of it any more.
        """
        self._deaf_until_ns[asset] = utc_ns
        stood, self._anomaly[asset] = self._anomaly[asset].active, Lasting()
        if stood:
            yield self._event(asset, begins=False, utc_ns=utc_ns, why="is repaired")

    def health_rows(self, models: Mapping[str, str]) -> list[HealthRow]:
        """Return a row per asset that was judged since the last call.

        `models` has the version that judged each asset.
        """
        rows = []
        for asset, numbers in self._numbers.items():
            score = self._latest.row(numbers.score)
            if score is None or score.source_time_ns == self._reported_ns.get(asset):
                continue
            if score.good_value is None:
                continue
            self._reported_ns[asset] = score.source_time_ns
            rows.append(
                HealthRow(
                    asset=asset,
                    time_ns=score.source_time_ns,
                    score=score.good_value,
                    limit=_LIMIT,
                    index=self._good(numbers.index),
                    anomaly=self._anomaly[asset].active,
                    life_h=self._good(numbers.life),
                    life_low_h=self._good(numbers.life_low),
                    life_high_h=self._good(numbers.life_high),
                    cause=self._cause(asset),
                    model=models.get(asset, ""),
                )
            )
        return rows

    def snippet(self, asset: str, reason: str, *, snr_db: float) -> SnippetRow | None:
        """Return the newest burst of an asset, if there is any (see `snippet_of`)."""
        numbers = self._numbers.get(asset)
        if numbers is None or numbers.waveform is None:
            return None
        waveform = self._latest.waveforms.get(numbers.waveform)
        if waveform is None:
            return None
        return snippet_of(waveform, numbers.waveform_tag, reason, snr_db=snr_db)

    def _follow(
        self, asset: str, condition: Condition, *, now_s: float, utc_ns: int
    ) -> Iterator[Event]:
        delay, before = self._delay[asset], self._anomaly[asset]
        after = observe(delay, elapse(delay, before, now_s), condition, now_s)
        self._anomaly[asset] = after
        if after.active != before.active:
            self._since_ns[asset] = utc_ns
            yield self._event(asset, begins=after.active, utc_ns=utc_ns)

    def _event(
        self, asset: str, *, begins: bool, utc_ns: int, why: str = "is as learned"
    ) -> Event:
        score = self._good(self._numbers[asset].score)
        cause = self._cause(asset)
        said = "" if score is None else f", score {score:.3g} of its limit"
        because = f"; most of it from {cause}" if cause and begins else ""
        behaviour = "behaves unlike its learned normal" if begins else why
        return Event(
            kind=EventKind.ANOMALY,
            name="begin" if begins else "end",
            time_ns=utc_ns,
            message=f"{asset} {behaviour}{said}{because}",
            asset=asset,
            details={"score": score, "limit": _LIMIT, "cause": cause},
        )

    def _good(self, number: int) -> float | None:
        row = self._latest.row(number)
        value = None if row is None else row.good_value
        return value if value is not None and math.isfinite(value) else None

    def _cause(self, asset: str) -> str:
        text = self._latest.texts.get(self._numbers[asset].score)
        return "" if text is None else str(text.content)


def snippet_of(
    waveform: Waveform,
    tag: str,
    reason: str,
    *,
    snr_db: float,
    points_max: int = SNIPPET_POINTS,
) -> SnippetRow:
    """Return the end of a burst, rounded `snr_db` below its rms (`wire.snippets`)."""
    points = waveform.points[-points_max:]
    skipped = len(waveform.points) - len(points)
    return SnippetRow(
        tag=tag,
        start_ns=waveform.start_ns + round(skipped / waveform.sample_rate_hz * 1e9),
        sample_rate_hz=waveform.sample_rate_hz,
        points=len(points),
        content=pack_points(points, snr_db),
        reason=reason,
    )


def _numbers_of(asset: AssetSettings, numbers: Mapping[TagId, int]) -> _Numbers:
    def number(quantity: str) -> int:
        return numbers[TagId(f"{asset.id}/{quantity}")]

    waveform = asset.waveform_tag
    return _Numbers(
        score=number(ANOMALY_SCORE),
        anomaly=number(ANOMALY),
        index=number(HEALTH_INDEX),
        life=number(LIFE_H),
        life_low=number(LIFE_LOW_H),
        life_high=number(LIFE_HIGH_H),
        waveform=None if waveform is None else numbers[TagId(waveform)],
        waveform_tag=waveform or "",
    )


def _delay_of(asset: AssetSettings) -> Delay:
    detection = asset.detection
    return Delay(0.0, detection.on_delay_s + 2 * detection.hop_s)
