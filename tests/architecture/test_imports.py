"""What a static graph cannot see: what each process really imports."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("sklearn", "skl2onnx", "onnx", "scipy", "duckdb", "amqtt", "models.train")

FORBIDDEN: dict[tuple[str, ...], tuple[str, ...]] = {
    (
        "appliance.cli",
        "appliance.commands.process",
        "appliance.safety.process",
        "connectors.modbus.reader",
        "connectors.modbus.output",
        "connectors.opcua.reader",
        "connectors.opcua.output",
    ): (
        *HEAVY,
        "numpy",
        "onnxruntime",
        "aiosqlite",
        "textual",
        "paho",
        "appliance.storage",
        "appliance.alarms",
        "appliance.safety.proof",
        "models",
    ),
    (
        "appliance.cli",
        "appliance.commands.process",
        "appliance.hub.process",
        "connectors.modbus.source",
        "connectors.opcua.source",
    ): (*HEAVY, "onnxruntime", "textual", "paho", "appliance.safety"),
    (
        "appliance.cli",
        "appliance.commands.process",
        "appliance.inference.process",
    ): (*HEAVY, "aiosqlite", "asyncua", "pymodbus", "textual", "paho"),
    (
        "appliance.cli",
        "appliance.commands.process",
        "appliance.sync.process",
    ): (*HEAVY, "numpy", "onnxruntime", "aiosqlite", "asyncua", "pymodbus", "textual"),
    ("appliance.cli", "appliance.commands.dashboard", "appliance.dashboard.app"): (
        *HEAVY,
        "onnxruntime",
        "aiosqlite",
        "asyncua",
        "pymodbus",
        "paho",
        "models",
        "appliance.storage",
        "appliance.alarms",
        "appliance.hub",
        "appliance.safety",
    ),
    ("fleet", "fleet.__main__"): (
        "sklearn",
        "onnx",
        "onnxruntime",
        "textual",
        "asyncua",
        "pymodbus",
    ),
    ("appliance",): ("asyncio", "numpy", "pydantic", "appliance.domain"),
    ("appliance.cli",): ("asyncio", "numpy", "pydantic"),
    (
        "connectors.modbus",
        "connectors.modbus.config",
        "connectors.opcua",
        "connectors.opcua.config",
        "connectors.replay",
        "connectors.replay.config",
        "connectors.example",
        "connectors.example.config",
    ): ("numpy", "asyncua", "pymodbus"),
    ("sim_plant", "sim_plant.__main__"): ("appliance", "connectors", "models", "fleet"),
}


@pytest.mark.parametrize("modules", FORBIDDEN, ids=lambda modules: modules[-1])
def test_a_process_imports_nothing_that_is_not_its_business(
    modules: tuple[str, ...],
) -> None:
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    loaded = set(json.loads(done.stdout))
    banned = FORBIDDEN[modules]
    found = {
        name
        for name in loaded
        if any(name == each or name.startswith(f"{each}.") for each in banned)
    }
    assert not found
