from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.runtime.pki.certificate import (
    NS_PER_DAY,
    CertificateError,
    parse_certificates,
)
from appliance.runtime.pki.expiry import expiry_diagnostic
from appliance.runtime.pki.judge import Expected, Reason, Trust, refusals
from tests.unit.runtime.certificates import NOW_NS, Made, crl, make

URI = "urn:test:server"
EXPECTED = Expected(URI, host="localhost")


def reasons(
    made: Made,
    trust: Trust,
    expected: Expected = EXPECTED,
    *,
    now_ns: int = NOW_NS,
    others: tuple[Made, ...] = (),
) -> set[Reason]:
    chain = tuple(each.certificate for each in (made, *others))
    return {each.reason for each in refusals(chain, trust, expected, now_ns=now_ns)}


def trusting(*made: Made) -> Trust:
    return Trust(trusted=tuple(each.certificate for each in made))


def test_a_trusted_certificate_that_says_what_it_should_holds() -> None:
    made = make()
    assert reasons(made, trusting(made)) == set()


def test_nothing_is_trusted_of_itself() -> None:
    assert reasons(make(), Trust()) == {Reason.UNTRUSTED}


@pytest.mark.parametrize(
    ("different", "reason"),
    [
        ({"from_days": 1}, Reason.NOT_YET_VALID),
        ({"from_days": -9, "to_days": -1}, Reason.EXPIRED),
        ({"uri": "urn:other"}, Reason.WRONG_APPLICATION_URI),
        ({"hosts": ("10.0.0.7",)}, Reason.WRONG_HOST_NAME),
        ({"bits": 1024}, Reason.WEAK_KEY),
        ({"server": False}, Reason.WRONG_USAGE),
        ({"signs": False}, Reason.WRONG_USAGE),
    ],
)
def test_each_fault_is_its_own_reason(
    different: dict[str, Any], reason: Reason
) -> None:
    made = make(**different)
    assert reasons(made, trusting(made)) == {reason}


def test_a_key_of_another_kind_is_of_no_use() -> None:
    made = make(elliptic=True)
    assert reasons(made, trusting(made)) == {Reason.WEAK_KEY}


def test_a_certificate_without_extensions_is_for_nobody() -> None:
    made = make(bare=True)
    found = reasons(made, trusting(made))
    assert found == {Reason.WRONG_APPLICATION_URI, Reason.WRONG_HOST_NAME}


