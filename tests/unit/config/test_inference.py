"""`[inference]`: what models run on."""

from __future__ import annotations

import pytest

from appliance.config import check_text

HEAD = 'config_version = 1\nsite = { id = "s", gateway = "g" }\n[inference]\n'


def test_the_processor_runs_models_unless_something_else_is_wished_for() -> None:
    plain, _ = check_text(HEAD)
    assert plain is not None
    assert plain.inference.providers == ("CPUExecutionProvider",)
    wish = 'providers = ["OpenVINOExecutionProvider", "CPUExecutionProvider"]\n'
    wished, problems = check_text(f"{HEAD}{wish}threads = 2\n")
    assert wished is not None, problems
    assert wished.inference.threads == 2
    assert wished.inference.providers[0] == "OpenVINOExecutionProvider"


@pytest.mark.parametrize(
    "wish",
    [
        "[]",
        '["CUDAExecutionProvider"]',
        '["CPUExecutionProvider", "CUDAExecutionProvider"]',
        '["CPUExecutionProvider", "CPUExecutionProvider"]',
        '["Cpu"]',
    ],
)
def test_a_wish_that_cannot_be_met_is_a_mistake_with_its_place(wish: str) -> None:
    config, problems = check_text(f"{HEAD}providers = {wish}\n")
    assert config is None
    assert "inference.providers" in str(problems[0])
