"""Tell systemd that we live; silent where no systemd asks."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> bool:
    """Send `READY=1`, `WATCHDOG=1`, `STATUS=…`; return whether anybody listens.

    See sd_notify(3). Nothing is raised and nothing waits: a lost notification, or a
    systemd that does not read them, stops nothing.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        ) as s:
            s.setblocking(False)  # noqa: FBT003 - the socket module's own way
            s.sendto(message.encode(), address)
    except OSError:
        return False
    return True


def watchdog_period_s() -> float | None:
    """Return how often systemd wants `WATCHDOG=1` (half of its limit), or None."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    if not limit_us.isdecimal():
        return None
    pid = os.environ.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    return int(limit_us) / 2e6
