"""Our own processes, each by its UNIX user: what it needs, and no role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.link import server as server_module
from appliance.link.client import LinkRefusedError, connect
from appliance.link.roles import Role
from appliance.link.server import LinkServer, Peer
from appliance.runtime.tasks import alongside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.mark.parametrize(
    ("user", "answer"),
    [("wheeltapper-sync", "done"), ("wheeltapper-hub", None), ("sync", None)],
)
async def test_an_operation_for_a_process_is_for_its_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, answer: str | None
) -> None:
    async def act(_args: Mapping[str, Any], _peer: Peer) -> str:
        return "done"

    monkeypatch.setattr(server_module, "user_name", lambda _uid: user)
    server = LinkServer(
        tmp_path / "s", process="hub", role_of=lambda _uid, _gid: Role.VIEWER
    )
    server.operation("ack", act, role=Role.OPERATOR, processes=("sync",))
    server.operation("reset", act, role=Role.OPERATOR)
    async with alongside(server.serve(), name="test.serve"):
        await server.wait_ready()
        # What a peer calls itself counts for nothing.
        async with connect(tmp_path / "s", process="sync") as link:
            if answer is None:
                with pytest.raises(LinkRefusedError, match="needs the role operator"):
                    await link.request("ack")
            else:
                assert await link.request("ack") == answer
            with pytest.raises(LinkRefusedError, match="needs the role operator"):
                await link.request("reset")
