"""Files of a tree from a folder or by HTTPS: bounded, not redirected, errors named."""

from __future__ import annotations

import io
import ssl
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING

import pytest
from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError

from appliance.updates import carrier as carrier_module
from appliance.updates.carrier import FILE_WITHIN_S, TreeCarrier, _NoRedirect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.updates.conftest import SteppedClock

URL = "https://releases.example/tree/metadata/timestamp.json"


class Wire:
    """What a socket would give: the bytes of one answer."""

    def __init__(self, content: bytes) -> None:
        self.file = io.BytesIO(content)

    def makefile(self, _: str) -> io.BytesIO:
        return self.file


def answer(content: bytes) -> HTTPResponse:
    response = HTTPResponse(Wire(content))  # type: ignore[arg-type] # only makefile is asked for
    response.begin()
    return response


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Let every HTTPS request end in this: an answer, or an error."""

    def use(result: object) -> None:
        def opened(*_: object, **__: object) -> object:
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(urllib.request.OpenerDirector, "open", opened)

    return use


def fetch(clock: SteppedClock, url: str = URL) -> bytes:
    return b"".join(TreeCarrier(clock).fetch(url))


def test_a_file_below_a_folder_is_read(clock: SteppedClock, tmp_path: Path) -> None:
    path = tmp_path / "a name with spaces & more"
    path.write_bytes(b"content")
    assert fetch(clock, path.as_uri()) == b"content"


def test_a_file_that_is_not_there_is_a_404(clock: SteppedClock, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(DownloadHTTPError) as caught:
            fetch(clock, path.as_uri())
        assert caught.value.status_code == 404


def test_a_pipe_in_the_place_of_a_file_does_not_hold_us_up(
    clock: SteppedClock,
) -> None:
    with pytest.raises(DownloadHTTPError):
        fetch(clock, "file:///dev/zero")


@pytest.mark.parametrize("url", ["http://releases.example/x", "ftp://h/x", "x"])
def test_no_other_scheme_is_carried(clock: SteppedClock, url: str) -> None:
    with pytest.raises(DownloadError, match="neither file nor https"):
        fetch(clock, url)


def test_an_answer_by_https_is_read_whole(
    clock: SteppedClock, serve: Callable[[object], None]
) -> None:
    serve(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"))
    assert fetch(clock) == b"whole"
    serve(answer(b"HTTP/1.0 200 OK\r\n\r\nuntil the end"))
    assert fetch(clock) == b"until the end"


def test_an_answer_cut_short_is_not_taken_for_tampering(
    clock: SteppedClock, serve: Callable[[object], None]
) -> None:
    serve(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nwhole"))
    with pytest.raises(DownloadError, match="cut short"):
        fetch(clock)


def test_the_server_s_no_has_its_code(
    clock: SteppedClock, serve: Callable[[object], None]
) -> None:
    serve(urllib.error.HTTPError(URL, 404, "gone", Message(), io.BytesIO()))
    with pytest.raises(DownloadHTTPError) as caught:
        fetch(clock)
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route"),
        ssl.SSLCertVerificationError("self-signed"),
        TimeoutError("silence"),
        IncompleteRead(b""),
    ],
    ids=lambda each: type(each).__name__,
)
def test_whatever_goes_wrong_on_the_way_is_a_download_error(
    clock: SteppedClock, serve: Callable[[object], None], error: Exception
) -> None:
    serve(error)
    with pytest.raises(DownloadError, match="timestamp"):
        fetch(clock)


def test_a_drip_is_given_up(
    clock: SteppedClock,
    serve: Callable[[object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(carrier_module, "_CHUNK_BYTES", 1)
    serve(answer(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(1000)))
    came: list[bytes] = []

    def receive() -> None:
        for chunk in TreeCarrier(clock).fetch(URL):
            came.append(chunk)
            clock.mono_s += FILE_WITHIN_S / 10

    with pytest.raises(SlowRetrievalError):
        receive()
    assert len(came) < 20


def test_a_redirect_is_refused() -> None:
    assert _NoRedirect().redirect_request("request", None, 302, "", {}, URL) is None
