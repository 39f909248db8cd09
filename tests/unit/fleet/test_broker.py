"""The demonstration's broker, as far as it needs no socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet import broker
from fleet.__main__ import main
from fleet.broker import find_mosquitto, mosquitto_conf


def test_it_listens_on_loopback_alone_and_keeps_nothing_unless_told() -> None:
    conf = mosquitto_conf(1883, keep_in=None, user="somebody").splitlines()
    assert "listener 1883 127.0.0.1" in conf
    assert "persistence false" in conf
    assert not any(line.startswith("persistence_location") for line in conf)


def test_it_keeps_sessions_where_it_is_told() -> None:
    conf = mosquitto_conf(1883, keep_in=Path("/var/x"), user="somebody").splitlines()
    assert "persistence true" in conf
    assert "persistence_location /var/x/" in conf


def test_an_absent_mosquitto_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(broker, "_PLACES", ())
    assert find_mosquitto() is None
    assert main(["broker", "--kind", "mosquitto"]) == 1


@pytest.mark.parametrize("address", ["localhost", ":1883", "localhost:x"])
def test_an_address_that_is_none_is_a_usage_error(tmp_path: Path, address: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ingest", "--broker", address, "--lake", str(tmp_path)])
    assert ended.value.code == 2


def test_key_files_that_cannot_be_read_are_a_usage_error(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    words = ["ingest", "--broker", "localhost:1", "--lake", str(tmp_path / "lake")]
    assert main([*words, "--tls", "--ca", absent]) == 2
    assert main([*words, "--password-file", absent]) == 2
