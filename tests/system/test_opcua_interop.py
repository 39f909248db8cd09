"""The OPC UA connector on a server that others wrote: node-opcua (npm).

Skipped where it is not installed; see benchmarks/support/node_opcua.py.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import pytest_asyncio

from appliance.domain.batch import Batch
from appliance.domain.ports import OutputFailedError
from appliance.domain.sample import STATUS_BAD_SENSOR_FAILURE, Quality
from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import load_connector
from benchmarks.support.node_opcua import NotInstalledError, modules, node_server
from connectors.opcua.config import OpcuaSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.support.node_opcua import NodeServer

try:
    modules()
    WHY_NOT = ""
except NotInstalledError as error:
    WHY_NOT = str(error)

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "installed"),
    pytest.mark.timeout(300),
]

OPEN = {"policy": "none", "allow_insecure": True}
WITHIN_S = 30.0


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its keys: made once, for they take seconds."""
    return tmp_path_factory.mktemp("node-pki")


@pytest_asyncio.fixture
async def server(pki: Path) -> AsyncIterator[NodeServer]:
    async with node_server(pki, tags=50) as running:
        yield running


def settings_of(server: NodeServer, *names: str, **more: Any) -> OpcuaSettings:  # noqa: ANN401 - keys of a TOML table
    def node(name: str) -> str:
        return f"nsu={server.uri};s={name}"

    given = {
        "name": "node",
        "connector": "opcua",
        "url": server.url,
        "security": OPEN,
        "publishing_interval_s": 0.1,
        "sampling_interval_s": 0,  # every change: none falls between two looks
        "tags": [
            {"id": f"N-1/{name}", "node": node(name), "waveform": name == "wave"}
            for name in names
        ],
        "points": [
            {"name": "double", "node": node("double"), "type": "Double"},
            {"name": "boolean", "node": node("boolean"), "type": "Boolean"},
            {"name": "int16", "node": node("int16"), "type": "Int16"},
        ],
    }
    return OpcuaSettings.model_validate(given | more)


async def batches_of(settings: OpcuaSettings, count: int) -> list[Batch]:
    """Return batches until so many samples have come."""
    source = load_connector("opcua").source(settings, SystemClock())
    tags = [tag for group in source.groups.values() for tag in group]
    numbers = {tag: row for row, tag in enumerate(tags)}
    taken: list[Batch] = []
    async with asyncio.timeout(WITHIN_S), source.open(numbers) as batches:
        async for batch in batches:
            if isinstance(batch, Batch):
                taken.append(batch)
            if sum(batch.sample_count for batch in taken) >= count:
                break
    return taken


async def first_rows(settings: OpcuaSettings) -> dict[int, tuple[float, int, int]]:
    """Return value, quality and status of each tag, as it came first."""
    rows: dict[int, tuple[float, int, int]] = {}
    for batch in await batches_of(settings, len(settings.tags)):
        told = zip(batch.tag, batch.value, batch.quality, batch.status, strict=True)
        for tag, value, quality, status in told:
            rows.setdefault(int(tag), (float(value), int(quality), int(status)))
    return rows


async def test_every_kind_of_number_comes_as_it_is(server: NodeServer) -> None:
    names = ("boolean", "double", "float", "int16", "broken")
    rows = await first_rows(settings_of(server, *names))
    good = Quality.GOOD
    assert rows == {
        0: (1.0, good, 0),
        1: (12.5, good, 0),
        2: (0.5, good, 0),
        3: (-7.0, good, 0),
        4: (1.5, Quality.BAD, STATUS_BAD_SENSOR_FAILURE),
    }


async def test_texts_and_long_integers_are_exact(server: NodeServer) -> None:
    batches = await batches_of(settings_of(server, "string", "uint64"), 2)
    texts = {text.tag: text.content for batch in batches for text in batch.texts}
    assert texts == {0: "Pumpe läuft", 1: 2**53 + 1}


async def test_a_burst_comes_whole_with_its_rate(server: NodeServer) -> None:
    (batch, *_) = await batches_of(settings_of(server, "wave"), 1)
    (wave,) = batch.waveforms
    assert wave.sample_rate_hz == 10_240.0
    np.testing.assert_array_equal(wave.points, np.arange(4096, dtype=np.float32) / 8)


async def test_both_times_are_exact_beside_picoseconds(server: NodeServer) -> None:
    (batch, *_) = await batches_of(settings_of(server, "exact"), 1)
    assert batch.source_time_ns.tolist() == [1_700_000_000_123_000_400]
    assert batch.server_time_ns is not None
    assert batch.server_time_ns.tolist() == [1_700_000_000_456_000_100]


async def test_nothing_of_a_count_is_lost_or_comes_twice(server: NodeServer) -> None:
    names = [f"t/{number:05}" for number in range(50)]
    batches = await batches_of(settings_of(server, *names), 50 * 20)
    tag = np.concatenate([batch.tag for batch in batches])
    value = np.concatenate([batch.value for batch in batches])
    for number in range(50):
        assert set(np.diff(value[tag == number])) == {1.0}


async def test_the_reader_reads_what_the_output_wrote(server: NodeServer) -> None:
    settings = settings_of(server, "double", "boolean", "int16")
    card, clock = load_connector("opcua"), SystemClock()
    reader, output = card.reader(settings, clock), card.output(settings, clock)
    async with asyncio.timeout(WITHIN_S), reader.open(), output.open():
        await output.write("double", 99.25, deadline_s=10.0)
        await output.write("boolean", 0, deadline_s=10.0)
        await output.write("int16", -300, deadline_s=10.0)
        with pytest.raises(OutputFailedError, match="does not fit"):
            await output.write("int16", 40_000, deadline_s=10.0)
        samples = await reader.read(deadline_s=10.0)
    assert [sample.trusted_value for sample in samples] == [99.25, 0.0, -300.0]


@pytest.mark.parametrize(
    "policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
)
async def test_signed_and_encrypted_with_a_password(
    server: NodeServer, tmp_path: Path, policy: str
) -> None:
    password = tmp_path / "password"
    password.write_text("s3cret\n", encoding="utf-8")
    security = {
        "policy": policy,
        "pki": tmp_path / "ours",
        "server_certificate": server.certificate,
        "user": "op",
        "password_file": password,
    }
    names = [f"t/{number:05}" for number in range(50)]
    settings = settings_of(server, *names, security=security)
    batches = await batches_of(settings, 50 * 10)
    value = np.concatenate([batch.value[batch.tag == 7] for batch in batches])
    assert set(np.diff(value)) == {1.0}
