"""The server of npm's node-opcua, where it is installed: interoperability and load.

`npm install node-opcua` in any folder outside this checkout; name the folder in
WHEELTAPPER_NODE_OPCUA, or let it be `~/.cache/wheeltapper/node-opcua`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VARIABLE = "WHEELTAPPER_NODE_OPCUA"
_CACHE = Path.home() / ".cache" / "wheeltapper" / "node-opcua"
_PROGRAM = Path(__file__).with_name("node_server.js")
_READY_WITHIN_S = 60.0  # its first start makes its keys


class NotInstalledError(Exception):
    """Node or the package is not here; the text says which, and what would help."""


@dataclass(frozen=True)
class NodeServer:
    """Where it listens, the namespace of its nodes, and its certificate (PEM)."""

    url: str
    uri: str
    certificate: Path


def modules() -> Path:
    """Return the folder of node's modules that has node-opcua.

    Raises:
        NotInstalledError: There is none.
    """
    if shutil.which("node") is None:
        raise NotInstalledError("node is not installed")
    folder = Path(os.environ.get(VARIABLE, _CACHE)) / "node_modules"
    if not (folder / "node-opcua").is_dir():
        raise NotInstalledError(
            f"no node-opcua in {folder.parent}: run `npm install node-opcua` in a "
            f"folder outside this checkout and name it in {VARIABLE}"
        )
    return folder


@asynccontextmanager
async def node_server(
    pki: Path, *, tags: int = 0, period_s: float = 0.1
) -> AsyncIterator[NodeServer]:
    """Run the server; its keys and what it trusts are made below `pki`.

    Raises:
        NotInstalledError: It is not there to run.
        TimeoutError: It did not come up.
    """
    given = {"tags": tags, "period_ms": period_s * 1000, "pki": str(pki)}
    process = await asyncio.create_subprocess_exec(
        *("node", str(_PROGRAM), json.dumps(given)),
        env=os.environ | {"NODE_PATH": str(modules())},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            ready = await _ready(process)
        yield NodeServer(ready["url"], ready["uri"], Path(ready["certificate"]))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _ready(process: asyncio.subprocess.Process) -> dict[str, str]:
    """Return what it says of itself; it says other things before."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        if line.startswith(b"{"):
            ready: dict[str, str] = json.loads(line)
            return ready
    raise NotInstalledError("node-opcua ended before it listened")
