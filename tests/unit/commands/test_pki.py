"""`wheeltapper pki`, on a folder of certificates."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from appliance.cli import main
from appliance.runtime.clock import SystemClock
from appliance.runtime.pki.application import host_uri
from appliance.runtime.pki.certificate import parse_certificates
from appliance.runtime.pki.folder import PkiFolder
from tests.unit.runtime.certificates import make

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Pki = Callable[..., tuple[int, str]]

URI = host_uri(socket.gethostname())


@pytest.fixture
def folder(tmp_path: Path) -> PkiFolder:
    return PkiFolder(tmp_path / "pki")


@pytest.fixture
def pki(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Pki:
    """Run the command on the folder; return its exit code and what it said."""

    def run(*words: str) -> tuple[int, str]:
        code = main(["pki", *words, "--state-dir", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def listed(pki: Pki) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(pki("list", "--json")[1])
    return found


def test_without_certificates_the_list_says_so(pki: Pki) -> None:
    code, said = pki("list")
    assert code == 0
    assert "no certificate in" in said
    assert listed(pki) == []


def test_a_refused_server_is_listed_trusted_and_rejected_again(
    pki: Pki, folder: PkiFolder
) -> None:
    made = make().certificate
    folder.keep_rejected(made)
    (row,) = listed(pki)
    assert row["place"] == "rejected"
    assert row["thumbprint"] == made.thumbprint
    assert row["application_uri"] == "urn:test:server"
    for word, place in (("trust", "trusted"), ("reject", "rejected")):
        for _ in range(2):  # the second time nothing is left to do
            code, said = pki(word, made.thumbprint[:10])
            assert code == 0
            assert made.thumbprint in said
        assert [each["place"] for each in listed(pki)] == [place]


def test_a_file_is_trusted_as_it_is(
    pki: Pki, folder: PkiFolder, tmp_path: Path
) -> None:
    ca = make("authority", ca=True)
    file, _ = ca.write(tmp_path, "authority")
    code, said = pki("trust", str(file), "--json")
    assert code == 0
    assert json.loads(said) == [
        {"act": "trusted", "thumbprint": ca.certificate.thumbprint}
    ]
    assert folder.trust().trusted == (ca.certificate,)


def test_a_thumbprint_that_is_not_there_is_a_finding_that_names_the_place(
    pki: Pki, folder: PkiFolder
) -> None:
    code, said = pki("trust", "abcdef")
    assert code == 1
    assert "no certificate 'abcdef' in" in said
    assert str(folder.path / "rejected") in said


def test_our_certificate_is_renewed_beside_the_one_that_is(
    pki: Pki, folder: PkiFolder
) -> None:
    now_ns = SystemClock().utc_ns()
    old = folder.renew_own(URI, ["gateway-1"], now_ns=now_ns, days=20)
    assert pki("list")[0] == 1, "it ends within a month"
    code, said = pki("renew", "--days", "100")
    assert code == 0
    new, before = folder.own_pairs(URI)
    assert before == old
    assert new.certificate.thumbprint in said
    assert "gateway-1" in new.certificate.host_names
    assert 99 < new.certificate.days_left(now_ns) < 101
    assert pki("list")[0] == 0, "another follows it"


def test_the_first_certificate_can_be_made_by_hand_and_carried_to_a_server(
    pki: Pki, folder: PkiFolder, tmp_path: Path
) -> None:
    code, said = pki("show")
    assert code == 1
    assert "wheeltapper pki renew" in said
    assert pki("renew")[0] == 0
    assert pki("renew", "--uri", "urn:other", "--json")[0] == 0
    (pair,) = folder.own_pairs(URI)
    out = tmp_path / "ours.der"
    code, said = pki("show", pair.certificate.thumbprint, "--out", str(out))
    assert code == 0
    assert f"thumbprint: {pair.certificate.thumbprint}" in said
    assert f"written to {out}" in said
    assert parse_certificates(out.read_bytes()) == (pair.certificate,)
    code, said = pki("show", "--json")
    assert json.loads(said)["application_uri"] == "urn:other"


def test_the_list_is_for_people_too(pki: Pki) -> None:
    pki("renew")
    code, said = pki("list")
    assert code == 0
    assert "DAYS LEFT" in said
    assert URI in said


@pytest.mark.parametrize("days", ["0", "nan", "many", "4000"])
def test_a_validity_that_makes_no_sense_is_a_mistake_of_usage(
    pki: Pki, days: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        pki("renew", "--days", days)
    assert "up to 3650" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(
    pki: Pki, folder: PkiFolder, tmp_path: Path
) -> None:
    folder.path.write_text("a file where the folder should be", encoding="utf-8")
    code, said = pki("renew")
    assert code == 1
    assert str(tmp_path) in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_belongs_to_another_user_is_said_to(pki: Pki, folder: PkiFolder) -> None:
    folder.keep_rejected(make().certificate)
    folder.path.chmod(0)
    code, said = pki("list")
    folder.path.chmod(0o700)
    assert code == 1
    assert "not ours to read or write" in said
