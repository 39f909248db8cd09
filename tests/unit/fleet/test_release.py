"""A tree of releases: what is published, with which keys, and what is refused."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.runtime.clock import SystemClock
from appliance.wire.release import Release, custom_of, release_of
from fleet.__main__ import main
from fleet.release import Expiry, ReleaseError, ReleaseTree
from fleet.signing import Keys, SigningError
from models.bundle import (
    OUTPUTS,
    SCHEMA,
    Bundle,
    BundleError,
    Calibration,
    Golden,
    Manifest,
    ModeCard,
    TagUnit,
    write_bundle,
)
from models.features import FEATURES_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Return the folder of a bundle that reads well."""

    def made(version: str, asset: str = "P-101") -> Path:
        rows = np.ones((2, 1), dtype=np.float32)
        manifest = Manifest(
            schema=SCHEMA,
            asset=asset,
            version=version,
            features_version=FEATURES_VERSION,
            features=("P-101/flow:mean",),
            dropped={},
            tags=(TagUnit("P-101/flow", "m3/h"),),
            window_s=60.0,
            hop_s=60.0,
            outputs=OUTPUTS,
            limit=1.0,
            calibration=Calibration("m", (5,), "t", 0.8, 1.0, 1e-5),
            detectors=("t2",),
            modes=(
                ModeCard(
                    name="running",
                    rows=20,
                    held_out_rows=20,
                    safety_factor=1.0,
                    raw_limit=2.0,
                ),
            ),
            trained_from=NOW,
            trained_to=NOW,
            rows=20,
            parity_max=0.0,
        )
        golden = Golden(rows, np.zeros(2, np.int64), rows[:, 0], rows, rows, rows)
        bundle = Bundle(manifest, version.encode(), golden, "# card\n")
        return write_bundle(tmp_path / "bundles", bundle)

    return made


@pytest.fixture
def tree(tmp_path: Path) -> ReleaseTree:
    keys = Keys(tmp_path / "keys")
    made = ReleaseTree(tmp_path / "tree", keys, clock=SystemClock())
    made.create()
    return made


def signed(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())["signed"]
    return found


def test_private_keys_are_for_their_owner_alone(
    tree: ReleaseTree, tmp_path: Path
) -> None:
    del tree
    keys = tmp_path / "keys"
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    names = {path.name for path in keys.iterdir()}
    assert names == {
        "root-1.pem",
        "root-2.pem",
        "targets-1.pem",
        "snapshot-1.pem",
        "timestamp-1.pem",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}


def test_the_root_asks_for_two_signatures(tree: ReleaseTree, tmp_path: Path) -> None:
    del tree
    root = json.loads((tmp_path / "tree" / "metadata" / "1.root.json").read_text())
    assert root["signed"]["roles"]["root"]["threshold"] == 2
    assert len(root["signatures"]) == 2


def test_nothing_is_made_over_what_is_there(tree: ReleaseTree, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="tree already"):
        tree.create()
    other = ReleaseTree(tmp_path / "b", Keys(tmp_path / "keys"), clock=SystemClock())
    with pytest.raises(SigningError, match="keys already"):
        other.create()


def test_counters_rise_and_a_lower_one_is_refused(
    tree: ReleaseTree, make: Callable[..., Path]
) -> None:
    assert tree.add(make("v1"), ["*"]).release_counter == 1
    assert tree.add(make("v2"), ["*"], counter=7).release_counter == 7
    third = make("v3")
    with pytest.raises(ReleaseError, match="above 7"):
        tree.add(third, ["*"], counter=7)
    assert [r.version for r in tree.releases()] == ["v2", "v1"]
    assert tree.add(third, ["plant-1"]).release_counter == 8


def test_a_bundle_released_again_takes_the_place_of_all_newer_ones(
    tree: ReleaseTree, make: Callable[..., Path]
) -> None:
    first = make("v1")
    tree.add(first, ["*"])
    tree.add(make("v2"), ["*"])
    tree.add(first, ["*"])
    assert [(r.version, r.release_counter) for r in tree.releases()] == [
        ("v1", 3),
        ("v2", 2),
    ]


def test_a_spoiled_bundle_is_not_released(
    tree: ReleaseTree, make: Callable[..., Path]
) -> None:
    folder = make("v1")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match="sha256"):
        tree.add(folder, ["*"])
    assert tree.releases() == ()


def test_two_assets_whose_names_look_alike_do_not_take_each_other_s_place(
    tree: ReleaseTree, make: Callable[..., Path]
) -> None:
    tree.add(make("v1", "[P 1]"), ["*"])
    with pytest.raises(ReleaseError, match="another asset's"):
        tree.add(make("v1", "(P 1)"), ["*"])
    assert [r.asset for r in tree.releases()] == ["[P 1]"]


