from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from appliance.runtime.notify import notify

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MORE_THAN_WAIT_IN_A_SOCKET = 5000


def test_a_systemd_that_does_not_read_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "n")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        heard = [notify("WATCHDOG=1") for _ in range(MORE_THAN_WAIT_IN_A_SOCKET)]
        assert heard[0]
        assert not heard[-1]
