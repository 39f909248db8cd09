"""`trips prove` and `trips simulate`, as a shell sees them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from appliance.cli import main
from appliance.safety import logic
from tests.support.matrix import ONE_BY_ONE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "plant.toml"
    path.write_text(ONE_BY_ONE)
    return path


def trips(*args: object) -> int:
    return main(["trips", *(str(each) for each in args)])


def test_a_matrix_is_proven(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trips("prove", config) == 0
    assert capsys.readouterr().out.startswith("motor: proven (")


def test_the_lock_is_written_compared_and_accepted(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "trips.lock"
    assert trips("prove", config, "--lock", lock) == 0
    before = lock.read_text()
    assert trips("prove", config, "--lock", lock) == 0
    config.write_text(
        ONE_BY_ONE.replace("setpoint = 7.1", "setpoint = 7.1\ndeadband = 1")
    )
    assert trips("prove", config, "--lock", lock) == 1
    out = capsys.readouterr().out
    assert "-  states" in out
    assert f"if that is meant: --lock {lock} --accept" in out
    assert lock.read_text() == before
    assert trips("prove", config, "--lock", lock, "--accept") == 0
    assert lock.read_text() != before


def test_too_many_states_are_not_proven(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lock = tmp_path / "trips.lock"
    assert trips("prove", config, "--states", 3, "--lock", lock) == 1
    assert "motor: NOT PROVEN: more than 3 states" in capsys.readouterr().out
    assert not lock.exists()


def test_an_empty_matrix_is_said_to_be_empty(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(ONE_BY_ONE.partition("[safety]")[0])
    assert trips("prove", config) == 0
    assert "nothing to prove" in capsys.readouterr().out


def test_a_counterexample_replays(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(logic, "_refusals", lambda *_: ())
        assert trips("prove", config) == 1
        out = capsys.readouterr().out
        assert "motor: BROKEN" in out
        assert "P2" in out
        assert trips("prove", config, "--json") == 1
        (proof,) = json.loads(capsys.readouterr().out)["proofs"]
        assert proof["proven"] is False
    trace = tmp_path / "trace.jsonl"
    trace.write_text("\n".join(json.dumps(line) for line in proof["trace"]))
    assert trips("simulate", config, "--trace", trace) == 0
    assert "scan with high vibration: " in capsys.readouterr().out
    assert trips("simulate", config, "--trace", trace, "--json") == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["elements"]["stands"] == "STOP"
    assert last["refusals"]


def test_events_between_scans_are_replayed_in_words(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        {"format": "wheeltapper trace 1", "element": "motor", "row": "high vibration"},
        {"happens": {"what": "bypass", "of": "high vibration", "channel": ""}},
    ]
    trace = tmp_path / "trace.jsonl"
    trace.write_text("\n".join(json.dumps(line) for line in lines))
    assert trips("simulate", config, "--trace", trace) == 0
    assert capsys.readouterr().out == "bypass high vibration\n"


def test_a_script_is_played_from_a_file_or_from_standard_input(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = tmp_path / "script.txt"
    script.write_text("+0.2 P-101/DE/vibration_rms=9\nreset\n")
    assert trips("simulate", config, script) == 0
    out = capsys.readouterr().out
    assert "motor: STOP, first-out high vibration" in out
    assert "reset of motor refused" in out
    monkeypatch.setattr("sys.stdin", io.StringIO(script.read_text()))
    assert trips("simulate", config, "--json", "--cold") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["elements"] == {"motor": "STOP, first-out power-up"}


@pytest.mark.parametrize("text", ["P-101/gone=1", "nonsense"])
def test_a_script_that_is_not_understood_is_a_usage_error(
    config: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.txt"
    script.write_text(text)
    assert trips("simulate", config, script) == 2
    assert "line 1" in capsys.readouterr().err
    assert trips("simulate", config, tmp_path / "absent") == 2
    assert trips("simulate", config, "--trace", script) == 2
