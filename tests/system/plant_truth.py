"""What the simulated plant shows now, by its own words: read without our code."""

from __future__ import annotations

import asyncio
import json
import sys

from asyncua import Client, ua

from sim_plant.tags import HOURS_RUN, RUNNING, SCAN_COUNT, TRANSMITTERS

URI = "urn:wheeltapper:sim-plant"


async def truth(url: str) -> dict[str, float]:
    """Return every scalar of the plant, by the plant's own name."""
    names = [*(each.tag for each in TRANSMITTERS), HOURS_RUN, SCAN_COUNT, RUNNING]
    async with Client(url) as client:
        index = await client.get_namespace_index(URI)
        nodes = [
            client.get_node(ua.NodeId.from_string(f"ns={index};s={name}"))
            for name in names
        ]
        values = await client.read_values(nodes)
    return dict(zip(names, map(float, values), strict=True))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(truth(sys.argv[1]))))