def test_what_a_crash_left_behind_is_not_published_later(
    tree: ReleaseTree, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    tree.add(make("v1"), ["*"])
    with monkeypatch.context() as patch:
        patch.setattr("fleet.release._meta", crash)
        with pytest.raises(KeyboardInterrupt):
            tree.add(make("v2"), ["*"])
    tree.refresh()
    assert [r.version for r in tree.releases()] == ["v1"]
    assert tree.add(make("v3"), ["*"]).release_counter == 2


def test_refreshing_needs_no_targets_key_and_vouches_anew(
    tree: ReleaseTree, tmp_path: Path
) -> None:
    timestamp = tmp_path / "tree" / "metadata" / "timestamp.json"
    before = signed(timestamp)
    (tmp_path / "keys" / "targets-1.pem").rename(tmp_path / "safe.pem")
    tree.refresh()
    assert signed(timestamp)["version"] == 2
    assert str(signed(timestamp)["expires"]) >= str(before["expires"])


def test_a_key_that_is_missing_or_broken_is_named(
    tree: ReleaseTree, make: Callable[..., Path], tmp_path: Path
) -> None:
    key = tmp_path / "keys" / "targets-1.pem"
    content = key.read_bytes()
    key.unlink()
    with pytest.raises(SigningError, match="'targets' is not at hand"):
        tree.add(make("v1"), ["*"])
    key.write_bytes(content[:60])
    with pytest.raises(SigningError, match=r"targets-1\.pem is no key"):
        tree.add(make("v2"), ["*"])


def test_a_folder_that_is_no_tree_is_named(tmp_path: Path) -> None:
    tree = ReleaseTree(tmp_path / "x", Keys(tmp_path / "keys"), clock=SystemClock())
    with pytest.raises(ReleaseError, match="init it first"):
        tree.refresh()
    with pytest.raises(ReleaseError, match="no whole release tree"):
        tree.releases()


def test_a_file_under_another_s_name_is_no_tree(
    tree: ReleaseTree, tmp_path: Path
) -> None:
    metadata = tmp_path / "tree" / "metadata"
    root = (metadata / "1.root.json").read_bytes()
    (metadata / "timestamp.json").write_bytes(root)
    with pytest.raises(ReleaseError, match="not what its name says"):
        tree.releases()


def test_each_role_expires_when_it_was_told_to(tmp_path: Path) -> None:
    tree = ReleaseTree(
        tmp_path / "tree",
        Keys(tmp_path / "keys"),
        clock=SystemClock(),
        expiry=Expiry(timestamp=1.0, snapshot=2.0),
    )
    tree.create()
    metadata = tmp_path / "tree" / "metadata"
    expires = [
        datetime.fromisoformat(str(signed(metadata / name)["expires"]))
        for name in ("timestamp.json", "1.snapshot.json")
    ]
    assert abs((expires[1] - expires[0]).total_seconds() - 86_400) < 5


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (("*",), True),
        (("plant-1",), True),
        (("plant-[12]",), True),
        (("plant-1/gw-1",), True),
        (("plant-1/gw-2",), False),
        (("plant",), False),
        (("x", "plant-*"), True),
        ((), False),
    ],
)
def test_sites_match_as_in_a_shell(patterns: tuple[str, ...], wanted: bool) -> None:
    release = Release(
        asset="P", version="v", release_counter=1, features_version=1, sites=patterns
    )
    assert release.is_for("plant-1", "gw-1") is wanted
    assert release_of(custom_of(release)) == release


@pytest.mark.parametrize(
    "custom",
    [
        None,
        [],
        {},
        {"wheeltapper": {}},
        {"wheeltapper": {"schema": 2}},
        *(
            {
                "wheeltapper": {
                    "schema": 1,
                    "asset": "P",
                    "version": "v",
                    "release_counter": 1,
                    "features_version": 1,
                    "sites": ["*"],
                    **wrong,
                }
            }
            for wrong in (
                {"schema": 2},
                {"version": "../v"},
                {"version": "active"},
                {"version": ".v"},
                {"version": "v\n"},
                {"asset": ""},
                {"release_counter": 0},
                {"release_counter": 2**60},
            )
        ),
    ],
)
def test_a_custom_part_that_is_no_release_is_none(custom: object) -> None:
    assert release_of(custom) is None


def test_the_command_line_makes_fills_and_lists_a_tree(
    tmp_path: Path, make: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    tree = ["--tree", str(tmp_path / "tree")]
    keys = ["--keys", str(tmp_path / "keys")]
    assert main(["release", "init", *tree, *keys, "--timestamp-days", "7"]) == 0
    assert "1.root.json" in capsys.readouterr().out
    assert main(["release", "list", *tree]) == 0
    assert "nothing is released yet" in capsys.readouterr().out
    bundle = str(make("v1"))
    assert main(["release", "add", bundle, "--sites", "a", "b", *tree, *keys]) == 0
    assert "released P-101 v1 as 1 to a, b" in capsys.readouterr().out
    assert main(["release", "rotate", "timestamp", *tree, *keys]) == 0
    assert main(["release", "refresh", *tree, *keys]) == 0
    capsys.readouterr()
    assert main(["release", "list", *tree, "--json"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert (only["version"], only["release_counter"], only["sites"]) == (
        "v1",
        1,
        ["a", "b"],
    )
    assert main(["release", "add", bundle, "--counter", "1", *tree, *keys]) == 1
    with pytest.raises(SystemExit):
        main(["release", "refresh", *tree, *keys, "--timestamp-days", "0"])
