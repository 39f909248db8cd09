"""The disk takes nothing more, for real: the hub goes on, and recovers by itself.

Any user can give a running process a limit of file sizes (`prlimit`); root can give
the hub a small disk of its own, in a private mount namespace, and fill it, or let it
have an error, upon which the kernel makes it read-only under the open files.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.storage.quarantine import wrecks
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

pytestmark = pytest.mark.system

WITHIN_S = 60.0
NAMES = ("skid-opcua", "skid-modbus")
ALARM = "source buffer:disk"
DISK_BYTES = 16 * 2**20
CARD_BYTES = 32 * 2**20
LOOP = "losetup -nO NAME -j"
"""Names the device behind which a file lies."""
GAPS = """
import sys
from pathlib import Path
from appliance.storage.reader import open_reader
with open_reader(Path(sys.argv[1])) as reader:
    print([gap.reason for gap in reader.gaps() if gap.what == "acquisition"])
"""


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WITHIN_S):
                await process.wait()
        await process.communicate()


def hub_words(config: Path, state: Path) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "appliance", "hub", "-c", str(config)),
        *("--state-dir", str(state), "--run-dir", str(config.parent)),
    )


async def ask(folder: Path, op: str) -> Any:  # noqa: ANN401 - msgpack
    async with connect(folder / "hub.sock", process="test") as link:
        return await link.request(op)


async def until(
    folder: Path, well: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                status: Mapping[str, Any] = await ask(folder, "status")
                if well(status):
                    return status
            except (LinkLostError, LinkRefusedError):
                pass
            await asyncio.sleep(0.1)


async def until_it_says_so(folder: Path) -> None:
    """Wait for the alarm: shown although nothing can be recorded."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            if any(row["id"] == ALARM for row in await ask(folder, "alarms.list")):
                return
            await asyncio.sleep(0.1)


def refused(status: Mapping[str, Any]) -> bool:
    waiting = status["counters"]["samples_in_flight"]
    return not status["storage"]["healthy"] and waiting > 100


def well_again(status: Mapping[str, Any]) -> bool:
    return bool(status["storage"]["healthy"])


def conserved(status: Mapping[str, Any]) -> bool:
    counters = status["counters"]
    kept = ("samples_stored", "samples_rejected", "samples_in_flight")
    return bool(counters["samples_read"] == sum(counters[each] for each in kept))


