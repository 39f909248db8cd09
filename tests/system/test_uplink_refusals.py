"""What the uplink does not take, and what does not take it: words, never harm."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import paho.mqtt.publish
import pytest

from appliance.wire.outbox import Stream, encode_payload, encode_row
from tests.support.authority import Authority
from tests.support.cloud import (
    KINDS,
    SITE,
    broker_at,
    ingest_from,
    mosquitto_with,
    needs_mosquitto,
    program,
    report,
    syncing,
)
from tests.support.outbox_hub import Hub, event, one_of_each
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
NOT_YET = ("not", "not yet connected")


@pytest.mark.parametrize("kind", KINDS)
async def test_garbage_on_the_topics_is_counted_and_harms_nothing(
    tmp_path: Path, kind: str
) -> None:
    hub = Hub(tmp_path)
    port, lake = free_port(), tmp_path / "lake"
    with broker_at(port, kind, tmp_path) as broker, ingest_from(port, lake) as ingest:
        await broker.start()
        await ingest.start()
        good = [encode_row(event(1))]
        wrong_leaf = encode_payload(
            epoch="e", stream=Stream.GAP, first_seq=1, rows=good
        )
        too_far = encode_payload(
            epoch="e", stream=Stream.EVENT, first_seq=2**63, rows=good
        )
        nested = b"\x91" * 100_000
        garbage = [b"", b"\x00" * 50, wrong_leaf, too_far, nested]
        await asyncio.to_thread(
            paho.mqtt.publish.multiple,
            [
                (f"wheeltapper/v1/{site}/gw-1/event", content, 1, False)
                for content in garbage
                for site in (SITE.id, "..", "*", "x" * 300)
            ],
            hostname="127.0.0.1",
            port=port,
        )
        hub.put(Stream.EVENT, event(1))
        async with hub.serving(), syncing(tmp_path, port):
            await hub.until_empty()
        assert ingest.end(signal.SIGTERM) == 0
    assert report(lake).rows == 1


@needs_mosquitto
async def test_rows_that_the_broker_refuses_stay_in_the_outbox(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text(
        "topic readwrite wheeltapper/v1/+/+/ack\n"
        "topic write wheeltapper/v1/+/+/health\n"
    )
    hub = Hub(tmp_path)
    one_of_each(hub, 1)
    lines = ("allow_anonymous true", f"acl_file {acl}")
    async with (
        mosquitto_with(tmp_path, *lines) as port,
        hub.serving(),
        syncing(tmp_path, port),
    ):
        await hub.until(
            lambda: hub.status.get("counters", {}).get("payloads_refused", 0) >= 4
        )
    assert hub.status["counters"]["payloads_accepted"] <= 1
    assert hub.pending == 5


@needs_mosquitto
async def test_a_plain_brokers_word_counts_only_where_somebody_listens(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path)
    hub.put(Stream.EVENT, event(1))
    async with (
        mosquitto_with(tmp_path, "allow_anonymous true") as port,
        hub.serving(),
        syncing(tmp_path, port, acknowledged_by="broker"),
    ):
        await hub.until(
            lambda: hub.status.get("counters", {}).get("payloads_refused", 0) >= 1
        )
        assert hub.pending == 1
        with ingest_from(port, tmp_path / "lake") as ingest:
            await ingest.start()
            await hub.until_empty()


@needs_mosquitto
async def test_mutual_tls_works_and_a_stranger_is_told_apart(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    one_of_each(hub, 1)
    authority = Authority(tmp_path)
    server, edge = authority.issue("server"), authority.issue("edge")
    known: dict[str, object] = {"tls": True, "ca_file": str(authority.file)}
    keys = {"certificate_file": f"{edge}.pem", "key_file": f"{edge}.key"}
    lines = (
        f"cafile {authority.file}",
        f"certfile {server}.pem",
        f"keyfile {server}.key",
        "require_certificate true",
        "allow_anonymous true",
    )
    async with mosquitto_with(tmp_path, *lines) as port, hub.serving():
        async with syncing(tmp_path, port, **known):
            await hub.until(lambda: hub.status.get("uplink", "not") not in NOT_YET)
            assert hub.status["counters"]["connections"] == 0
        with program(
            "ingest", "--broker", f"127.0.0.1:{port}", "--lake",
            str(tmp_path / "lake"), "--tls", "--ca", str(authority.file),
            "--certificate", f"{edge}.pem", "--key", f"{edge}.key",
        ) as ingest:  # fmt: skip
            await ingest.start()
            async with syncing(tmp_path, port, **known, **keys):
                await hub.until_empty()
    assert report(tmp_path / "lake").rows == 5


async def test_a_missing_key_file_is_said_and_stops_nothing(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    async with (
        hub.serving(),
        syncing(tmp_path, 1, tls=True, ca_file=str(tmp_path / "absent.crt")),
    ):
        await hub.until(lambda: "cannot be used" in hub.status.get("uplink", ""))
