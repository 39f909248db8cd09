"""What of the uplink asks for a person: certificates that end, refusals, TLS."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from appliance.config import UplinkSettings
from appliance.sync.client import Address
from appliance.sync.diagnosis import Diagnosis
from appliance.sync.dialling import explained
from appliance.sync.errors import UplinkLostError, UplinkRefusedError
from appliance.sync.tls import words_of_tls

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
NOW_NS = int(NOW.timestamp()) * 10**9


def certificate(days: int) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gw-1")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - dt.timedelta(days=400))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def settings_with(folder: Path, **days: int) -> UplinkSettings:
    files = {}
    for name, left in days.items():
        (folder / name).write_bytes(certificate(left).public_bytes(Encoding.PEM))
        files[name] = str(folder / name)
    return UplinkSettings.model_validate({"host": "b", **files})


def test_a_certificate_that_ends_within_a_month_is_told(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, certificate_file=29, ca_file=31)
    (found,) = Diagnosis(settings).standing(NOW_NS)
    assert (found.key, found.priority) == ("certificate", "medium")
    assert "in 29 days" in found.message
    assert "certificate_file" in found.remedy


def test_in_the_last_week_and_after_it_is_urgent(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, certificate_file=5, ca_file=-1)
    found = Diagnosis(settings).standing(NOW_NS)
    assert [(each.key, each.priority) for each in found] == [
        ("certificate", "high"),
        ("authority", "high"),
    ]


def test_the_brokers_own_certificate_is_judged_as_it_was_shown() -> None:
    diagnosis = Diagnosis(UplinkSettings(host="b"))
    diagnosis.connected(certificate(10).public_bytes(Encoding.DER))
    (found,) = diagnosis.standing(NOW_NS)
    assert found.key == "broker certificate"
    diagnosis.connected(b"not a certificate")
    assert diagnosis.standing(NOW_NS) == (found,)


def test_a_refusal_stands_until_the_broker_takes_us(tmp_path: Path) -> None:
    diagnosis = Diagnosis(settings_with(tmp_path, certificate_file=100))
    diagnosis.lost(UplinkLostError("away"))
    assert diagnosis.standing(NOW_NS) == ()
    diagnosis.lost(UplinkRefusedError("it refuses us: Banned; have it lifted"))
    (found,) = diagnosis.standing(NOW_NS)
    assert (found.key, found.priority, found.message, found.remedy) == (
        "refused", "high", "it refuses us: Banned", "have it lifted",
    )  # fmt: skip
    diagnosis.connected(None)
    assert diagnosis.standing(NOW_NS) == ()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_that_cannot_be_read_is_the_refusals_business(
    tmp_path: Path, content: bytes | None
) -> None:
    place = tmp_path / "certificate"
    if content is not None:
        place.write_bytes(content)
    settings = UplinkSettings(host="b", certificate_file=str(place))
    assert Diagnosis(settings).standing(NOW_NS) == ()


def test_without_tls_no_certificate_matters(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, certificate_file=1)
    plain = settings.model_copy(update={"tls": False})
    assert Diagnosis(plain).standing(NOW_NS) == ()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (9, "set this gateway's clock"),
        (10, "has expired"),
        (18, "ca_file"),
        (19, "ca_file"),
        (20, "ca_file"),
        (21, "in between"),
        (23, "revoked"),
        (62, "not for 'broker.example'"),
        (64, "not for 'broker.example'"),
        (99, "does not hold: odd"),
    ],
)
def test_what_is_wrong_with_the_brokers_certificate(code: int, words: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "odd"
    assert words in words_of_tls(error, "broker.example")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "certificate_file"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not know who signed"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "our certificate has expired"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "revoked"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "rejects our certificate"),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "rejects our certificate"),
        ("TLSV1_ALERT_ACCESS_DENIED", "rejects our certificate"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "common cipher"),
        ("WRONG_VERSION_NUMBER", "does not speak TLS"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "bring the broker up to date"),
        ("UNSUPPORTED_PROTOCOL", "bring the broker up to date"),
        ("SOMETHING_ELSE", "TLS failed"),
    ],
)
def test_what_is_wrong_between_us(reason: str, words: str) -> None:
    error = ssl.SSLError()
    error.reason = reason
    assert words in words_of_tls(error, "broker.example")


def test_a_hang_up_in_the_handshake_may_pass_by_itself() -> None:
    address = Address("b", 1, "c")
    assert type(explained(ssl.SSLEOFError("eof"), address)) is UplinkLostError
    assert type(explained(ssl.SSLError("odd"), address)) is UplinkRefusedError
    assert type(explained(OSError("away"), address)) is UplinkLostError
