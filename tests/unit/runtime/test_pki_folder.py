from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.runtime.pki.certificate import NS_PER_DAY, CertificateError
from appliance.runtime.pki.folder import (
    MOST_OWN,
    MOST_REJECTED,
    PkiFolder,
    default_pki,
)
from appliance.runtime.pki.own import RENEW_BEFORE_DAYS, load_key, make_pair, pair_of
from appliance.runtime.places import state_dir, use_state_dir
from tests.unit.runtime.certificates import NOW_NS, crl, make

if TYPE_CHECKING:
    from pathlib import Path

URI = "urn:test:ours"


@pytest.fixture
def folder(tmp_path: Path) -> PkiFolder:
    return PkiFolder(tmp_path / "pki")


def test_a_folder_that_is_not_there_trusts_nobody(folder: PkiFolder) -> None:
    assert folder.kept() == ()
    assert folder.trust().trusted == ()
    assert not folder.path.exists()


def test_certificates_lists_and_chains_are_read_in_any_form(
    folder: PkiFolder,
) -> None:
    ca, made = make("ca", ca=True), make()
    folder.put(made.certificate, "trusted")
    issuers = folder.path / "issuers"
    issuers.mkdir()
    pem = ca.certificate.x509.public_bytes(Encoding.PEM)
    (issuers / "ca.crt").write_bytes(pem + pem)
    (issuers / "ca.crl").write_bytes(crl(ca).public_bytes(Encoding.PEM))
    (folder.path / "trusted" / "other.crl").write_bytes(
        crl(ca, made).public_bytes(Encoding.DER)
    )
    trust = folder.trust()
    assert trust.trusted == (made.certificate,)
    assert set(trust.issuers) == {ca.certificate}
    assert len(trust.crls) == 2


