"""The model card: what a person should know before trusting the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.bundle import Manifest
    from models.train.settings import TrainingSettings

_ENOUGH_INDEPENDENT = 30


def card_of(manifest: Manifest, settings: TrainingSettings, *, components: int) -> str:
    """Return the card as Markdown."""
    independent = manifest.rows / (1 + settings.overlap_rows)
    lines = [
        f"# {manifest.asset}: anomaly model {manifest.version}",
        "",
        (
            f"Distance from normal of a {settings.kind}: PCA with {components} "
            f"components on {len(manifest.features)} features; T² and SPE joined in "
            f"one score. Higher is worse; above {manifest.limit:g} is an anomaly."
        ),
        "",
        "## What it was learned from",
        "",
        (
            f"- {manifest.rows} windows of {manifest.window_s:g} s, one every "
            f"{manifest.hop_s:g} s: about {independent:.0f} independent ones."
        ),
        (
            f"- From {manifest.trained_from:%Y-%m-%d %H:%M:%S} to "
            f"{manifest.trained_to:%Y-%m-%d %H:%M:%S} UTC, "
            f"modes: {', '.join(manifest.modes)}."
        ),
        *([f"- {settings.source}"] if settings.source else []),
        (
            "- The period was taken as healthy because somebody said so; "
            "nothing here proves it."
        ),
        *_caution(independent),
        "",
        "## The limit",
        "",
        (
            f"- {manifest.calibration.held_out_rows} scores of rows held out in "
            f"{manifest.calibration.blocks} contiguous blocks; "
            f"{manifest.calibration.tail}, from the "
            f"{manifest.calibration.tail_quantile:.0%} quantile."
        ),
        (
            f"- Safety factor {manifest.calibration.safety_factor:.2f}, larger the "
            "fewer independent windows there were."
        ),
        (
            "- Small spreads are not believed: each feature has a floor from its "
            "instrument's range and its own size."
        ),
        f"- ONNX against scikit-learn: at most {manifest.parity_max:.1e} of the span.",
        "",
        "## Features left out",
        "",
        *(f"- `{name}`: {why}" for name, why in sorted(manifest.dropped.items())),
        *([] if manifest.dropped else ["- none"]),
        "",
        "## What it cannot do",
        "",
        (
            "- It knows one mode of running and the load it saw; another load is an "
            "anomaly to it."
        ),
        "- A window with a missing feature has no score.",
        "- The contributions tell which tag differs, not why.",
    ]
    return "\n".join(lines) + "\n"


def _caution(independent: float) -> list[str]:
    if independent >= _ENOUGH_INDEPENDENT:
        return []
    return [
        (
            f"- **Few**: with {independent:.0f} independent windows the usual spread "
            "is guessed more than known. Slow changes (day and night, load, season) "
            "were not seen. Learn again when more has been stored."
        )
    ]
