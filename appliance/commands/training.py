"""Training as a short-lived, niced child process, never in one that stays."""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.commands.children import python
from appliance.commands.exits import CommandError
from appliance.domain.tag import TagId
from appliance.inference.declared import declared_map
from models.features import TableError, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import AssetSettings, Config
    from models.features import AssetModel, FeatureTable

NICE = 10
TRAIN_WITHIN_S = 1800


class NotLearnedError(CommandError):
    """The trainer read everything, and can learn nothing from it."""


def train_bundle(
    table: FeatureTable, settings: Mapping[str, Any], out: Path
) -> dict[str, Any]:
    """Learn a bundle below `out`; return what the trainer says of it.

    Raises:
        NotLearnedError: It can learn nothing from this; its own words.
        CommandError: It did not work.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wheeltapper-learn-") as folder:
        table_path, settings_path = (
            Path(folder, "table.npz"),
            Path(folder, "asset.json"),
        )
        try:
            write_table(table_path, table)
        except TableError as error:
            raise CommandError(str(error)) from error
        settings_path.write_text(json.dumps(settings), encoding="utf-8")
        words = (str(table_path), str(settings_path), "--out", str(out))
        return ask_trainer("models.train", *words, "--nice", str(NICE))


def ask_trainer(module: str, *words: str) -> dict[str, Any]:
    """Run one of our training programs; return the JSON of its last line.

    Raises:
        NotLearnedError: It can learn nothing from this; its own words.
        CommandError: It did not end, or failed.
    """
    if find_spec("sklearn") is None:
        raise CommandError("install the extra: wheeltapper[train]")
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            python("-m", module, *words),
            capture_output=True,
            text=True,
            check=False,
            timeout=TRAIN_WITHIN_S,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"training took more than {TRAIN_WITHIN_S} s") from error
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError) as error:
        raise CommandError(f"training failed: {_reason(done)}") from error
    if not result["ok"]:
        raise NotLearnedError(f"not learned: {result['error']}")
    return result


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last words of a child that gave no answer."""
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"it ended with {done.returncode}"


def training_settings(
    config: Config, asset: AssetSettings, model: AssetModel
) -> dict[str, Any]:
    """Return what training is told besides the table."""
    tags = list(model.tags)
    others = (model.waveform_tag, *model.mode_tags)
    more = [config.tag(tag) for tag in others if tag is not None]
    tags += [tag for tag in more if tag is not None and tag not in tags]
    told = config.tag(TagId(asset.modes.tag)) if asset.modes.tag else None
    return {
        "asset": asset.id,
        "kind": asset.kind,
        "window_s": model.window_s,
        "hop_s": model.hop_s,
        "false_alarms_per_week": asset.detection.false_alarms_per_week,
        "mode_tags": list(model.mode_tags),
        "mode_dwell_s": asset.modes.dwell_s,
        "declared": msgspec.to_builtins(declared_map(asset.modes, told)),
        "twins": [list(group) for group in asset.sensors.twins],
        "cross_checked": list(asset.sensors.cross_checked),
        "tags": [
            {
                "id": tag.id,
                "units": tag.engineering_units,
                "range_low": _finite(tag.range_low),
                "range_high": _finite(tag.range_high),
            }
            for tag in tags
        ],
    }


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None