async def test_a_file_that_may_not_grow_stops_nothing(
    tmp_path: Path, skid_config: Path
) -> None:
    async with program(*hub_words(skid_config, tmp_path)) as hub:
        await until(
            tmp_path, lambda s: all(s["sources"][n] == "connected" for n in NAMES)
        )
        before = await until(tmp_path, lambda s: s["counters"]["samples_stored"] > 200)
        _, hard = resource.prlimit(hub.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (4096, hard))
        status = await until(tmp_path, refused)
        assert conserved(status)
        await until_it_says_so(tmp_path)
        resource.prlimit(hub.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await until(tmp_path, well_again)
        least = before["counters"]["samples_stored"]
        status = await until(
            tmp_path, lambda s: s["counters"]["samples_stored"] > least
        )
        there = status["counters"]["samples_stored"]
        await until(tmp_path, lambda s: s["counters"]["samples_stored"] > there)
        hub.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            assert await hub.wait() == 0
    assert verify(tmp_path / "buffer.db") == ()
    assert wrecks(tmp_path / "buffer.db") == [], "a full disk is no damage"
    with open_reader(tmp_path / "buffer.db") as reader:
        assert [gap for gap in reader.gaps() if gap.reason.startswith("the disk")] == []
        names = [
            event.name for event in reader.events() if event.details.get("id") == ALARM
        ]
    assert names, "the alarm is on record, now that there is room"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")
async def test_a_disk_that_is_full_stops_nothing(
    tmp_path: Path, skid_config: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"'
    words = ("unshare", "-m", "sh", "-c", script, "sh", str(DISK_BYTES), str(disk))
    async with program(*words, *hub_words(skid_config, disk)) as hub:
        await until(
            tmp_path, lambda s: all(s["sources"][n] == "connected" for n in NAMES)
        )
        await until(tmp_path, lambda s: s["counters"]["samples_stored"] > 200)
        inside = Path(f"/proc/{hub.pid}/root{disk}")
        await asyncio.to_thread(_fill, inside / "filler")
        status = await until(tmp_path, refused)
        assert conserved(status)
        await until_it_says_so(tmp_path)
        (inside / "filler").unlink()
        status = await until(tmp_path, well_again)
        there = status["counters"]["samples_stored"]
        await until(tmp_path, lambda s: s["counters"]["samples_stored"] > there)
        assert wrecks(inside / "buffer.db") == []
        look = ("nsenter", "-t", str(hub.pid), "-m", sys.executable, "-m", "appliance")
        async with program(*look, "buffer", "verify", "--state-dir", str(disk)) as said:
            async with asyncio.timeout(WITHIN_S):
                assert await said.wait() == 0, "whole"
        hub.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            assert await hub.wait() == 0


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A memory card, as a file, that becomes read-only at its first error."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    for tool in ("unshare", "mke2fs", "losetup"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    image = tmp_path / "card.img"
    with image.open("wb") as file:
        file.truncate(CARD_BYTES)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", image], check=True)
    (tmp_path / "disk").mkdir()
    look = f'test -w "/sys/fs/ext4/$(basename "$({LOOP} {image})")/trigger_fs_error"'
    words = (*mounted(image), "sh", "-c", look)
    tried = subprocess.run(words, check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no ext4 on a loop device here: {tried.stderr.strip()}")
    return image


def mounted(image: Path) -> tuple[str, ...]:
    """Return what runs a program with the card in `disk`, until it ends."""
    script = 'mount -o loop,errors=remount-ro "$1" "$2" && shift 2 && exec "$@"'
    disk = image.with_name("disk")
    return ("unshare", "-m", "sh", "-c", script, "sh", str(image), str(disk))


def fail(image: Path) -> None:
    """Let the kernel find an error on the card."""
    words = (*LOOP.split(), str(image))
    said = subprocess.run(words, check=True, capture_output=True, text=True)
    device = Path(said.stdout.strip()).name
    Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1", encoding="ascii")


@pytest.mark.alone
async def test_a_card_that_becomes_read_only_stops_nothing_and_keeps_what_it_had(
    tmp_path: Path, skid_config: Path, card: Path
) -> None:
    words = (*mounted(card), *hub_words(skid_config, tmp_path / "disk"))
    async with program(*words) as hub:
        before = await until(tmp_path, lambda s: s["counters"]["samples_stored"] > 200)
        await asyncio.to_thread(fail, card)
        status = await until(tmp_path, refused)
        assert conserved(status)
        await until_it_says_so(tmp_path)
        assert all(status["sources"][name] == "connected" for name in NAMES)
        hub.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WITHIN_S):
            assert await hub.wait() == 0
    async with program(*words) as hub:  # as after a reboot, which the card survives
        there = before["counters"]["samples_stored"]
        status = await until(
            tmp_path, lambda s: s["counters"]["samples_stored"] > there + 200
        )
        assert well_again(status)
        assert conserved(status)
        inside = Path(f"/proc/{hub.pid}/root{tmp_path / 'disk'}")
        assert wrecks(inside / "buffer.db") == []
        inside_of = ("nsenter", "-t", str(hub.pid), "-m", sys.executable)
        verifying = ("buffer", "verify", "--state-dir", str(tmp_path / "disk"))
        async with program(*inside_of, "-m", "appliance", *verifying) as said:
            async with asyncio.timeout(WITHIN_S):
                assert await said.wait() == 0, "whole"
        buffer = str(tmp_path / "disk" / "buffer.db")
        async with program(*inside_of, "-c", GAPS, buffer) as said:
            assert said.stdout is not None
            async with asyncio.timeout(WITHIN_S):
                gaps = (await said.stdout.read()).decode()
        assert "was not shut down" in gaps, "what the card did not take is declared"


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            while True:
                try:
                    if not file.write(bytes(size)):
                        break
                except OSError:
                    break
