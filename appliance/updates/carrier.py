"""How files of a release tree come here: from a folder, or by HTTPS.

What is carried is not believed; `trust` does that. The carrier only bounds time.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from appliance.domain.ports import Clock

SILENCE_MAX_S = 15.0
FILE_WITHIN_S = 120.0
_CHUNK_BYTES = 65_536
_NOT_FOUND = 404


class TreeCarrier(FetcherInterface):
    """Reads `file:///…` below a folder, or `https://…`; no redirects.

    `context` verifies the server; None: the system's certificates.
    """

    def __init__(self, clock: Clock, context: ssl.SSLContext | None = None) -> None:
        self._clock = clock
        self._context = context

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Yield the file's bytes.

        Raises:
            DownloadHTTPError: It is not there (404), or the server says no.
            SlowRetrievalError: Not within `FILE_WITHIN_S`.
            DownloadError: It cannot be had.
        """
        until_s = self._clock.now_s() + FILE_WITHIN_S
        try:
            with self._open(url) as file:
                left = _announced(file)
                while chunk := file.read1(_CHUNK_BYTES):
                    left -= len(chunk)
                    yield chunk
                    if self._clock.now_s() > until_s:
                        raise SlowRetrievalError(f"{url} takes too long")
                if left > 0:
                    raise DownloadError(f"{url} was cut short")
        except urllib.error.HTTPError as error:
            error.close()
            raise DownloadHTTPError(f"{url}: {error.reason}", error.code) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise DownloadError(f"{url}: {error}") from error

    def _open(self, url: str) -> BufferedIOBase:
        parts = urlsplit(url)
        match parts.scheme:
            case "file":
                path = Path(unquote(parts.path))
                if not path.is_file():
                    raise DownloadHTTPError(f"{path} is not there", _NOT_FOUND)
                return path.open("rb")
            case "https":
                return self._open_https(url)
            case other:
                raise DownloadError(f"{other!r} is neither file nor https")

    def _open_https(self, url: str) -> BufferedIOBase:
        context = self._context or ssl.create_default_context()
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), _NoRedirect()
        )
        answer: BufferedIOBase = opener.open(url, timeout=SILENCE_MAX_S)
        return answer


def _announced(file: BufferedIOBase) -> int:
    """Return how many bytes a server has announced; 0 where nobody has."""
    if not isinstance(file, http.client.HTTPResponse):
        return 0
    length = file.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else 0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A tree is where it was said to be."""

    def redirect_request(self, *_: object) -> urllib.request.Request | None:
        """Refuse: the redirect's code becomes the error."""
        return None
