"""One cycle: newest release to active model; killed anywhere, the old one runs on."""

from __future__ import annotations

import io
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from appliance.updates import fetch as fetch_module
from appliance.updates import install as install_module
from appliance.updates.fetch import ACTIVE, CURRENT, NONE, REFUSED, STAGED
from appliance.updates.floors import Floors
from appliance.updates.install import ModelShelf
from appliance.updates.refusals import (
    ClockError,
    DowngradedError,
    TamperedError,
    UnsuitableError,
)
from appliance.updates.trust import Trust
from models.archive import FILES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.updates.conftest import Device, Publisher

KILLED = "killed here"
HOUR_NS = 3_600_000_000_000


class KilledError(BaseException):
    """What a kill looks like to the code: it does not go on."""


@pytest.fixture
def running(publisher: Publisher, device: Device) -> Device:
    publisher.release("v1")
    assert device.look().result == ACTIVE
    return device


def test_the_newest_release_for_this_site_is_active_within_the_cycle(
    publisher: Publisher, device: Device
) -> None:
    publisher.release("v1", sites=("plant-*",))
    publisher.release("v2", sites=("plant-1/gw-1",))
    publisher.release("v3", sites=("plant-2", "plant-1/gw-2"))
    publisher.release("v4", asset="P-102")
    outcome = device.look()
    assert (outcome.result, outcome.version, outcome.release_counter) == (
        ACTIVE,
        "v2",
        2,
    )
    assert device.active == "v2"
    assert device.told == [("P-101", "v2", "")]
    assert not (device.folder / "trust" / "workspace").exists()


def test_a_release_is_taken_in_once(publisher: Publisher, running: Device) -> None:
    assert running.look().result == CURRENT
    publisher.release("v2")
    assert running.look().said == "P-101 v2 is active"
    assert running.look().result == CURRENT
    assert running.told == [("P-101", "v1", ""), ("P-101", "v2", "v1")]


def test_no_release_for_us_is_no_refusal(publisher: Publisher, device: Device) -> None:
    publisher.release("v1", sites=("elsewhere",))
    assert device.look().result == NONE
    assert device.active is None


def test_staged_leaves_the_last_step_to_a_person(
    publisher: Publisher, running: Device
) -> None:
    publisher.release("v2")
    running.automatic = False
    outcome = running.look()
    assert outcome.result == STAGED
    assert "models activate" in outcome.said
    assert running.active == "v1"
    assert running.look().result == CURRENT
    running.shelf.activate("P-101", "v2")
    assert running.active == "v2"


def test_what_a_person_rolled_back_is_not_brought_back(
    publisher: Publisher, running: Device
) -> None:
    publisher.release("v2")
    running.look()
    assert running.shelf.roll_back("P-101") == "v1"
    assert running.look().result == CURRENT
    assert running.active == "v1"


def test_an_old_bundle_released_anew_with_a_higher_counter_is_taken(
    publisher: Publisher, running: Device
) -> None:
    publisher.release("v2")
    running.look()
    publisher.release("v1")
    assert running.look().result == ACTIVE
    assert running.active == "v1"


def test_a_counter_below_the_floor_is_downgraded_though_all_is_signed(
    publisher: Publisher, running: Device
) -> None:
    """The whole tree, with all its keys, is in wrong hands."""
    publisher.release("v2")
    running.look()
    shutil.rmtree(publisher.place)
    shutil.rmtree(publisher.folder / "keys")
    publisher.tree.create()
    publisher.release("v1")
    running.root = (publisher.metadata / "1.root.json").read_bytes()
    shutil.rmtree(running.folder / "trust" / "metadata")
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "downgraded")
    assert "2 was taken in before" in outcome.said
    assert running.active == "v2"


def test_one_refused_asset_does_not_hold_up_another(
    publisher: Publisher, device: Device
) -> None:
    publisher.release("v1")
    publisher.release("w1", asset="P-102")
    device.assets = ("P-101", "P-102", "P-103")
    publisher.archives()[0].write_bytes(b"spoiled")
    outcomes = device.cycle().run()
    assert [each.result for each in outcomes] == [REFUSED, ACTIVE, NONE]


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "sub/card.md"])
def test_path_traversal_in_a_signed_archive(
    publisher: Publisher, running: Device, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        for each in (*FILES, name):
            made.addfile(tarfile.TarInfo(each), io.BytesIO())
    evil = zstandard.compress(plain.getvalue())
    monkeypatch.setattr("fleet.release.pack", lambda _: evil)
    publisher.release("v2")
    before = set(running.folder.rglob("*"))
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "tampered")
    assert "no file of a bundle" in outcome.said
    assert running.active == "v1"
    new = {path.name for path in set(running.folder.rglob("*")) - before}
    assert new <= {"workspace", "bundle"}