def test_all_that_is_wrong_is_said_at_once() -> None:
    made = make(uri="urn:other", hosts=("x",), to_days=-0.5, bits=1024)
    assert reasons(made, Trust()) == {
        Reason.UNTRUSTED,
        Reason.EXPIRED,
        Reason.WRONG_APPLICATION_URI,
        Reason.WRONG_HOST_NAME,
        Reason.WEAK_KEY,
    }


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("PLC-7.local", "plc-7.local."),
        ("::1", "[0:0::1]"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_host_has_more_than_one_spelling(name: str, host: str) -> None:
    made = make(hosts=(name,))
    assert reasons(made, trusting(made), Expected(URI, host=host)) == set()


def test_a_pinned_certificate_may_be_for_any_host_and_no_other_will_do() -> None:
    made = make(hosts=("x",))
    pinned = Expected(URI, host="localhost", pinned=made.certificate)
    assert reasons(made, Trust(), pinned) == set()
    other = make("other")
    assert reasons(other, trusting(other), pinned) == {Reason.UNTRUSTED}
    late = NOW_NS + 400 * NS_PER_DAY
    assert reasons(made, Trust(), pinned, now_ns=late) == {Reason.EXPIRED}


# ------------------------------------------------------------------ authorities


@pytest.fixture(scope="module")
def root() -> Made:
    return make("root", ca=True)


@pytest.fixture(scope="module")
def middle(root: Made) -> Made:
    return make("middle", ca=True, issuer=root)


def listed(issuer: Made, *revoked: Made, **different: Any) -> Trust:  # noqa: ANN401 - of `crl`
    return Trust(
        trusted=(issuer.certificate,), crls=(crl(issuer, *revoked, **different),)
    )


def test_what_a_trusted_authority_issued_is_trusted(root: Made) -> None:
    assert reasons(make(issuer=root), listed(root)) == set()


def test_what_it_revoked_is_not(root: Made) -> None:
    made = make(issuer=root)
    assert reasons(made, listed(root, made)) == {Reason.REVOKED}
    # Not even if the certificate itself was trusted, or lists may be missing.
    itself = Trust((made.certificate, root.certificate), crls=(crl(root, made),))
    assert reasons(made, itself) == {Reason.REVOKED}
    lenient = Expected(URI, allow_missing_crl=True)
    assert reasons(made, listed(root, made), lenient) == {Reason.REVOKED}


def test_without_a_current_list_revocation_is_not_known(root: Made) -> None:
    made = make(issuer=root)
    assert reasons(made, trusting(root)) == {Reason.REVOCATION_UNKNOWN}
    old = listed(root, next_days=-1)
    assert reasons(made, old) == {Reason.REVOCATION_UNKNOWN}
    lenient = Expected(URI, allow_missing_crl=True)
    assert reasons(made, old, lenient) == set()
    assert reasons(made, trusting(made, root)) == set()


def test_a_list_that_another_signed_counts_for_nothing(root: Made) -> None:
    made = make(issuer=root)
    liar = Made(root.certificate, make("liar", ca=True).key)
    trust = Trust(trusted=(root.certificate,), crls=(crl(liar, made),))
    assert reasons(made, trust) == {Reason.REVOCATION_UNKNOWN}


def test_a_chain_is_followed_through_issuers_that_are_not_trusted_themselves(
    root: Made, middle: Made
) -> None:
    made = make(issuer=middle)
    lists = (crl(root), crl(middle))
    known = Trust((root.certificate,), (middle.certificate,), lists)
    assert reasons(made, known) == set()
    # The server may bring the issuer along.
    brought = Trust((root.certificate,), (), lists)
    assert reasons(made, brought, others=(middle,)) == set()
    assert reasons(made, brought) == {Reason.UNTRUSTED}
    # An issuer that is trusted itself needs nobody above it.
    short = Trust((middle.certificate,), (root.certificate,), (crl(middle),))
    assert reasons(made, short) == set()


def test_an_issuer_whose_time_is_over_ends_what_it_issued() -> None:
    old = make("old", ca=True, from_days=-9, to_days=-1)
    made = make(issuer=old)
    assert reasons(made, listed(old)) == {Reason.EXPIRED}


def test_who_is_no_authority_can_issue_nothing() -> None:
    nobody = make("nobody")
    made = make(issuer=nobody)
    assert reasons(made, listed(nobody)) == {Reason.UNTRUSTED}


def test_a_name_is_not_a_signature(root: Made) -> None:
    impostor = Made(root.certificate, make("liar", ca=True).key)
    assert reasons(make(issuer=impostor), listed(root)) == {Reason.UNTRUSTED}


# ------------------------------------------------------------------ reading


def test_a_chain_of_certificates_is_read_one_by_one(root: Made) -> None:
    made = make(issuer=root)
    content = made.certificate.der + root.certificate.der
    assert parse_certificates(content) == (made.certificate, root.certificate)


def test_a_short_sequence_is_read_by_its_length() -> None:
    with pytest.raises(CertificateError, match="not a certificate"):
        parse_certificates(b"\x30\x03\x02\x01\x00")


@pytest.mark.parametrize(
    "content", [b"", b"0", b"text", b"-----BEGIN CERTIFICATE-----"]
)
def test_what_is_no_certificate_is_refused(content: bytes) -> None:
    with pytest.raises(CertificateError):
        parse_certificates(content)


def test_a_flood_of_certificates_is_refused() -> None:
    with pytest.raises(CertificateError, match="in one place"):
        parse_certificates(make().certificate.der * 11)


@given(st.binary(max_size=64), st.integers(0, 900), st.binary(max_size=8))
def test_no_bytes_whatever_raise_anything_else(
    head: bytes, cut: int, change: bytes
) -> None:
    der = make().certificate.der
    for content in (head, der[:cut], der[:cut] + change + der[cut + len(change) :]):
        try:
            parse_certificates(content)
        except CertificateError:
            continue


# ------------------------------------------------------------------ expiry


@pytest.mark.parametrize(
    ("days", "priority", "words"),
    [
        (31, None, ""),
        (30, "medium", "in 30 days"),
        (6, "high", "in 6 days"),
        (-2, "high", "ended on 2026-11-19"),
    ],
)
def test_the_end_is_told_a_month_ahead_and_urgently_in_the_last_week(
    days: float, priority: str | None, words: str
) -> None:
    made = make(from_days=-90, to_days=days)
    found = expiry_diagnostic(
        made.certificate, key="certificate", whose="our", remedy="r", now_ns=NOW_NS
    )
    assert (found and found.priority) == priority
    assert words in (found.message if found else "")
