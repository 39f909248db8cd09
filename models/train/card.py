"""The model card: what a person should know before trusting the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.lasting import MOST_PER_WINDOW
from models.parts import AUTOENCODER, FOREST, NEIGHBOURS, SHORT, SPE, STILL, T2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.bundle import Manifest, ModeCard
    from models.reference import Learning
    from models.train.settings import TrainingSettings

_ENOUGH_INDEPENDENT = 30
_LOOKS = {
    SHORT: "what the tags are now and how they fit together",
    T2: "their levels and spreads over the window, along the usual directions",
    SPE: "the same, across these",
    STILL: "what never moved while it was learned",
    NEIGHBOURS: "how far the nearest healthy windows are",
    FOREST: "how few cuts by chance set the window apart",
    AUTOENCODER: "what a small network cannot say again of the window",
}


def card_of(
    manifest: Manifest,
    settings: TrainingSettings,
    *,
    graph_bytes: int,
    costs: Mapping[str, str],
) -> str:
    """Return the card as Markdown; `costs` says of each part what it holds."""
    independent = manifest.rows / (1 + settings.overlap_rows)
    sections = (
        _what_it_is(manifest, settings),
        _learned_from(manifest, settings, independent),
        _limit(manifest),
        _left_out(manifest),
        _modes_and_sensors(manifest),
        _cost(graph_bytes, costs),
        _cannot(manifest.detectors),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _what_it_is(manifest: Manifest, settings: TrainingSettings) -> list[str]:
    return [
        f"# {manifest.asset}: anomaly model {manifest.version}",
        "",
        (
            f"Distance from normal of a {settings.kind}, on "
            f"{len(manifest.features)} features, joined in one score of these parts. "
            f"Higher is worse; above {manifest.limit:g} somebody should look."
        ),
        "",
        *(f"- `{name}`: {_LOOKS[name]}" for name in manifest.detectors),
    ]


def _learned_from(
    manifest: Manifest, settings: TrainingSettings, independent: float
) -> list[str]:
    return [
        "## What it was learned from",
        "",
        (
            f"- {manifest.rows} windows of {manifest.window_s:g} s, one every "
            f"{manifest.hop_s:g} s: about {independent:.0f} independent ones."
        ),
        (
            f"- From {manifest.trained_from:%Y-%m-%d %H:%M:%S} to "
            f"{manifest.trained_to:%Y-%m-%d %H:%M:%S} UTC, "
            f"modes: {', '.join(_mode(mode) for mode in manifest.modes)}."
        ),
        *([f"- {settings.source}"] if settings.source else []),
        (
            "- The period was taken as healthy because somebody said so; "
            "nothing here proves it."
        ),
        *_suspects(manifest),
        *_caution(independent),
        *_enough(manifest.learning),
    ]


def _limit(manifest: Manifest) -> list[str]:
    calibration = manifest.calibration
    return [
        "## The limit",
        "",
        (
            f"- {sum(mode.held_out_rows for mode in manifest.modes)} scores of rows "
            f"held out in {_listed(calibration.blocks)} contiguous blocks; "
            f"{calibration.tail}, from the "
            f"{calibration.tail_quantile:.0%} quantile to "
            f"{calibration.probability:.1e} per window: "
            f"{calibration.false_alarms_per_week:g} false alarms a week."
        ),
        (
            f"- Safety factor {max(m.safety_factor for m in manifest.modes):.2f}, "
            "larger the fewer independent windows there were."
        ),
        *(
            f"- {mode.name}: the state is abnormal from {mode.anomaly_limit:.2f} on "
            f"and normal again below {mode.normal_limit:.2f}{_lasting(mode)}."
            for mode in manifest.modes
        ),
        (
            "- Small spreads are not believed: each feature has a floor from its "
            "instrument's range and its own size."
        ),
        f"- ONNX against the trainer: at most {manifest.parity_max:.1e} of the span.",
        *_still(manifest),
    ]


def _left_out(manifest: Manifest) -> list[str]:
    reasons = sorted(manifest.dropped.items())
    left = [f"- `{name}`: {why}" for name, why in reasons]
    return ["## Features left out", "", *(left or ["- none"])]


def _cost(graph_bytes: int, costs: Mapping[str, str]) -> list[str]:
    return [
        "## What it costs",
        "",
        (
            f"- The graph has {graph_bytes / 1000.0:.0f} kB. It does the same for "
            "every window, whatever is in it."
        ),
        *(f"- `{name}`: {cost}" for name, cost in costs.items()),
    ]


def _cannot(parts: tuple[str, ...]) -> list[str]:
    return [
        "## What it cannot do",
        "",
        (
            "- It knows the modes and loads it saw; another load within a mode is an "
            "anomaly to it."
        ),
        "- A window with a missing feature has no score.",
        "- The contributions tell which tag differs, not why.",
        *_told_roughly(parts),
    ]


def _told_roughly(parts: tuple[str, ...]) -> list[str]:
    """Say where a part's contributions add up, and yet may name the wrong tag."""
    said = []
    if FOREST in parts:
        said.append(
            "- `forest` shares its score among the features whose cuts set the window "
            "apart, by the steps they saved: an approximation. What is far beyond all "
            "that was seen is no farther to it."
        )
    if AUTOENCODER in parts:
        said.append(
            "- `autoencoder` names the features that it could not say again; the one "
            "that moved may be beside them."
        )
    return said


