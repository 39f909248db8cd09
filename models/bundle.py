"""A model as it travels: manifest, ONNX graph, golden vectors, card.

Written by training, read at the edge with msgspec and numpy alone.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.runtime.files import sync_folder, write_whole
from models.features.vector import FEATURES_VERSION
from models.manifest import Calibration, Manifest, ModeCard, TagUnit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = [
    "CARD",
    "GOLDEN",
    "GRAPH",
    "INPUTS",
    "MANIFEST",
    "OUTPUTS",
    "SCHEMA",
    "Bundle",
    "BundleError",
    "Calibration",
    "Float32Table",
    "Golden",
    "Manifest",
    "ModeCard",
    "TagUnit",
    "read_bundle",
    "write_bundle",
]

SCHEMA = 2
MANIFEST, GRAPH, GOLDEN, CARD = "manifest.json", "model.onnx", "golden.npz", "card.md"
INPUTS = ("features", "mode")
"""What every graph takes: float32 [N, features] and int64 [N], a place in `modes`.

A feature that is NaN counts as what is usual in the mode: it contributes nothing.
"""
OUTPUTS = ("score", "detectors", "contributions", "shift")
"""What every graph returns, float32: [N], [N, detectors] and twice [N, features].

Score and detectors are 1.0 at their limit, in every mode; in mode -1 (unknown) all is
NaN. The contributions of a row are not negative and add up to its score squared, of
whatever parts it is made; in which sense, each part's module says. The
shift is where the row stands, for finding changes: of the size 1 while all is normal.
"""

_GOLDEN_ARRAYS = (*INPUTS, *OUTPUTS)
_NAME = re.compile(r"(?!\.)[^/\x00-\x1f]{1,128}")

Float32Table: TypeAlias = NDArray[np.float32]


class BundleError(ValueError):
    """The bundle must not be used; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Feature rows and what the graph must answer to them."""

    features: Float32Table
    mode: NDArray[np.int64]
    score: Float32Table
    detectors: Float32Table
    contributions: Float32Table
    shift: Float32Table

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or not len(self.features):  # noqa: PLR2004 - a table
            raise BundleError(f"{GOLDEN}: features are not a table")
        count = len(self.features)
        shapes: dict[str, tuple[int, ...]] = {"mode": (count,), "score": (count,)}
        shapes["detectors"] = (count, self.detectors.shape[-1])
        shapes["contributions"] = shapes["shift"] = self.features.shape
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise BundleError(f"{GOLDEN}: {name} is not of the shape {shape}")
        for name in _GOLDEN_ARRAYS:
            if not np.isfinite(getattr(self, name)).all():
                raise BundleError(f"{GOLDEN}: {name} has values that are not numbers")


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle in memory; the graph is bytes for onnxruntime."""

    manifest: Manifest
    graph: bytes
    golden: Golden
    card: str


