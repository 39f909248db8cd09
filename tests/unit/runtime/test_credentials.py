from __future__ import annotations

from pathlib import Path

import pytest

from appliance.runtime.credentials import credential_path


@pytest.mark.parametrize("name", ["uplink-key", Path("uplink-key")])
def test_a_bare_name_is_a_credential_where_systemd_hands_over_any(
    name: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x.service")
    assert credential_path(name) == Path("/run/credentials/x.service/uplink-key")


@pytest.mark.parametrize("name", ["/etc/keys/uplink.pem", "./uplink.pem"])
def test_what_has_a_slash_is_a_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x.service")
    assert credential_path(name) == Path(name)


def test_without_systemd_a_bare_name_is_a_file_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert credential_path("uplink.pem") == Path("uplink.pem")
