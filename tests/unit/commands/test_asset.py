"""`wheeltapper asset`, against a real link."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.cli import main
from appliance.link.roles import Role
from appliance.link.server import LinkServer, RefusedError
from appliance.runtime.tasks import alongside

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from appliance.link.server import Peer

DONE = {"seq": 7, "at_ns": 2_000_000_000, "since_ns": 1_000_000_000}


@asynccontextmanager
async def hub(folder: Path, answer: Any) -> AsyncIterator[list[Mapping[str, Any]]]:  # noqa: ANN401 - msgpack
    """Serve a hub that gives one answer to all; yield what it was asked."""
    asked: list[Mapping[str, Any]] = []

    async def reply(args: Mapping[str, Any], _peer: Peer) -> Any:  # noqa: ANN401 - msgpack
        asked.append(args)
        if isinstance(answer, Exception):
            raise answer
        return answer

    server = LinkServer(
        folder / "hub.sock", process="hub", role_of=lambda _u, _g: Role.MAINTAINER
    )
    server.operation("asset.maintained", reply)
    server.operation("asset.upkeep", reply)
    async with alongside(server.serve(), name="test.hub"):
        await server.wait_ready()
        yield asked


async def asset(folder: Path, *words: str) -> int:
    return await asyncio.to_thread(main, ["asset", *words, "--run-dir", str(folder)])


async def test_maintenance_is_told_to_the_hub(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hub(tmp_path, DONE) as asked:
        words = ("maintained", "P-101", "--what", "bearing replaced")
        assert await asset(tmp_path, *words) == 0
        assert await asset(tmp_path, *words, "--at", "1970-01-01T00:00:02Z") == 0
    assert asked == [
        {"asset": "P-101", "what": "bearing replaced"},
        {"asset": "P-101", "what": "bearing replaced", "at_ns": 2_000_000_000},
    ]
    out = capsys.readouterr().out
    assert "on record as event 7" in out
    assert "the anomaly since 1970-01-01T00:00:01+00:00 is closed" in out
    assert "wheeltapper learn P-101" in out


async def test_a_refusal_is_a_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hub(tmp_path, RefusedError("there is no asset 'X'")):
        assert await asset(tmp_path, "maintained", "X", "--what", "x") == 1
    assert "there is no asset 'X'" in capsys.readouterr().err


async def test_without_a_hub_it_says_so(tmp_path: Path) -> None:
    assert await asset(tmp_path, "upkeep") == 69


@pytest.mark.parametrize("json_too", [False, True])
async def test_what_is_on_record_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, json_too: bool
) -> None:
    found = {"P-101": {"at_ns": 0, "what": "seal", "since_ns": None}}
    async with hub(tmp_path, found):
        assert await asset(tmp_path, "upkeep", *(["--json"] if json_too else [])) == 0
    out = capsys.readouterr().out
    if json_too:
        assert json.loads(out) == found
    else:
        assert "P-101  1970-01-01T00:00:00+00:00  seal" in out


async def test_without_any_it_says_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hub(tmp_path, {}):
        assert await asset(tmp_path, "upkeep") == 0
    assert "no maintenance is on record" in capsys.readouterr().out
