"""A certificate of ours that is renewed while we read is not overlooked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from appliance.runtime.pki.folder import PkiFolder
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.own_certificates import OwnCertificates
from tests.unit.connectors.fakes import SetClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.domain.ports import Clock
    from appliance.runtime.pki.own import OwnPair

OURS = "urn:wheeltapper:test"
LATER_S = 10 * 366 * 86_400.0  # than a time at which the clock counts as not set


@pytest.fixture
def clock() -> Clock:
    clock = SetClock()
    clock.pass_s(LATER_S)
    return clock


@pytest.fixture
def certificates(tmp_path: Path, clock: Clock) -> OwnCertificates:
    settings = OpcuaSettings.model_validate(
        {
            "name": "plc",
            "connector": "opcua",
            "url": "opc.tcp://127.0.0.1:4840/",
            "application_uri": OURS,
            "security": {
                "policy": "Basic256Sha256",
                "pki": tmp_path / "pki",
                "allow_anonymous": True,
            },
        }
    )
    return OwnCertificates(settings, clock)


def test_what_was_read_is_no_change(certificates: OwnCertificates) -> None:
    (made,) = certificates.pairs()
    assert not certificates.have_changed
    assert certificates.pairs() == (made,)


def test_what_is_renewed_while_we_read_is_read_at_once(
    certificates: OwnCertificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates.pairs()
    renewed: list[OwnPair] = []
    need = PkiFolder.need_own

    def renewing(
        folder: PkiFolder, uri: str, hosts: Sequence[str], *, now_ns: int
    ) -> tuple[OwnPair, ...]:
        found = need(folder, uri, hosts, now_ns=now_ns)
        if not renewed:
            renewed.append(folder.renew_own(uri, hosts, now_ns=now_ns))
        return found

    monkeypatch.setattr(PkiFolder, "need_own", renewing)
    newest, _before = certificates.pairs()
    assert newest.certificate == renewed[0].certificate
    assert not certificates.have_changed


def test_a_change_within_one_tick_of_the_disk_is_seen(
    certificates: OwnCertificates, clock: Clock
) -> None:
    certificates.pairs()
    own = certificates.folder.path / "own"
    at = own.stat()
    certificates.folder.renew_own(OURS, ["here"], now_ns=clock.utc_ns())
    os.utime(own, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert certificates.have_changed
