"""Child programs are restarted, held down, and end with their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from appliance.commands import children
from appliance.commands.children import Child, ChildFailedError, python
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import alongside

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system

READY = 'print(\'{"ready": true, "n": 7}\', flush=True); import time; time.sleep(60)'


def child(tmp_path: Path, code: str, *, ready: bool = True) -> Child:
    command = python("-c", code)
    return Child("x", command, log_dir=tmp_path, clock=SystemClock(), ready=ready)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_child_says_how_to_reach_it_and_ends_with_us(tmp_path: Path) -> None:
    program = child(tmp_path, READY)
    async with alongside(program.run(), name="test.child"):
        assert (await program.wait_up())["n"] == 7
        pid = program.pid
        assert alive(pid)
    assert not alive(pid)


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    program = child(tmp_path, READY)
    async with alongside(program.run(), name="test.child"):
        await program.wait_up()
        first = program.pid
        program.signal(signal.SIGKILL)
        async with asyncio.timeout(60):
            while program.pid in {0, first} or not program.starts > 1:
                await asyncio.sleep(0.01)
            await program.wait_up()
        assert program.pid != first


async def test_a_child_is_kept_down_as_long_as_asked(tmp_path: Path) -> None:
    program = child(tmp_path, READY)
    async with alongside(program.run(), name="test.child"):
        await program.wait_up()
        async with asyncio.TaskGroup() as group:
            group.create_task(program.keep_down(1.0), name="test.down")
            async with asyncio.timeout(60):
                while program.pid:
                    await asyncio.sleep(0.01)
        assert program.starts == 1
        async with asyncio.timeout(60):
            while program.starts < 2:
                await asyncio.sleep(0.01)


async def test_a_child_that_never_comes_up_is_named_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "READY_WITHIN_S", 0.5)
    program = child(tmp_path, "import sys; sys.exit('no port')")
    async with alongside(program.run(), name="test.child"):
        with pytest.raises(ChildFailedError, match=r"x\.log"):
            await program.wait_up()
        async with asyncio.timeout(60):
            while "no port" not in (tmp_path / "x.log").read_text():
                await asyncio.sleep(0.01)


async def test_a_child_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "STOP_WITHIN_S", 0.3)
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
    program = child(tmp_path, code)
    async with alongside(program.run(), name="test.child"):
        await program.wait_up()
        pid = program.pid
    assert not alive(pid)


async def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib\n"
        "from appliance.commands.children import Child, python\n"
        "from appliance.runtime.clock import SystemClock\n"
        "async def main():\n"
        "    child = Child('x', python('-c', 'import time; time.sleep(60)'),\n"
        f"        log_dir=pathlib.Path({str(tmp_path)!r}), clock=SystemClock())\n"
        "    async with asyncio.TaskGroup() as group:\n"
        "        group.create_task(child.run())\n"
        "        await child.wait_up()\n"
        "        print(child.pid, flush=True)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(60):
        while alive(pid):
            await asyncio.sleep(0.01)
