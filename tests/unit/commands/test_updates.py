"""`updates fetch|status` and `models`: what they say, and how they end."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from appliance.cli import main
from appliance.commands import models as models_command
from appliance.commands import updates as updates_command
from appliance.commands.exits import EXIT_UNREACHABLE, CommandError
from appliance.config import load_config
from appliance.runtime.clock import SystemClock
from appliance.updates.refusals import UnsuitableError
from fleet.release import ReleaseTree
from fleet.signing import Keys
from models.bundle import read_bundle, write_bundle
from models.features import FeatureTable
from models.train.learn import learn
from models.train.settings import TagSettings, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOML = """\
config_version = 1
[site]
id = "plant-1"
gateway = "gw-1"
[[sources]]
name = "plant"
connector = "example"
file = "plant.txt"
[[sources.tags]]
id = "P-101/flow"
key = "flow"
[[assets]]
id = "P-101"
[updates]
tree = "{tree}"
root_file = "{root}"
"""


def table(seed: int) -> FeatureTable:
    import numpy as np  # noqa: PLC0415 - the commands are the point here

    rng = np.random.default_rng(seed)
    names = tuple(f"P-101/flow:{each}" for each in ("mean", "std", "range"))
    values = np.array([60.0, 0.3, 1.5]) + rng.normal(size=(30, 3)) * [0.1, 0.01, 0.1]
    time_ns = (1_800_000_000 + 60 * np.arange(30, dtype=np.int64)) * 1_000_000_000
    return FeatureTable(names, time_ns, values, np.ones_like(values))


SETTINGS = TrainingSettings("P-101", (TagSettings("P-101/flow"),), 60.0, 60.0)


class Gateway:
    """A gateway in a folder, and the publisher beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "wheeltapper.toml"
        self.places = [
            "--state-dir", str(folder / "state"), "--run-dir", str(folder / "run"),
        ]  # fmt: skip
        keys = Keys(folder / "keys")
        self.tree = ReleaseTree(folder / "tree", keys, clock=SystemClock())
        self.configure(str(self.tree.create()))

    def configure(self, root: str, **more: str) -> None:
        text = TOML.format(tree=(self.folder / "tree").as_uri(), root=root)
        self.config.write_text(
            text + "".join(f'{k} = "{v}"\n' for k, v in more.items())
        )

    def bundle(self, seed: int) -> Path:
        return write_bundle(self.folder / "bundles", learn(table(seed), SETTINGS))

    def fetch(self, *words: str) -> int:
        return main(["updates", "fetch", "-c", str(self.config), *self.places, *words])

    def models(self, *words: str) -> int:
        return main(["models", *words, *self.places])


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


def test_a_release_is_fetched_proved_in_a_child_and_in_force(
    gateway: Gateway, said: Callable[[], str]
) -> None:
    folder = gateway.bundle(1)
    gateway.tree.add(folder, ["*"])
    assert gateway.fetch() == 0
    assert "is active from the next start (the hub is not running)" in said()
    assert gateway.fetch("--json") == 0
    found = json.loads(said())
    assert found["outcomes"][0]["result"] == "current"
    assert main(["updates", "status", *gateway.places]) == 0
    assert "P-101  1        current" in said()
    assert main(["updates", "status", "--json", *gateway.places]) == 0
    assert json.loads(said())["counters"] == {"P-101": 1}
    assert gateway.models("log") == 0
    assert "release  P-101" in said()


