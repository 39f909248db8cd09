"""`python -m models.train TABLE SETTINGS --out FOLDER`: learn one bundle.

The result is one line of JSON on standard output; exit code 0, or 1 with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from models.bundle import BundleError, write_bundle
from models.features import TableError, read_table
from models.train.learn import learn
from models.train.settings import TrainingError, parse_settings

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, learn, write, report."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("table", type=Path, help="features: .npz or .csv")
    parser.add_argument("settings", type=Path, help="asset and windows: .json")
    parser.add_argument("--out", type=Path, required=True, help="folder of bundles")
    parser.add_argument("--nice", type=int, default=0, help="be nicer by this much")
    given = parser.parse_args(arguments)
    if given.nice > 0:
        os.nice(given.nice)
    try:
        result = _learn(given.table, given.settings, given.out)
    except (TrainingError, TableError, BundleError, OSError) as error:
        result = {"ok": False, "error": str(error)}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["ok"] else 1


def _learn(table: Path, settings: Path, out: Path) -> dict[str, object]:
    bundle = learn(read_table(table), parse_settings(settings.read_bytes()))
    manifest = bundle.manifest
    place = out / manifest.asset / manifest.version
    known = place.exists()  # its name is of its graph: it is the same model
    if not known:
        place = write_bundle(out, bundle)
    return {
        "ok": True,
        "asset": manifest.asset,
        "version": manifest.version,
        "path": str(place),
        "known": known,
        "rows": manifest.rows,
        "features": len(manifest.features),
        "dropped": manifest.dropped,
        "modes": [mode.name for mode in manifest.modes],
        "raw_limit": max(mode.raw_limit for mode in manifest.modes),
        "parity_max": manifest.parity_max,
        "suspect_rows": sum(mode.suspect_rows for mode in manifest.modes),
        "learning": msgspec.to_builtins(manifest.learning),
    }


if __name__ == "__main__":
    sys.exit(main())