def test_a_bundle_that_does_not_prove_itself_is_refused(
    publisher: Publisher, running: Device
) -> None:
    def prove(_: Path) -> tuple[str, str]:
        raise UnsuitableError("golden vectors")

    publisher.release("v2")
    running.prove = prove
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "unsuitable")
    assert (running.active, running.shelf.folder("P-101", "v2")) == ("v1", None)


def test_a_bundle_of_another_name_than_released_is_refused(
    publisher: Publisher, running: Device
) -> None:
    publisher.release("v2")
    running.prove = lambda _: ("P-101", "v9")
    assert running.look().refusal == "unsuitable"


def test_another_model_of_the_same_version_is_not_taken_for_it(
    publisher: Publisher, running: Device
) -> None:
    publisher.release("v2")
    there = running.folder / "models" / "P-101" / "v2"
    shutil.copytree(running.folder / "models" / "P-101" / "v1", there)
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "unsuitable")
    assert "another model" in outcome.said


def test_a_disk_that_is_full_refuses_and_the_next_cycle_takes_it(
    publisher: Publisher, running: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    publisher.release("v2")
    with monkeypatch.context() as patch:
        patch.setattr(fetch_module, "write_whole", full)
        assert running.look().refusal == "unreachable"
    with monkeypatch.context() as patch:
        patch.setattr(Floors, "raise_to", full)
        assert running.look().refusal == "refused"
    assert running.look().result == ACTIVE


@pytest.mark.parametrize(
    "step",
    [
        (Trust, "refresh"),
        (Trust, "fetch"),
        (fetch_module, "unpack"),
        (fetch_module, "write_whole"),
        (ModelShelf, "take_in"),
        (shutil, "copytree"),
        (ModelShelf, "activate"),
        (install_module, "replace_link"),
        (Floors, "raise_to"),
    ],
    ids=lambda step: step[1],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_each_step_leaves_a_whole_model_active_and_the_next_cycle_ends_it(
    publisher: Publisher,
    running: Device,
    monkeypatch: pytest.MonkeyPatch,
    step: tuple[object, str],
    after: bool,
) -> None:
    publisher.release("v2")
    owner, name = step
    real = getattr(owner, name)

    def killed(*args: object, **kwargs: object) -> None:
        if after:
            real(*args, **kwargs)
        raise KilledError(KILLED)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(KilledError):
            running.look()
    assert running.active in {"v1", "v2"}
    active = running.shelf.active_folder("P-101")
    assert active is not None
    assert {path.name for path in active.iterdir()} == set(FILES)
    assert running.look().result in {ACTIVE, CURRENT}
    assert running.active == "v2"
    assert running.shelf.roll_back("P-101") == "v1"


def test_a_clock_set_back_hides_no_expiry(
    publisher: Publisher, running: Device
) -> None:
    publisher.release("v2")
    running.clock.offset_ns = -HOUR_NS
    with pytest.raises(ClockError, match="set it right"):
        running.look()
    assert running.active == "v1"
    running.clock.offset_ns = -60_000_000_000  # a step of ntp
    assert running.look().result == ACTIVE


def test_the_floor_only_rises_and_a_broken_one_is_not_taken_for_none(
    tmp_path: Path,
) -> None:
    floors = Floors(tmp_path / "state" / "floors.json")
    assert floors.read().counters == {}
    floors.raise_to("P-101", 5, utc_ns=7)
    floors.raise_to("P-101", 3, utc_ns=6)
    assert (floors.read().counters, floors.read().seen_utc_ns) == ({"P-101": 5}, 7)
    (tmp_path / "state" / "floors.json").write_text("{")
    with pytest.raises(TamperedError, match="a person must remove"):
        floors.read()


def test_a_verification_is_remembered_once_an_hour(tmp_path: Path) -> None:
    floors = Floors(tmp_path / "floors.json")
    floors.see(10 * HOUR_NS)
    floors.see(10 * HOUR_NS + 1)
    assert floors.read().seen_utc_ns == 10 * HOUR_NS
    floors.see(11 * HOUR_NS)
    assert floors.read().seen_utc_ns == 11 * HOUR_NS


def test_a_refusal_says_its_name_first() -> None:
    assert str(DowngradedError("too old")) == "downgraded: too old"
