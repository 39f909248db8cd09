from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from models.bundle import (
    CARD,
    GOLDEN,
    GRAPH,
    MANIFEST,
    Bundle,
    BundleError,
    Golden,
    read_bundle,
    write_bundle,
)
from models.features import FEATURES_VERSION

if TYPE_CHECKING:
    from pathlib import Path

FILES = (MANIFEST, GRAPH, GOLDEN, CARD)


@pytest.fixture
def folder(tmp_path: Path, bundle: Bundle) -> Path:
    return write_bundle(tmp_path / "models", bundle)


def with_manifest(bundle: Bundle, **changes: object) -> Bundle:
    manifest = msgspec.structs.replace(bundle.manifest, **changes)
    return Bundle(manifest, bundle.graph, bundle.golden, bundle.card)


def test_a_bundle_is_four_files_in_the_folder_of_its_version(
    folder: Path, bundle: Bundle
) -> None:
    assert folder.parts[-2:] == ("P-1", bundle.manifest.version)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_bundle_is_read_back_as_it_was_written(folder: Path, bundle: Bundle) -> None:
    read = read_bundle(folder)
    without = msgspec.structs.replace(read.manifest, sha256={})
    assert without == bundle.manifest
    assert read.graph == bundle.graph
    assert read.card == bundle.card
    np.testing.assert_array_equal(
        read.golden.contributions, bundle.golden.contributions
    )


def test_the_manifest_has_the_keys_of_the_contract(folder: Path) -> None:
    keys = set(msgspec.json.decode((folder / MANIFEST).read_bytes()))
    assert keys >= {
        "schema", "asset", "version", "features_version", "tags", "window_s", "hop_s",
        "outputs", "limit", "calibration", "modes", "trained_from", "trained_to",
        "rows", "parity_max", "sha256",
    }  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_is_refused_by_the_name_of_the_file(
    folder: Path, name: str, place: float, bit: int
) -> None:
    path = folder / name
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[int(place * len(whole))] ^= 1 << bit
    path.write_bytes(bytes(broken))
    try:
        with pytest.raises(BundleError, match=name.replace(".", r"\.")):
            read_bundle(folder)
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": 1}, "schema 1"),
        ({"features_version": FEATURES_VERSION + 1}, "learn again"),
        ({"outputs": ("score",)}, "outputs"),
        ({"features": ()}, "features"),
        ({"features": ("a/b:mean", "a/b:mean")}, "features"),
        ({"modes": ()}, "modes"),
        ({"detectors": ()}, "detectors"),
        ({"detectors": ("t2",)}, r"golden\.npz"),
        ({"limit": 0.0}, "limit"),
        ({"hop_s": 0.0}, "hop_s"),
        ({"features": ("a/b:mean",)}, r"golden\.npz"),
    ],
)
def test_a_whole_bundle_that_does_not_fit_is_refused(
    tmp_path: Path, bundle: Bundle, changes: dict[str, object], reason: str
) -> None:
    place = write_bundle(tmp_path / "other", with_manifest(bundle, **changes))
    with pytest.raises(BundleError, match=reason):
        read_bundle(place)


def test_an_unknown_key_is_refused(folder: Path) -> None:
    content = msgspec.json.decode((folder / MANIFEST).read_bytes())
    (folder / MANIFEST).write_bytes(msgspec.json.encode({**content, "extra": 1}))
    with pytest.raises(BundleError, match="extra"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\nb", "x" * 129])
def test_a_name_that_is_no_folder_is_refused(
    tmp_path: Path, bundle: Bundle, name: str
) -> None:
    with pytest.raises(BundleError, match="folder"):
        write_bundle(tmp_path, with_manifest(bundle, asset=name))


def test_a_bracketed_asset_is_a_literal_name(tmp_path: Path, bundle: Bundle) -> None:
    place = write_bundle(tmp_path, with_manifest(bundle, asset="[P-1]"))
    assert read_bundle(place).manifest.asset == "[P-1]"


def test_a_version_is_never_written_over(folder: Path, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(folder.parent.parent, bundle)


def test_what_a_broken_write_left_behind_is_swept_away(
    folder: Path, bundle: Bundle
) -> None:
    shutil.rmtree(folder)
    staging = folder.with_name(f".{folder.name}.staging")
    staging.mkdir()
    (staging / "rubbish").touch()
    write_bundle(folder.parent.parent, bundle)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("features", np.zeros((0, 3), np.float32)),
        ("score", np.zeros((2, 2), np.float32)),
        ("contributions", np.zeros((1, 3), np.float32)),
        ("detectors", np.full((2, 2), np.nan, np.float32)),
        ("mode", np.zeros(3, np.int64)),
        ("shift", np.zeros((2, 4), np.float32)),
    ],
)
def test_golden_vectors_that_do_not_fit_are_refused(
    name: str, array: np.ndarray
) -> None:
    table, column = np.zeros((2, 3), np.float32), np.zeros(2, np.float32)
    arrays: dict[str, Any] = {"features": table, "score": column, "detectors": table}
    arrays |= {"mode": np.zeros(2, np.int64), "contributions": table, "shift": table}
    Golden(**arrays)
    arrays[name] = array
    with pytest.raises(BundleError, match=r"golden\.npz"):
        Golden(**arrays)


@pytest.mark.parametrize("kind", ["no-zip", "missing", "double", "pickle", "mode"])
def test_a_golden_file_of_another_kind_is_refused(
    folder: Path, bundle: Bundle, kind: str
) -> None:
    golden, content = bundle.golden, io.BytesIO()
    arrays: dict[str, np.ndarray] = {
        name: getattr(golden, name)
        for name in ("features", "mode", "score", "detectors", "contributions", "shift")
    }
    match kind:
        case "no-zip":
            content.write(b"rubbish")
        case "missing":
            del arrays["score"]
        case "double":
            arrays["score"] = arrays["score"].astype(np.float64)
        case "mode":
            arrays["mode"] = arrays["mode"] + 7
        case _:
            arrays["score"] = np.array([{}], dtype=object)
    if kind != "no-zip":
        np.savez(content, allow_pickle=True, **arrays)
    _forge(folder, GOLDEN, content.getvalue())
    with pytest.raises(BundleError, match=r"golden\.npz"):
        read_bundle(folder)


def _forge(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and all digests, as somebody with the tools could."""
    from models import bundle as module  # noqa: PLC0415 - its private names, here alone

    manifest = read_bundle(folder).manifest
    digests = {**manifest.sha256, name: module._digest(content)}
    manifest = msgspec.structs.replace(manifest, sha256=digests)
    digests[MANIFEST] = module._manifest_digest(manifest)
    manifest = msgspec.structs.replace(manifest, sha256=digests)
    (folder / name).write_bytes(content)
    (folder / MANIFEST).write_bytes(module._encode(manifest))