def write_bundle(root: Path, bundle: Bundle) -> Path:
    """Write `root/<asset>/<version>/`, whole or not at all; return that folder.

    The digests are filled in here.

    Raises:
        BundleError: The names are no file names, or the version exists already.
        OSError: The disk refused.
    """
    manifest = bundle.manifest
    for name in (manifest.asset, manifest.version):
        if not _NAME.fullmatch(name):
            raise BundleError(f"{name!r} cannot be the name of a folder")
    place = root / manifest.asset / manifest.version
    if place.exists():
        raise BundleError(f"{place.name}: this version exists already")
    place.parent.mkdir(parents=True, exist_ok=True)
    staging = place.with_name(f".{place.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    for name, content in _files(bundle).items():
        write_whole(staging / name, content)
    staging.rename(place)
    sync_folder(place.parent)
    return place


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and believe nothing: digests, schema, versions, shapes.

    Raises:
        BundleError: What is wrong, and with which file.
    """
    manifest = _read_manifest(folder)
    contents = {name: _read(folder, name) for name in (GRAPH, GOLDEN, CARD)}
    for name, content in contents.items():
        if manifest.sha256.get(name) != _digest(content):
            raise BundleError(f"{name}: its sha256 is not the manifest's")
    golden = _golden_of(contents[GOLDEN])
    if golden.features.shape[1] != len(manifest.features):
        raise BundleError(f"{GOLDEN}: its rows do not have the manifest's features")
    if golden.detectors.shape[1] != len(manifest.detectors):
        raise BundleError(f"{GOLDEN}: its rows do not have the manifest's detectors")
    if not ((golden.mode >= 0) & (golden.mode < len(manifest.modes))).all():
        raise BundleError(f"{GOLDEN}: its rows are in modes the manifest has not")
    card = contents[CARD].decode("utf-8", "replace")
    return Bundle(manifest, contents[GRAPH], golden, card)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise BundleError(f"{name}: {error.strerror}") from error


def _read_manifest(folder: Path) -> Manifest:
    content = _read(folder, MANIFEST)
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{MANIFEST}: {error}") from error
    told = manifest.sha256.get(MANIFEST)
    if told != _manifest_digest(manifest) or content != _encode(manifest):
        raise BundleError(f"{MANIFEST}: its sha256 is not its own")
    problem = _problem(manifest)
    if problem:
        raise BundleError(f"{MANIFEST}: {problem}")
    return manifest


def _problem(manifest: Manifest) -> str | None:
    """Say why a whole, untouched manifest still cannot be used here."""
    if manifest.schema != SCHEMA:
        return f"schema {manifest.schema}, this appliance knows {SCHEMA}"
    if manifest.features_version != FEATURES_VERSION:
        return (
            f"features_version {manifest.features_version}, "
            f"this appliance computes {FEATURES_VERSION}; learn again"
        )
    if manifest.outputs != OUTPUTS:
        return f"outputs are not {', '.join(OUTPUTS)}"
    modes = [mode.name for mode in manifest.modes]
    if not all(map(_are_names, (manifest.features, manifest.detectors, modes))):
        return "features, detectors or modes are missing or occur twice"
    if not (manifest.limit > 0.0 and 0.0 < manifest.hop_s <= manifest.window_s):
        return "limit, hop_s and window_s do not fit together"
    return None


def _are_names(names: Iterable[str]) -> bool:
    given = list(names)
    return bool(given) and len(set(given)) == len(given)


def _files(bundle: Bundle) -> Mapping[str, bytes]:
    contents = {
        GRAPH: bundle.graph,
        GOLDEN: _golden_bytes(bundle.golden),
        CARD: bundle.card.encode(),
    }
    digests = {name: _digest(content) for name, content in contents.items()}
    manifest = msgspec.structs.replace(bundle.manifest, sha256=digests)
    digests = {**digests, MANIFEST: _manifest_digest(manifest)}
    manifest = msgspec.structs.replace(manifest, sha256=digests)
    return {**contents, MANIFEST: _encode(manifest)}


def _encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2)


def _manifest_digest(manifest: Manifest) -> str:
    others = {name: each for name, each in manifest.sha256.items() if name != MANIFEST}
    return _digest(_encode(msgspec.structs.replace(manifest, sha256=others)))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _golden_bytes(golden: Golden) -> bytes:
    content = io.BytesIO()
    arrays = {name: getattr(golden, name) for name in _GOLDEN_ARRAYS}
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _golden_of(content: bytes) -> Golden:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _GOLDEN_ARRAYS}
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(f"{GOLDEN}: {error}") from error
    mode = arrays.pop("mode")
    if any(array.dtype != np.float32 for array in arrays.values()):
        raise BundleError(f"{GOLDEN}: its arrays are not float32")
    if mode.dtype != np.int64:
        raise BundleError(f"{GOLDEN}: its modes are not int64")
    return Golden(mode=mode, **arrays)
