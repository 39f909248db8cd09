"""The doctor's page: every finding has its grade, and every trouble its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.cli import main
from appliance.commands.doctor import (
    Grade,
    of_disk,
    of_hub,
    of_processes,
    of_safety,
)
from appliance.config import check_text

if TYPE_CHECKING:
    from pathlib import Path

HUB: dict[str, Any] = {
    "epoch": "e1",
    "sources": {"skid": "connected"},
    "counters": {
        "samples_read": 10,
        "samples_stored": 9,
        "samples_rejected": 0,
        "samples_in_flight": 1,
        "outbox_pending": 3,
    },
    "storage": {"healthy": True, "last_error": ""},
    "processes": {},
}
SAFETY: dict[str, Any] = {
    "mode": "armed",
    "tripped": False,
    "first_out": "",
    "initiators": [{"id": "vibration", "state": "clear"}],
    "scan": {"scans": 100, "overruns": 0},
    "journal": {"trouble": ""},
}
INFERENCE: dict[str, Any] = {"models": {"P": "v1"}, "without_model": [], "refused": {}}
CONFIG = """
config_version = 1
site = { id = "s", gateway = "g" }
assets = [{ id = "P" }]
uplink = { host = "broker" }
"""


def test_a_healthy_gateway_has_nothing_to_do(tmp_path: Path) -> None:
    config, _ = check_text(CONFIG)
    words = {"inference": INFERENCE, "sync": {"uplink": "connected", "mqtt": "V5"}}
    findings = [
        *of_disk(tmp_path),
        *of_hub(HUB),
        *of_safety(SAFETY),
        *of_processes(words, config),
    ]
    assert {each.grade for each in findings} == {Grade.WELL}
    assert not any(each.action for each in findings)


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"sources": {"skid": "lost"}}, "source skid"),
        ({"counters": {**HUB["counters"], "samples_stored": 8}}, "conservation"),
        ({"storage": {"healthy": False, "last_error": "disk is full"}}, "buffer"),
    ],
)
def test_trouble_of_the_hub_is_wrong_and_has_a_remedy(
    change: dict[str, Any], subject: str
) -> None:
    wrong = [e for e in of_hub({**HUB, **change}) if e.grade is Grade.WRONG]
    assert [each.subject for each in wrong] == [subject]
    assert all(each.action for each in wrong)


@pytest.mark.parametrize(
    ("change", "subject", "grade"),
    [
        ({"mode": "observe"}, "safety", Grade.LOOK),
        ({"tripped": True, "first_out": "vibration"}, "trip", Grade.LOOK),
        ({"initiators": [{"id": "v", "state": "bad"}]}, "v", Grade.WRONG),
        ({"initiators": [{"id": "v", "state": "bypassed"}]}, "v", Grade.LOOK),
        ({"scan": {"scans": 9, "overruns": 1}}, "scan", Grade.LOOK),
        ({"journal": {"trouble": "disk is full"}}, "journal", Grade.WRONG),
    ],
)
def test_what_safety_says_is_graded(
    change: dict[str, Any], subject: str, grade: Grade
) -> None:
    found = [each for each in of_safety({**SAFETY, **change}) if each.action]
    assert [(each.subject, each.grade) for each in found] == [(subject, grade)]


def test_a_process_that_is_silent_or_without_a_model_is_named() -> None:
    config, _ = check_text(CONFIG)
    assert [e.subject for e in of_processes({}, config)] == ["inference", "sync"]
    bare = {"models": {}, "without_model": ["P"], "refused": {"Q": "digest differs"}}
    words: dict[str, dict[str, Any]] = {
        "inference": bare,
        "sync": {"uplink": "refused", "mqtt": "V5"},
    }
    found = {each.subject: each for each in of_processes(words, config)}
    assert "learn P" in found["model of P"].action
    assert found["model of Q"].grade is Grade.WRONG
    assert found["uplink"].grade is Grade.LOOK


def test_an_absent_state_folder_is_wrong(tmp_path: Path) -> None:
    (finding,) = of_disk(tmp_path / "absent")
    assert finding.grade is Grade.WRONG


def test_the_page_of_a_gateway_that_does_not_run_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(CONFIG)
    places = ["--state-dir", str(tmp_path), "--run-dir", str(tmp_path)]
    assert main(["doctor", "-c", str(path), *places]) == 1
    page = capsys.readouterr().out
    assert "hub" in page
    assert "What to do:" in page
    assert main(["doctor", "-c", str(tmp_path / "absent"), *places, "--json"]) == 1
    assert '"subject": "configuration"' in capsys.readouterr().out


def test_a_source_is_shown_with_its_error_and_what_it_says_of_itself() -> None:
    high = {"message": "at 2000", "remedy": "set it", "priority": "high"}
    low = {"message": "29 days", "remedy": "renew it", "priority": "low"}
    told = {
        "state": "lost",
        "error": "no route to host",
        "diagnostics": [{"key": "clock", **high}, {"key": "certificate", **low}],
    }
    status = {**HUB, "sources": {"skid": "lost"}, "source_details": {"skid": told}}
    found = {each.subject: each for each in of_hub(status) if "source" in each.subject}
    assert found["source skid"].text == "lost: no route to host"
    assert found["source skid"].action
    assert found["source skid: clock"].grade is Grade.WRONG
    assert found["source skid: clock"].action == "set it"
    assert found["source skid: certificate"].grade is Grade.LOOK


def test_a_source_that_explains_its_loss_gets_one_remedy_and_not_two() -> None:
    fault = {"key": "connection", "message": "not trusted", "remedy": "trust it"}
    told = {"error": "refused", "diagnostics": [fault | {"priority": "medium"}]}
    status = {**HUB, "sources": {"skid": "lost"}, "source_details": {"skid": told}}
    actions = [each.action for each in of_hub(status) if each.action]
    assert actions == ["trust it"]


def test_a_clock_nobody_vouches_for_is_worth_a_look() -> None:
    told = {f.subject: f for f in of_hub(HUB | {"clock": {"synchronised": False}})}
    assert told["clock"].grade is Grade.LOOK
    assert "NTP" in told["clock"].action
    well = of_hub(HUB | {"clock": {"synchronised": True}})
    assert "clock" not in {f.subject for f in well}


def test_the_uplinks_own_faults_are_shown_with_their_remedy() -> None:
    config, _ = check_text(CONFIG)
    fault = {"key": "certificate", "message": "9 days left", "remedy": "renew it"}
    sync = {"uplink": "connected", "mqtt": "V5", "diagnostics": [fault]}
    words = {"inference": INFERENCE, "sync": sync}
    told = {f.subject: f for f in of_processes(words, config)}
    assert told["uplink: certificate"].action == "renew it"
