"""What is said to a proxy, and what its answer means."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sync.errors import (
    UplinkBusyError,
    UplinkLostError,
    UplinkRefusedError,
)
from appliance.sync.proxy import Proxy, check_answer, request_of

PROXY = Proxy("proxy.example", 3128)


def test_the_request_names_the_broker() -> None:
    assert request_of(PROXY, host="broker.example", port=443) == (
        b"CONNECT broker.example:443 HTTP/1.1\r\nHost: broker.example:443\r\n\r\n"
    )
    assert b"CONNECT [::1]:443 " in request_of(PROXY, host="::1", port=443)


def test_name_and_password_go_as_basic_authentication_and_into_no_log() -> None:
    proxy = Proxy("proxy.example", 3128, "gw", "s:crét")
    head = request_of(proxy, host="b", port=1).decode()
    line = head.split("\r\n")[2]
    name, _, coded = line.rpartition(" ")
    assert name == "Proxy-Authorization: Basic"
    assert base64.b64decode(coded).decode() == "gw:s:crét"
    assert "s:crét" not in repr(proxy)


@pytest.mark.parametrize("line", [b"HTTP/1.1 200 OK", b"HTTP/1.0 200", b"HTTP/1.1 204"])
def test_what_is_granted_is_granted(line: bytes) -> None:
    check_answer(line + b"\r\n\r\n", "the proxy")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 407 Authenticate", UplinkRefusedError, "password_file"),
        (b"HTTP/1.1 403 Forbidden", UplinkRefusedError, "permit CONNECT"),
        (b"HTTP/1.1 405 What", UplinkRefusedError, "is this an HTTP proxy"),
        (b"HTTP/1.1 502 Bad Gateway", UplinkBusyError, "502 Bad Gateway"),
        (b"HTTP/1.1 503", UplinkBusyError, "503"),
        (b"HTTP/2 200 OK", UplinkRefusedError, "does not speak HTTP"),
        (b"SSH-2.0-OpenSSH", UplinkRefusedError, "does not speak HTTP"),
        (b"", UplinkRefusedError, "does not speak HTTP"),
    ],
)
def test_a_refusal_says_what_helps(
    answer: bytes, kind: type[UplinkLostError], words: str
) -> None:
    with pytest.raises(UplinkLostError, match=words) as caught:
        check_answer(answer + b"\r\n\r\n", "the proxy")
    assert type(caught.value) is kind


@given(st.binary(max_size=200))
def test_whatever_it_answers_is_understood_or_refused(answer: bytes) -> None:
    try:
        check_answer(answer, "the proxy")
    except UplinkLostError:
        return
    assert answer.startswith(b"HTTP/1.")
