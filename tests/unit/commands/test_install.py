from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING

import pytest

from appliance.cli import main
from appliance.commands import layout
from appliance.commands.layout import (
    CONFIG,
    UNITS,
    Folder,
    Link,
    Root,
    SiteFile,
    our_files,
    site_places,
    template,
)
from appliance.config import check_text

if TYPE_CHECKING:
    from pathlib import Path

OTHER = b'config_version = 1\n[site]\nid = "other"\ngateway = "gateway-2"\n'


def passwd_for(root: Path) -> None:
    """Give a root the users, all with our own number, so that anyone may run this."""
    uid, gid = os.geteuid(), os.getegid()
    names = ("safety", "hub", "inference", "sync")
    users = [f"wheeltapper-{name}:x:{uid}:{gid}:::\n" for name in names]
    groups = [f"wheeltapper{tail}:x:{gid}:\n" for tail in ("", "-sockets")]
    (root / "etc").mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("# a comment\n" + "".join(users))
    (root / "etc/group").write_text("".join(groups))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    passwd_for(tmp_path)
    return tmp_path


def install(root: Path, *words: str) -> int:
    return main(["install", "--root", str(root), *words])


def test_a_gateway_is_laid_out_below_a_root(root: Path) -> None:
    assert install(root) == 0
    assert (root / UNITS / "wheeltapper-safety.service").is_file()
    assert (root / CONFIG).read_bytes() == template()
    assert install(root, "--check") == 0


def test_folders_have_their_modes_whatever_the_umask(root: Path) -> None:
    before = os.umask(0o077)
    try:
        assert install(root) == 0
    finally:
        os.umask(before)
    for place in site_places():
        if isinstance(place, Link):
            continue
        found = stat.S_IMODE((root / place.path).stat().st_mode)
        assert found == place.mode, place.path
    unit = root / UNITS / "wheeltapper.target"
    assert stat.S_IMODE(unit.stat().st_mode) == 0o644


def test_doing_it_twice_changes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(root, "--json")
    first = json.loads(capsys.readouterr().out)
    install(root, "--json")
    second = json.loads(capsys.readouterr().out)
    assert {row["said"] for row in first["places"]} == {"made"}
    assert {row["said"] for row in second["places"]} == {"kept"}


def test_a_configuration_that_exists_is_never_overwritten(root: Path) -> None:
    install(root)
    (root / CONFIG).write_bytes(OTHER)
    assert install(root) == 0
    assert (root / CONFIG).read_bytes() == OTHER


def test_a_given_configuration_is_used_where_there_is_none(root: Path) -> None:
    given = root / "mine.toml"
    given.write_bytes(OTHER)
    assert install(root, "--config", str(given)) == 0
    assert (root / CONFIG).read_bytes() == OTHER
    assert install(root, "--config", str(given)) == 0


def test_a_given_configuration_that_is_not_used_is_a_finding(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(root)
    given = root / "mine.toml"
    given.write_bytes(OTHER)
    assert install(root, "--config", str(given)) == 1
    assert "was not used" in capsys.readouterr().out
    assert (root / CONFIG).read_bytes() == template()


def test_a_wrong_configuration_is_refused_before_anything_is_made(root: Path) -> None:
    given = root / "mine.toml"
    given.write_text("config_version = 7\n")
    assert install(root, "--config", str(given)) == 78
    assert not (root / "usr").exists()


def test_a_unit_that_was_changed_is_ours_again(root: Path) -> None:
    install(root)
    unit = root / UNITS / "wheeltapper-hub.service"
    before = unit.read_bytes()
    unit.write_text("[Service]\n")
    assert install(root, "--check") == 1
    assert install(root) == 0
    assert unit.read_bytes() == before


def _open_to_all(root: Path) -> None:
    (root / "etc/wheeltapper/keys").chmod(0o755)


def _without_folder(root: Path) -> None:
    (root / "var/lib/wheeltapper-safety").rmdir()


def _without_user(root: Path) -> None:
    passwd = root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace("wheeltapper-hub:", "someone:"))


def _with_mistakes(root: Path) -> None:
    (root / CONFIG).write_text("config_version = 7\n")


@pytest.mark.parametrize(
    ("spoil", "place", "said"),
    [
        (_open_to_all, "/etc/wheeltapper/keys", "mode 0755 instead of 0700"),
        (_without_folder, "/var/lib/wheeltapper-safety", "missing"),
        (_without_user, "/etc/passwd", "no user or group wheeltapper-hub"),
        (_with_mistakes, f"/{CONFIG}", "mistakes; wheeltapper check names them"),
    ],
)
def test_check_names_what_is_not_right(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: object,
    place: str,
    said: str,
) -> None:
    install(root)
    assert callable(spoil)
    spoil(root)
    capsys.readouterr()
    assert install(root, "--check", "--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["place"] == place
    assert said in row["said"]


def test_check_changes_nothing(tmp_path: Path) -> None:
    assert install(tmp_path, "--check") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_the_users_it_says_how_to_create_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(tmp_path) == 0
    said = capsys.readouterr().out
    assert f"systemd-sysusers --root={tmp_path} wheeltapper.conf" in said


def test_what_cannot_be_made_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "usr").write_text("a file where a folder should be")
    assert install(root) == 1
    assert "usr/lib/systemd/system" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_gives_the_folders_to_their_users(root: Path) -> None:
    (root / "etc/passwd").write_text("wheeltapper-hub:x:12345:23456:::\n")
    (root / "etc/group").write_text("wheeltapper:x:23456:\n")
    install(root)
    found = (root / "var/lib/wheeltapper").stat()
    assert (found.st_uid, found.st_gid) == (12345, 23456)
    os.chown(root / "var/lib/wheeltapper", 0, 0)
    place = Folder("var/lib/wheeltapper", 0o750, "wheeltapper-hub", "wheeltapper")
    Root(root).make(place)
    found = (root / "var/lib/wheeltapper").stat()
    assert found.st_uid == 12345


def test_the_files_are_found_in_an_environment_without_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_CHECKOUT", tmp_path)
    folder = layout.unit_folder()
    assert folder.parts[-3:] == ("share", "wheeltapper", "systemd")


def test_every_place_has_one_owner_in_the_layout() -> None:
    paths = [place.path for place in (*our_files(), *site_places())]
    assert len(paths) == len(set(paths))
    assert sum(isinstance(place, SiteFile) for place in site_places()) == 1


def test_the_template_and_all_its_examples_are_valid() -> None:
    text = template().decode()
    assert check_text(text)[1] == ()
    with_examples = re.sub(r'^#(?=["\w\[])', "", text, flags=re.MULTILINE)
    config, problems = check_text(with_examples)
    assert problems == ()
    assert config is not None
    assert config.initiators
    assert config.uplink is not None
    assert config.roles.operator


def test_inference_has_a_folder_for_what_it_remembers(root: Path) -> None:
    install(root)
    (root / "var/lib/wheeltapper-inference/P-101.memory").touch()
    assert (root / "var/lib/wheeltapper/inference/P-101.memory").is_file()


def test_the_models_are_where_every_process_looks(root: Path) -> None:
    install(root)
    (root / "var/lib/wheeltapper-models/P-101").mkdir()
    for state in ("wheeltapper", "wheeltapper-sync"):
        assert (root / "var/lib" / state / "models/P-101").is_dir()
