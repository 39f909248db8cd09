"""What every road to a person needs: secrets, trust, and a way to end it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from threading import Lock

from appliance.runtime.credentials import credential_path


class DeliveryError(Exception):
    """Nobody got it; the text says why, in one line."""


class Carrying:
    """The socket of a conversation on a thread, for whoever must end it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._aborted = False

    def take(self, lent: socket.socket) -> socket.socket:
        """Keep a socket, and return it.

        Raises:
            ConnectionAbortedError: It was ended before it began.
        """
        with self._lock:
            if self._aborted:
                lent.close()
                raise ConnectionAbortedError("given up")
            self._socket = lent
        return lent

    def abort(self) -> None:
        """End the conversation: whoever waits on the socket returns."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Not the TLS way: that would wait for the other side.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def secret(file: str) -> str:
    """Return the first line of a file or systemd credential.

    Raises:
        DeliveryError: It cannot be read, or is empty.
    """
    try:
        lines = credential_path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError(f"the secret cannot be read: {error}") from error
    if not lines or not lines[0].strip():
        raise DeliveryError(f"the secret {file!r} is empty")
    return lines[0].strip()


def tls_trusting(ca_file: str | None) -> ssl.SSLContext:
    """Return a context that trusts `ca_file` alone, or the system's list.

    Raises:
        DeliveryError: The file cannot be used.
    """
    place = None if ca_file is None else credential_path(ca_file)
    try:
        context = ssl.create_default_context(cafile=place)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError(f"ca_file cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
