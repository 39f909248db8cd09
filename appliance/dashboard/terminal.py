"""The terminal that counts what is sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from appliance.dashboard.budget import Budget


def metered(budget: Budget) -> type[LinuxDriver]:
    """Return a driver that charges what it writes to a budget."""

    class MeteredDriver(LinuxDriver):
        """Writes, and counts."""

        def write(self, data: str) -> None:
            """Write, and count."""
            budget.spend(len(data.encode("utf-8", "replace")))
            super().write(data)

    return MeteredDriver
