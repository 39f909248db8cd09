"""Ports of loopback for servers that have to be told one."""

from __future__ import annotations

import itertools
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_000
"""Below what the kernel gives to those who call or ask for any port (from 32 768 on):
between our look and the server's own bind nobody can come by such a port by chance."""
_STEP = 37
_turns = itertools.count()


def free_port() -> int:
    """Return a port that nobody has; two processes begin to look at different places.

    Raises:
        OSError: All are taken.
    """
    begin = os.getpid() * 7919
    for turn in itertools.islice(_turns, _LAST - _FIRST):
        port = _FIRST + (begin + turn * _STEP) % (_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
    raise OSError("every port for tests is taken")


@contextmanager
def refusing_port() -> Iterator[int]:
    """Hold a port at which nobody listens, so that nobody else can begin to."""
    with socket.socket() as held:
        held.bind((LOOPBACK, 0))
        port: int = held.getsockname()[1]
        yield port
