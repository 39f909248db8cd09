"""What models say of themselves: in the listing, to doctor, to Prometheus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from appliance.commands.doctor import Grade, of_processes
from appliance.commands.models import _list, told_of_models
from appliance.hub.status import figures_of_models
from appliance.updates.install import ModelShelf

if TYPE_CHECKING:
    from pathlib import Path

STATUS: dict[str, Any] = {
    "models": {"P-101": "v2", "P-102": "v1"},
    "without_model": [],
    "refused": {},
    "telemetry": {
        "P-101": {"took_ms_p99": 4.25, "score_p50": 0.31, "confidence": 0.98},
        "P-102": {},
    },
    "drift": {"P-101": "P-101/flow: not as when it was learned"},
    "memory_bytes": 91_000_000,
    "providers_absent": ["CUDAExecutionProvider"],
    "diagnostics": [
        {"key": "drift P-101", "message": "it drifts", "remedy": "learn", "tags": []}
    ],
}


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    for version in ("v1", "v2"):
        (tmp_path / "P-101" / version).mkdir(parents=True)
    (tmp_path / "P-101" / "active").symlink_to("v2")
    return ModelShelf(tmp_path, lambda _folder: None)


def test_the_model_at_work_is_listed_with_its_figures(
    shelf: ModelShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _list(shelf, told_of_models(STATUS), as_json=False) == 0
    head, candidate, at_work = capsys.readouterr().out.splitlines()
    assert "P99 MS" in head
    assert candidate.split() == ["P-101", "v1", "candidate"]
    assert at_work.split()[:6] == ["P-101", "v2", "active", "4.25", "0.31", "0.98"]
    assert at_work.endswith("not as when it was learned")
    _list(shelf, told_of_models(STATUS), as_json=True)
    first, second = json.loads(capsys.readouterr().out)
    assert "telemetry" not in first
    assert second["telemetry"]["took_ms_p99"] == 4.25


def test_without_inference_the_shelf_is_listed_as_it_is(
    shelf: ModelShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _list(shelf, told_of_models({}), as_json=False) == 0
    assert capsys.readouterr().out.splitlines()[2].split() == ["P-101", "v2", "active"]


def test_doctor_tells_of_drift_of_slow_models_and_of_what_is_not_there() -> None:
    slow = {**STATUS["telemetry"], "P-102": {"took_ms_p99": 800.0}}
    words = {"inference": {**STATUS, "telemetry": slow}}
    found = {each.subject: each for each in of_processes(words, None)}
    for subject in (
        "inference: drift P-101",
        "inference: providers",
        "model of P-102: speed",
    ):
        assert found[subject].grade is Grade.LOOK
        assert found[subject].action
    assert "model of P-101: speed" not in found


def test_prometheus_gets_the_numbers() -> None:
    assert figures_of_models(STATUS) == {
        "model_took_ms_p99_P-101": 4.25,
        "model_score_p50_P-101": 0.31,
        "model_confidence_P-101": 0.98,
        "model_drifted_P-101": 1.0,
        "model_drifted_P-102": 0.0,
        "inference_memory_bytes": 91_000_000.0,
    }
    assert figures_of_models({}) == {}
