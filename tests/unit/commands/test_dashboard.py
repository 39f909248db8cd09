"""`wheeltapper dashboard`: what is opened with which wishes, and what is refused."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from textual.app import App

from appliance.commands import dashboard
from appliance.commands.exits import EXIT_WELL, CommandError
from appliance.dashboard.messages import Said
from appliance.dashboard.model import Now
from appliance.dashboard.replay import Replay
from appliance.dashboard.session import read_notes
from appliance.dashboard.terminal import metered

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.dashboard.app import Dashboard


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """Say that there is a terminal, and note what would run on it."""
    found: list[Any] = []
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    monkeypatch.setattr(App, "run", lambda app, **given: found.append((app, given)))
    return found


def asked(folder: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    dashboard.configure(parser, "dashboard")
    return parser.parse_args([*words, "--run-dir", str(folder)])


def test_it_opens_on_the_terminal_with_the_wishes_of_the_person(
    tmp_path: Path, opened: list[Any]
) -> None:
    assert dashboard.run(asked(tmp_path)) == EXIT_WELL
    own = tmp_path / "own" / "wheeltapper" / "dashboard.toml"
    own.parent.mkdir(parents=True)
    own.write_text('theme = "paper"\nmouse = false\nbytes_per_s = 2400\n')
    assert dashboard.run(asked(tmp_path)) == EXIT_WELL
    (usual, usually), (other, otherwise) = opened
    assert usual._preferences.theme == ""
    assert usually == {"mouse": True}
    assert other._preferences.theme == "paper"
    assert otherwise == {"mouse": False}
    assert other.driver_class.__name__ == metered(other._budget).__name__
    assert not other.read_only


def test_a_file_of_wishes_that_cannot_be_is_refused_by_name(tmp_path: Path) -> None:
    wishes = tmp_path / "my.toml"
    with pytest.raises(CommandError, match=r"my\.toml: .*No such file"):
        dashboard.run(asked(tmp_path, "--preferences", str(wishes)))
    wishes.write_text('[keys]\nstop = "y"')
    with pytest.raises(CommandError, match="must not begin an act"):
        dashboard.run(asked(tmp_path, "--preferences", str(wishes)))


def test_a_recording_is_a_new_file_that_can_be_shown_again(
    tmp_path: Path, opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "night.session"

    def noted(app: Dashboard, **_given: object) -> None:
        assert app._recorder is not None
        app._recorder.take(Said("a word"), Now(1.0, 1))

    with monkeypatch.context() as patched:
        patched.setattr(App, "run", noted)
        assert dashboard.run(asked(tmp_path, "--record", str(path))) == EXIT_WELL
    with path.open("rb") as file:
        assert len(list(read_notes(file))) == 1
    with pytest.raises(CommandError, match=r"night\.session: File exists"):
        dashboard.run(asked(tmp_path, "--record", str(path)))
    assert dashboard.run(asked(tmp_path, "--replay", str(path))) == EXIT_WELL
    ((app, _),) = opened
    assert isinstance(app, Replay)
    assert app.read_only


def test_a_full_recording_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(app: Dashboard, **_given: object) -> None:
        assert app._recorder is not None
        app._recorder.trouble = "full"

    monkeypatch.setattr(App, "run", fill)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)  # it is capsys's now
    path = tmp_path / "full.session"
    dashboard.run(asked(tmp_path, "--record", str(path)))
    assert "full.session: full" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"not a session file at all"])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match="/x: "):
        dashboard.run(asked(tmp_path, "--replay", str(path)))


def test_one_thing_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="one of"):
        dashboard.run(asked(tmp_path, "--serve", "--record", str(tmp_path / "x")))
    with pytest.raises(CommandError, match="--no-token goes with --serve"):
        dashboard.run(asked(tmp_path, "--no-token"))


def test_served_it_needs_no_terminal_and_is_read_only(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    served: list[tuple[Dashboard, int, str]] = []

    async def serve(app: Dashboard, *, port: int, said: Any, **more: Any) -> None:  # noqa: ANN401 - print
        served.append((app, port, more["token"]))
        said("http://127.0.0.1:9/")
        await asyncio.sleep(0)

    monkeypatch.setattr("appliance.dashboard.serve.serve", serve)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert dashboard.run(asked(tmp_path, "--serve", "--port", "9")) == EXIT_WELL
    assert "127.0.0.1:9" in capsys.readouterr().out
    assert dashboard.run(asked(tmp_path, "--serve")) == EXIT_WELL
    assert dashboard.run(asked(tmp_path, "--serve", "--no-token")) == EXIT_WELL
    (app, port, token), (_, _, another), (_, _, waived) = served
    assert app.read_only
    assert port == 9
    assert len(token) >= 32
    assert token != another
    assert waived == ""


def test_a_port_that_is_taken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(*_args: object, **_given: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr("appliance.dashboard.serve.serve", serve)
    with pytest.raises(CommandError, match="port 9: Address already in use"):
        dashboard.run(asked(tmp_path, "--serve", "--port", "9"))
