"""Attacks on a release tree: each is refused by its name, and what runs stays."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.api.metadata import Metadata, Root
from tuf.ngclient import FetcherInterface

from appliance.updates import trust as trust_module
from appliance.updates.fetch import CURRENT, REFUSED
from appliance.updates.refusals import (
    DowngradedError,
    EndlessError,
    ExpiredError,
    TamperedError,
    UnreachableError,
    UpdateError,
)
from fleet.release import Expiry, ReleaseTree
from fleet.signing import Keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.updates.conftest import Device, Publisher

SECOND_D = 1 / 86_400


@pytest.fixture
def running(publisher: Publisher, device: Device) -> Device:
    """Return a gateway on which release 1, `v1`, is active."""
    publisher.release("v1")
    assert device.look().result == "active"
    return device


def refused(device: Device, kind: type[UpdateError]) -> str:
    with pytest.raises(kind) as caught:
        device.look()
    assert device.active == "v1"
    return str(caught.value)


def mirror(device: Device, place: Path) -> Device:
    device.tree = place.as_uri()
    return device


def test_a_release_is_fetched_as_it_was_signed(
    publisher: Publisher, device: Device
) -> None:
    publisher.release("v1")
    trust = device.trust()
    (release,) = trust.refresh()
    (device.folder / "in").mkdir()
    content = trust.fetch(release, device.folder / "in")
    assert content == publisher.archives()[0].read_bytes()
    assert list((device.folder / "in").iterdir()) == []


def test_a_target_that_is_no_release_of_ours_is_passed_over(
    publisher: Publisher, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.release.custom_of", lambda _: {"other": 1})
    publisher.release("v1")
    assert device.trust().refresh() == ()


def test_tampered_target(publisher: Publisher, running: Device) -> None:
    publisher.release("v2")
    newest = max(publisher.archives(), key=lambda path: path.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "tampered")
    assert "not what was signed" in outcome.said
    assert running.active == "v1"


def test_tampered_target_of_another_length(
    publisher: Publisher, running: Device
) -> None:
    publisher.release("v2")
    newest = max(publisher.archives(), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes() + b"and more")
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "endless")


@pytest.mark.parametrize(
    "name", ["timestamp.json", "3.snapshot.json", "3.targets.json"]
)
def test_tampered_metadata(publisher: Publisher, running: Device, name: str) -> None:
    publisher.release("v2")
    text = publisher.text(name)
    signed = text["signed"]
    assert isinstance(signed, dict)
    signed["expires"] = "2999-01-01T00:00:00Z"
    (publisher.metadata / name).write_text(json.dumps(text))
    assert refused(running, TamperedError).startswith("tampered: the tree is not")


def test_metadata_that_is_rubbish(publisher: Publisher, running: Device) -> None:
    (publisher.metadata / "timestamp.json").write_text("{]")
    assert "cannot be understood" in refused(running, TamperedError)


def test_metadata_of_another_role(publisher: Publisher, running: Device) -> None:
    root = (publisher.metadata / "1.root.json").read_bytes()
    (publisher.metadata / "timestamp.json").write_bytes(root)
    refused(running, TamperedError)


def test_wrong_root(publisher: Publisher, running: Device, tmp_path: Path) -> None:
    """Another publisher's tree: whole, and signed, but not by our keys."""
    other = type(publisher)(tmp_path / "other", publisher.clock)
    other.folder.mkdir()
    other.tree.create()
    other.release("v2")
    assert "keys that we trust" in refused(mirror(running, other.place), TamperedError)


def test_next_root_signed_by_one_key_of_two(
    publisher: Publisher, running: Device
) -> None:
    publisher.tree.rotate("timestamp")
    text = publisher.text("2.root.json")
    assert isinstance(text["signatures"], list)
    text["signatures"] = text["signatures"][:1]
    (publisher.metadata / "2.root.json").write_text(json.dumps(text))
    assert "keys that we trust" in refused(running, TamperedError)


def test_rolled_back_root(publisher: Publisher, running: Device) -> None:
    shutil.copy(publisher.metadata / "1.root.json", publisher.metadata / "2.root.json")
    assert "older than what was seen" in refused(running, DowngradedError)


def test_rolled_back_timestamp(publisher: Publisher, running: Device) -> None:
    old = publisher.copy("old")
    publisher.release("v2")
    running.automatic = False
    assert running.look().result == "staged"
    said = refused(mirror(running, old), DowngradedError)
    assert said.startswith("downgraded: the tree is older than what was seen")


def test_rolled_back_snapshot(publisher: Publisher, running: Device) -> None:
    """A new timestamp that names an old snapshot, signed by a stolen online key."""
    tree = publisher.tree
    found = tree._published()
    tree._publish_next(found, targets=False)
    running.look()
    found = tree._published()
    found.timestamp.snapshot_meta.version = 1
    found.timestamp.version += 1
    root = tree._root()
    tree._write(found.timestamp, "timestamp", tree._signers("timestamp", root))
    refused(running, DowngradedError)


def test_rolled_back_targets(publisher: Publisher, running: Device) -> None:
    """A new snapshot that names old targets, signed by stolen online keys."""
    tree = publisher.tree
    found = tree._published()
    old = publisher.metadata / "1.targets.json"
    found.snapshot.meta["targets.json"] = type(
        found.snapshot.meta["targets.json"]
    ).from_data(1, old.read_bytes(), ["sha256"])
    tree._publish_next(found, targets=False)
    refused(running, DowngradedError)


