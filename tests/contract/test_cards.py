"""What every connector's folder must hold, and what loading it must not do."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import (
    Connector,
    SourceSettings,
    connector_names,
    load_connector,
)

LIBRARIES = ("asyncua", "pymodbus", "serial", "numpy", "duckdb", "cryptography")

every_connector = pytest.mark.parametrize("name", connector_names())
serving_safety = pytest.mark.parametrize(
    "name", [name for name in connector_names() if load_connector(name).reader_path]
)


def folder_of(name: str) -> Path:
    path = import_module(f"connectors.{name}").__file__
    assert path is not None
    return Path(path).parent


def sample_of(name: str) -> dict[str, Any]:
    sample = tomllib.loads((folder_of(name) / "sample.toml").read_text("utf-8"))
    assert len(sample["sources"]) == 1
    found: dict[str, Any] = sample["sources"][0]
    return found


def sample_settings(name: str) -> SourceSettings:
    return load_connector(name).settings.model_validate(sample_of(name))


def imported_by(statement: str) -> set[str]:
    """Return the libraries that a fresh interpreter holds after a statement."""
    program = (
        f"import json, sys\n{statement}\n"
        f"print(json.dumps([name for name in {LIBRARIES} if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


@every_connector
def test_the_card_loads_no_protocol_library_and_no_numpy(name: str) -> None:
    statement = (
        "from appliance.runtime.plugins import load_connector\n"
        f"load_connector({name!r})"
    )
    assert imported_by(statement) == set()


@serving_safety
def test_reader_and_output_load_no_numpy(name: str) -> None:
    card = load_connector(name)
    assert card.reader_path is not None
    assert card.output_path is not None
    modules = {card.reader_path.partition(":")[0], card.output_path.partition(":")[0]}
    loaded = imported_by("\n".join(f"import {module}" for module in modules))
    assert "numpy" not in loaded


@every_connector
def test_the_sample_is_accepted_by_its_own_settings(name: str) -> None:
    settings = sample_settings(name)
    assert settings.connector == name
    assert settings.tag_table()
    assert (folder_of(name) / "README.md").is_file()


@every_connector
def test_a_misspelt_key_is_refused(name: str) -> None:
    sample = sample_of(name)
    model = load_connector(name).settings
    with pytest.raises(ValidationError, match="stale_aftr_s"):
        model.model_validate({**sample, "stale_aftr_s": 3.0})
    first, *others = sample["tags"]
    spoilt = [{**first, "rnge_low": 0.0}, *others]
    with pytest.raises(ValidationError, match="rnge_low"):
        model.model_validate({**sample, "tags": spoilt})


@every_connector
def test_constructing_does_no_io(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The sample leads nowhere, there is no event loop, and no socket can be made.
    card, settings = load_connector(name), sample_settings(name)
    assert isinstance(card, Connector)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    clock = SystemClock()
    assert card.source(settings, clock).groups
    if card.reader_path is not None:
        assert card.reader(settings, clock).name == settings.name
    if card.output_path is not None:
        assert card.output(settings, clock).name == settings.name