def _listed(blocks: tuple[int, ...]) -> str:
    return ", ".join(map(str, blocks))


def _lasting(mode: ModeCard) -> str:
    if mode.evidence_limit is None:
        return ""
    windows = mode.evidence_limit / MOST_PER_WINDOW
    return (
        f"; it is worth a person when it lasts, at twice as much after {windows:.1f} "
        "windows"
    )


def _still(manifest: Manifest) -> list[str]:
    """Tell what stood, and how far it may go; a range that is declared says better."""
    return [
        f"- {mode.name}: `{name}` never moved; it is abnormal {move:.4g} from there."
        for mode in manifest.modes
        for name, move in mode.still.items()
    ]


def _mode(mode: ModeCard) -> str:
    return f"{mode.name} ({mode.rows} windows)"


def _modes_and_sensors(manifest: Manifest) -> list[str]:
    """Return what is not known of modes and instruments, and how long it settles."""
    modes, refused = manifest.mode_map, manifest.sensors.not_checked
    left = sorted(manifest.modes_left_out.items())
    said = [f"- Mode `{name}` is not known: {why}." for name, why in left]
    if modes.warm_up_s:
        said.append(f"- After a start it takes {modes.warm_up_s / 60.0:.0f} min.")
    if modes.dwell_s:
        said.append(
            f"- After a change of mode it takes {modes.dwell_s / 60.0:.0f} min."
        )
    said += [f"- `{tag}` cannot be checked: {why}" for tag, why in refused.items()]
    return ["## Modes and instruments", "", *said] if said else []


def _suspects(manifest: Manifest) -> list[str]:
    count = sum(mode.suspect_rows for mode in manifest.modes)
    if not count:
        return []
    return [
        (
            f"- **Not all of it looked healthy**: {count} windows were far off the "
            "others and were left out. Look at what happened then; learn again "
            "without it."
        )
    ]


def _enough(learning: Learning) -> list[str]:
    lines = [
        (
            f"- Learned from the first {trial.part:.0%} alone, {trial.strange:.1%} of "
            f"the next quarter would have been abnormal (limit {trial.limit:.2f} times "
            "what it is)."
        )
        for trial in learning.trials
    ]
    if not learning.missing:
        return [*lines, "- It was enough: the last quarter brought nothing new."]
    why = "; ".join(learning.missing)
    return [*lines, f"- **Not yet enough**, {learning.more_h:.1f} h more: {why}."]


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