def test_mix_and_match(publisher: Publisher, running: Device) -> None:
    """Parts that are each genuine, but were not published together."""
    publisher.release("v2")
    publisher.release("v3")
    shutil.copy(
        publisher.metadata / "3.targets.json", publisher.metadata / "4.targets.json"
    )
    assert "not what was signed" in refused(running, TamperedError)


def test_fast_forward_recovery(publisher: Publisher, running: Device) -> None:
    """A stolen key counted the timestamp up; a new key makes the tree usable again."""
    tree = publisher.tree
    found = tree._published()
    found.timestamp.version = 10**6
    root = tree._root()
    tree._write(found.timestamp, "timestamp", tree._signers("timestamp", root))
    assert running.look().result == CURRENT
    found.timestamp.version = 3
    tree._write(found.timestamp, "timestamp", tree._signers("timestamp", root))
    refused(running, DowngradedError)
    tree.rotate("timestamp")
    publisher.release("v2")
    assert running.look().result == "active"
    assert running.active == "v2"


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_rotated_key_is_followed_and_the_old_one_no_longer_believed(
    publisher: Publisher, running: Device, role: str
) -> None:
    stolen = shutil.copytree(publisher.folder / "keys", publisher.folder / "stolen")
    publisher.tree.rotate(role)
    publisher.release("v2")
    assert running.look().result == "active"
    assert running.active == "v2"
    if role == "root":  # the thief has one key of two
        return
    tree = ReleaseTree(publisher.place, Keys(stolen), clock=publisher.clock)
    root = Metadata[Root].from_file(str(publisher.metadata / "1.root.json")).signed
    found = tree._published()
    found.timestamp.version += 1
    tree._write(getattr(found, role), role, tree._signers(role, root))
    if role != "timestamp":
        shutil.rmtree(running.folder / "trust" / "metadata")
    with pytest.raises(TamperedError):
        running.look()


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_expired_metadata_keeps_what_runs(
    publisher: Publisher, running: Device, role: str
) -> None:
    """Published long ago by a clock of its own; nobody has vouched since."""
    publisher.clock.offset_ns = -2 * 86_400 * 10**9
    publisher.expiry = Expiry(**{role: 1.0})
    publisher.release("v2")
    publisher.clock.offset_ns = 0
    assert refused(running, ExpiredError).startswith(
        "expired: the tree was not vouched"
    )


def test_expired_root(publisher: Publisher, running: Device) -> None:
    publisher.clock.offset_ns = -2 * 86_400 * 10**9
    publisher.expiry = Expiry(root=1.0)
    publisher.tree.rotate("timestamp")
    publisher.clock.offset_ns = 0
    refused(running, ExpiredError)


def test_an_expired_tree_that_is_vouched_for_again_is_taken(
    publisher: Publisher, running: Device
) -> None:
    publisher.clock.offset_ns = -2 * 86_400 * 10**9
    publisher.expiry = Expiry(timestamp=1.0)
    publisher.release("v2")
    publisher.clock.offset_ns = 0
    refused(running, ExpiredError)
    publisher.tree.refresh()
    assert running.look().result == "active"


class Endless(FetcherInterface):
    """A mirror that never stops sending one file."""

    def __init__(self, inner: FetcherInterface, name: str) -> None:
        self.inner = inner
        self.name = name
        self.sent = 0

    def _fetch(self, url: str) -> Iterator[bytes]:
        if not url.endswith(self.name):
            yield from self.inner.fetch(url)
            return
        while True:
            self.sent += 65_536
            yield bytes(65_536)


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "2.root.json"])
def test_endless_metadata(running: Device, name: str) -> None:
    running.trust()
    endless = Endless(running.trust()._carrier, name)
    running.carrier = endless
    (running.folder / "trust" / "metadata" / "snapshot.json").unlink()
    refused(running, EndlessError)
    assert endless.sent < 1_000_000


def test_endless_target(publisher: Publisher, running: Device) -> None:
    publisher.release("v2")
    endless = Endless(running.trust()._carrier, ".tar.zst")
    running.carrier = endless
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "endless")
    assert endless.sent <= 65_536
    assert running.active == "v1"


def test_a_target_longer_than_any_bundle_is_not_even_asked_for(
    publisher: Publisher, running: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.release("v2")
    monkeypatch.setattr(trust_module, "RELEASE_MAX_BYTES", 10)
    outcome = running.look()
    assert (outcome.result, outcome.refusal) == (REFUSED, "endless")
    assert "longer than any bundle" in outcome.said


class Slow(FetcherInterface):
    """A mirror that takes too long, or says no."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def _fetch(self, url: str) -> Iterator[bytes]:
        if url:
            raise self.error
        yield b""


def test_slow_retrieval(running: Device) -> None:
    running.carrier = Slow(SlowRetrievalError("1 byte a minute"))
    assert "comes slower" in refused(running, EndlessError)


def test_a_tree_that_cannot_be_had_is_no_attack(running: Device) -> None:
    running.carrier = Slow(DownloadHTTPError("busy", 503))
    assert refused(running, UnreachableError).startswith("unreachable: the tree")
    running.carrier = None
    running.tree += "-not-mounted"
    refused(running, UnreachableError)


def test_a_disk_that_refuses_is_no_attack(publisher: Publisher, device: Device) -> None:
    publisher.release("v1")
    device.folder.mkdir()
    (device.folder / "trust").write_text("not a folder")
    with pytest.raises(UnreachableError, match="cannot be had"):
        device.trust().refresh()