def test_a_file_that_cannot_be_read_counts_for_nothing_and_is_named(
    folder: PkiFolder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.put(make().certificate, "trusted")
    for name in ("broken.der", "broken.crl"):
        (folder.path / "trusted" / name).write_bytes(b"nonsense")
    (folder.path / "trusted" / "folder").mkdir()
    trust = folder.trust()
    assert (len(trust.trusted), len(trust.crls)) == (1, 0)
    assert "broken.der counts for nothing" in caplog.text
    assert "broken.crl counts for nothing" in caplog.text


def test_what_was_rejected_is_kept_once_and_only_the_newest(
    folder: PkiFolder,
) -> None:
    first = make("first")
    folder.keep_rejected(first.certificate)
    path = folder.find(first.certificate.thumbprint).path
    os.utime(path, ns=(1, 1))
    folder.keep_rejected(first.certificate)
    assert path.stat().st_mtime_ns == 1
    for number in range(MOST_REJECTED):
        folder.keep_rejected(make("server", uri=f"urn:{number}").certificate)
    assert len(folder.kept("rejected")) == MOST_REJECTED
    assert not path.exists()


def test_a_certificate_is_found_by_the_beginning_of_its_thumbprint(
    folder: PkiFolder,
) -> None:
    made = make().certificate
    folder.keep_rejected(made)
    thumbprint = made.thumbprint
    spaced = " ".join((thumbprint[:2].upper(), thumbprint[2:6].upper()))
    for text in (thumbprint, thumbprint[:6], spaced, thumbprint[:2] + ":"):
        assert folder.find(text).certificate == made
    for text in ("", "zz", thumbprint + "0"):
        with pytest.raises(CertificateError, match="no certificate"):
            folder.find(text)
    for number in range(17):  # more than there are first digits
        folder.keep_rejected(make("server", uri=f"urn:{number}").certificate)
    firsts = [each.certificate.thumbprint[0] for each in folder.kept()]
    twice = next(digit for digit in firsts if firsts.count(digit) > 1)
    with pytest.raises(CertificateError, match="give more of it"):
        folder.find(twice)


def test_a_certificate_that_is_moved_lies_in_one_place(folder: PkiFolder) -> None:
    made = make().certificate
    folder.keep_rejected(made)
    folder.move(folder.find(made.thumbprint), "trusted")
    assert [each.place for each in folder.kept()] == ["trusted"]


# ------------------------------------------------------------------ ours


def test_our_pair_is_made_once_and_its_key_is_secret(folder: PkiFolder) -> None:
    (pair,) = folder.need_own(URI, ["gateway-1", "192.0.2.7"], now_ns=NOW_NS)
    assert folder.need_own(URI, ["other"], now_ns=NOW_NS) == (pair,)
    certificate = pair.certificate
    assert certificate.application_uris == (URI,)
    assert certificate.host_names == ("gateway-1", "192.0.2.7")
    assert 729 < certificate.days_left(NOW_NS) <= 730
    assert certificate.rsa_bits == 2048
    key = folder.path / "own" / f"{certificate.thumbprint}.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_another_application_has_a_pair_of_its_own(folder: PkiFolder) -> None:
    (ours,) = folder.need_own(URI, ["x"], now_ns=NOW_NS)
    (theirs,) = folder.need_own("urn:other", ["x"], now_ns=NOW_NS)
    assert ours != theirs
    assert len(folder.own_pairs(URI)) == 1


def test_a_new_pair_is_made_in_good_time_and_the_old_one_stays(
    folder: PkiFolder,
) -> None:
    old = folder.renew_own(URI, ["x"], now_ns=NOW_NS, days=RENEW_BEFORE_DAYS + 1)
    assert folder.need_own(URI, ["x"], now_ns=NOW_NS) == (old,)
    later = NOW_NS + 2 * NS_PER_DAY
    new, before = folder.need_own(URI, ["x"], now_ns=later)
    assert before == old != new
    much_later = NOW_NS + 100 * NS_PER_DAY
    assert folder.need_own(URI, ["x"], now_ns=much_later) == (new,)


def test_what_has_ended_is_cleared_away_with_its_key(folder: PkiFolder) -> None:
    old = folder.renew_own(URI, ["x"], now_ns=NOW_NS, days=1)
    folder.renew_own(URI, ["x"], now_ns=NOW_NS + 2 * NS_PER_DAY)
    names = {path.stem for path in (folder.path / "own").glob("*.*")}
    assert old.certificate.thumbprint not in names
    assert len(list((folder.path / "own").glob("*.pem"))) == 1


def test_generations_that_are_valid_at_once_are_bounded(folder: PkiFolder) -> None:
    for _ in range(MOST_OWN):
        newest = folder.renew_own(URI, ["x"], now_ns=NOW_NS)
    assert folder.own_pairs(URI)[0] == newest
    with pytest.raises(CertificateError, match=newest.certificate.thumbprint):
        folder.renew_own(URI, ["x"], now_ns=NOW_NS)


def test_a_certificate_without_its_key_is_not_ours(
    folder: PkiFolder, caplog: pytest.LogCaptureFixture
) -> None:
    pair = folder.renew_own(URI, ["x"], now_ns=NOW_NS)
    key = folder.path / "own" / f"{pair.certificate.thumbprint}.pem"
    key.write_bytes(make_pair(URI, ["x"], now_ns=NOW_NS).key_pem)
    assert folder.own_pairs(URI) == ()
    assert "does not belong" in caplog.text
    key.unlink()
    assert folder.own_pairs(URI) == ()


def test_with_a_clock_that_is_not_set_no_certificate_is_made(
    folder: PkiFolder,
) -> None:
    with pytest.raises(CertificateError, match="the clock says"):
        folder.need_own(URI, ["x"], now_ns=0)
    assert folder.kept("own") == ()


def test_a_key_is_read_in_either_form_and_nothing_else_is() -> None:
    pair = make_pair(URI, [], now_ns=NOW_NS)
    assert pair_of(pair.certificate, load_key(pair.key_pem)) == pair
    with pytest.raises(CertificateError, match="not an unencrypted private key"):
        load_key(b"nonsense")
    with pytest.raises(CertificateError, match="not an unencrypted private key"):
        load_key(b"-----BEGIN PRIVATE KEY-----")


def test_a_key_that_is_not_rsa_is_refused(tmp_path: Path) -> None:
    _, key = make(elliptic=True).write(tmp_path, "elliptic")
    with pytest.raises(CertificateError, match="not RSA"):
        load_key(key.read_bytes())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_belongs_to_the_process_whose_folder_it_is(
    folder: PkiFolder, tmp_path: Path
) -> None:
    os.chown(tmp_path, 4711, 4712)
    pair = folder.renew_own(URI, ["x"], now_ns=NOW_NS)
    key = folder.path / "own" / f"{pair.certificate.thumbprint}.pem"
    for path in (folder.path, key.parent, key, key.with_suffix(".der")):
        assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)


# ------------------------------------------------------------------ the place


def test_the_folder_lies_below_the_state_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WHEELTAPPER_STATE_DIR", "/elsewhere")
    use_state_dir(tmp_path)
    assert state_dir() == tmp_path
    assert default_pki() == tmp_path / "pki"
    monkeypatch.delenv("WHEELTAPPER_STATE_DIR")
    assert str(default_pki()) == "/var/lib/wheeltapper/pki"