def test_staged_waits_for_a_person(
    gateway: Gateway, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def hub(_: Path, op: str, **args: object) -> None:
        told.append(f"{op} {args.get('version', '')}".strip())

    monkeypatch.setattr(models_command, "ask", hub)
    gateway.configure(
        str(gateway.folder / "tree/metadata/1.root.json"), activate="staged"
    )
    version = gateway.bundle(1).name
    gateway.tree.add(gateway.folder / "bundles/P-101" / version, ["*"])
    assert gateway.fetch("--nice", "1") == 0
    assert "is staged" in said()
    assert told == []
    assert gateway.models("activate", "P-101", version) == 0
    assert told == ["model.may_activate", f"model.activate {version}"]
    assert f"P-101 {version} is active" in said()


def test_who_has_no_role_changes_nothing(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def hub(_: Path, op: str, **_args: object) -> None:
        raise CommandError(f"refused: {op} needs the role maintainer")

    gateway.models("import", str(gateway.bundle(1)))
    monkeypatch.setattr(models_command, "ask", hub)
    version = gateway.bundle(2).name
    gateway.models("import", str(gateway.folder / "bundles/P-101" / version))
    assert gateway.models("activate", "P-101", version) == 1
    assert "needs the role" in capsys.readouterr().err
    assert gateway.models("rollback", "P-101") == 1
    gateway.models("list", "--json")
    out = capsys.readouterr().out
    assert {each["state"] for each in json.loads(out[out.index("[") :])} == {
        "candidate"
    }
    gateway.models("log", "--json")
    assert json.loads(capsys.readouterr().out) == []


def test_a_hub_that_refuses_the_news_does_not_undo_the_release(
    gateway: Gateway, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hub(_: Path, op: str, **_args: object) -> None:
        raise CommandError(f"refused: {op} needs the role maintainer")

    monkeypatch.setattr(models_command, "ask", hub)
    gateway.tree.add(gateway.bundle(1), ["*"])
    assert gateway.fetch() == 0
    assert "is active from the next start (refused: model.activate" in said()


def test_a_refused_tree_is_exit_code_1_and_one_out_of_reach_69(
    gateway: Gateway, said: Callable[[], str]
) -> None:
    (gateway.folder / "tree/metadata/timestamp.json").write_text("{]")
    assert gateway.fetch() == 1
    assert said().startswith("tampered: ")
    assert main(["updates", "status", *gateway.places]) == 0
    assert said().startswith("tampered: ")
    (gateway.folder / "tree/metadata/timestamp.json").unlink()
    assert gateway.fetch() == EXIT_UNREACHABLE
    assert said().startswith("unreachable: ")


def test_a_refused_asset_is_exit_code_1(
    gateway: Gateway, said: Callable[[], str]
) -> None:
    gateway.tree.add(gateway.bundle(1), ["*"])
    (archive,) = gateway.folder.rglob("*.tar.zst")
    archive.write_bytes(bytes(archive.stat().st_size))
    assert gateway.fetch() == 1
    assert said().startswith("tampered: release 1 of P-101")


def test_without_a_section_or_its_files_it_is_bad_configuration(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.configure(str(gateway.folder / "absent.json"))
    assert gateway.fetch() == 78
    assert "cannot be read" in capsys.readouterr().err
    text = gateway.config.read_text()
    gateway.config.write_text(text[: text.index("[updates]")])
    assert gateway.fetch() == 78
    assert "no [updates]" in capsys.readouterr().err


def test_one_fetch_at_a_time(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    with updates_command._alone(gateway.folder / "state/trust"):
        assert gateway.fetch() == 1
    assert "another fetch is at work" in capsys.readouterr().err


def test_a_state_folder_that_cannot_be_made_is_told(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    (gateway.folder / "state").write_text("a file")
    assert gateway.fetch() == 1
    assert "our disk refuses" in capsys.readouterr().err


def test_status_before_the_first_look_and_with_a_broken_floor(
    gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["updates", "status", *gateway.places]) == 0
    assert "no release tree was looked at yet" in capsys.readouterr().out
    trust = gateway.folder / "state/trust"
    trust.mkdir(parents=True)
    (trust / "floors.json").write_text("{")
    assert main(["updates", "status", *gateway.places]) == 1
    assert "tampered: " in capsys.readouterr().err
    assert gateway.fetch() == 1


def prove(gateway: Gateway) -> updates_command._Prove:
    return updates_command._Prove(load_config(gateway.config))


def test_proof_needs_all_features_and_the_golden_answers(gateway: Gateway) -> None:
    folder = gateway.bundle(1)
    assert prove(gateway)(folder) == ("P-101", folder.name)
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("P-101/flow", "P-101/other"))
    with pytest.raises(UnsuitableError, match="looks at P-101/flow:mean"):
        prove(gateway)(folder)
    (folder / "card.md").write_text("other")
    with pytest.raises(UnsuitableError, match=r"does not prove itself: .*card\.md"):
        prove(gateway)(folder)


@pytest.mark.parametrize(
    ("ends", "match"),
    [
        (subprocess.TimeoutExpired("verify", 60), "take too long"),
        (
            subprocess.CompletedProcess("verify", -9, "", "Illegal instruction"),
            "cannot be run here: Illegal instruction",
        ),
    ],
)
def test_proof_that_crashes_or_hangs_is_a_refusal(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, ends: object, match: str
) -> None:
    def run(*_: object, **__: object) -> object:
        if isinstance(ends, Exception):
            raise ends
        return ends

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(UnsuitableError, match=match):
        prove(gateway)(gateway.folder)


def test_verify_tells_a_person_too(gateway: Gateway, said: Callable[[], str]) -> None:
    folder = gateway.bundle(1)
    assert main(["models", "verify", str(folder)]) == 0
    assert "30 rows, answers its golden vectors" in said()
    assert read_bundle(folder).manifest.window_s == 60.0
    (folder / "golden.npz").write_bytes(b"")
    assert main(["models", "verify", str(folder)]) == 1
    assert "refused: golden.npz" in said()
