"""Safety lives alone: what it may import, in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.requirement("A1")
@pytest.mark.requirement("A16")
def test_safety_imports_nothing_heavy() -> None:
    modules = (
        "appliance.safety.process",
        "connectors.modbus.reader",
        "connectors.modbus.output",
    )
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    banned = {"numpy", "onnxruntime", "aiosqlite", "textual", "models"}
    assert not loaded & banned


@pytest.mark.requirement("A1")
def test_the_pure_modules_import_nothing_that_could_wait_or_choose() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import appliance.safety.logic\n"
        "print(' '.join(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"asyncio", "time", "random", "pydantic"} & set(done.stdout.split())
