"""What the uplink reads from and keeps in files."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

import pytest

from appliance.config import Config, SiteSettings, UplinkSettings
from appliance.runtime.clock import SystemClock
from appliance.sync.credentials import password, tls_context
from appliance.sync.errors import UplinkRefusedError
from appliance.sync.memory import Memory, keep, recall
from appliance.sync.process import run
from appliance.sync.protocol import Protocol

if TYPE_CHECKING:
    from pathlib import Path

BROKER = "broker.example:8883"


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def uplink(**settings: object) -> UplinkSettings:
    return UplinkSettings.model_validate({"host": "broker.example", **settings})


def test_what_was_kept_is_recalled(tmp_path: Path) -> None:
    kept = Memory(BROKER, Protocol.V311, 12_345)
    keep(tmp_path / "sync.json", kept)
    assert recall(tmp_path / "sync.json", BROKER) == kept


def test_another_broker_may_speak_another_mqtt_but_bytes_are_bytes(
    tmp_path: Path,
) -> None:
    keep(tmp_path / "sync.json", Memory(BROKER, Protocol.V311, 12_345))
    assert recall(tmp_path / "sync.json", "other:1") == Memory("other:1", None, 12_345)


@pytest.mark.parametrize("content", [b"", b"{}x", b'{"protocol": 9}', b"\xff"])
def test_a_broken_memory_is_not_used(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sync.json").write_bytes(content)
    assert recall(tmp_path / "sync.json", BROKER) == Memory(BROKER)
    assert "is not used" in caplog.text


def test_a_memory_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path / "absent" / "sync.json", Memory(BROKER))
    assert "cannot be written" in caplog.text


def test_without_tls_there_is_no_context() -> None:
    assert tls_context(uplink(tls=False)) is None


def test_tls_checks_the_broker_by_default() -> None:
    context = tls_context(uplink())
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("key", ["ca_file", "certificate_file"])
def test_keys_that_cannot_be_used_are_a_refusal(tmp_path: Path, key: str) -> None:
    (tmp_path / "broken").write_text("not a key")
    for name in ("absent", "broken"):
        with pytest.raises(UplinkRefusedError, match="cannot be used"):
            tls_context(uplink(**{key: str(tmp_path / name)}))


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\nrest\n")
    assert password(str(tmp_path / "password")) == "secret"
    (tmp_path / "empty").write_text("")
    assert password(str(tmp_path / "empty")) == ""
    assert password(None) is None


def test_a_bare_name_is_a_systemd_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mqtt-password").write_text("secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert password("mqtt-password") == "secret"
    with pytest.raises(UplinkRefusedError, match="cannot be read"):
        password("absent")


async def test_without_an_uplink_the_process_says_so_and_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    config = Config(site=SiteSettings(id="plant-1", gateway="gw-1"))
    await run(config, state_dir=tmp_path, run_dir=tmp_path, clock=SystemClock())
    assert "nothing leaves this gateway" in caplog.text
    assert left_in(tmp_path) == []
