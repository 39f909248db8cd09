"""Training as a short-lived, niced child process, never in one that stays.

Its memory and its time are bounded: a gateway has other things to do.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import subprocess
import tempfile
from dataclasses import dataclass
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
    from collections.abc import Mapping, Sequence

    from appliance.config import AssetSettings, Config
    from models.features import AssetModel, FeatureTable

NICE = 10
TRAIN_WITHIN_S = 1800.0
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_REMEDY = "learn from a shorter time (--from, --to)"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What training may take: seconds, and bytes of address space (None: no bound)."""

    within_s: float = TRAIN_WITHIN_S
    memory_bytes: int | None = None


UNBOUNDED = Bounds()


class NotLearnedError(CommandError):
    """The trainer read everything, and can learn nothing from it."""


def train_bundle(
    table: FeatureTable,
    settings: Mapping[str, Any],
    out: Path,
    *,
    bounds: Bounds = UNBOUNDED,
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
        return ask_trainer("models.train", *words, "--nice", str(NICE), bounds=bounds)


def ask_trainer(module: str, *words: str, bounds: Bounds = UNBOUNDED) -> dict[str, Any]:
    """Run one of our training programs; return the JSON of its last line.

    Raises:
        NotLearnedError: It can learn nothing from this; its own words.
        CommandError: It did not end within its bounds, or failed.
    """
    if find_spec("sklearn") is None:
        raise CommandError("install the extra: wheeltapper[train]")
    done = _run(python("-m", module, *words), bounds)
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, json.JSONDecodeError) as error:
        raise CommandError(f"training failed: {_reason(done, bounds)}") from error
    if not result["ok"]:
        raise NotLearnedError(f"not learned: {result['error']}")
    return result


def _run(command: Sequence[str], bounds: Bounds) -> subprocess.CompletedProcess[str]:
    """Run a child within its bounds; one that takes too long is killed."""
    with subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=None if bounds.memory_bytes is None else {**os.environ, **_ONE_THREAD},
    ) as child:
        if bounds.memory_bytes is not None:
            most = (bounds.memory_bytes, bounds.memory_bytes)
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                resource.prlimit(child.pid, resource.RLIMIT_AS, most)
        try:
            out, errors = child.communicate(timeout=bounds.within_s)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise CommandError(
                f"training took more than {bounds.within_s:g} s; {_REMEDY}"
            ) from error
    return subprocess.CompletedProcess(command, child.returncode, out, errors)


def _reason(done: subprocess.CompletedProcess[str], bounds: Bounds) -> str:
    """Return the last words of a child that gave no answer."""
    said = done.stderr.strip().splitlines()
    words = said[-1] if said else f"it ended with {done.returncode}"
    if bounds.memory_bytes is not None and (
        "MemoryError" in words or "memory" in words.lower() or done.returncode < 0
    ):
        return (
            f"it needs more than {bounds.memory_bytes / 1e9:.1f} GB of memory"
            f" (inference.training_memory_bytes); {_REMEDY}"
        )
    return words


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
        "parts": list(asset.detection.parts),
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
