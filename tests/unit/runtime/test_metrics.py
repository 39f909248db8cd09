"""Metrics are what Prometheus reads, and nothing else is answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from appliance.runtime.metrics import page, serve_metrics
from appliance.runtime.tasks import alongside

if TYPE_CHECKING:
    from pathlib import Path


def figures() -> dict[str, float]:
    return {"samples_read": 7, "source skid-1 up": 1.0}


def test_figures_become_gauges_with_legal_names() -> None:
    lines = page(figures).decode().splitlines()
    assert "wheeltapper_samples_read 7.0" in lines
    assert "wheeltapper_source_skid_1_up 1.0" in lines


async def ask(path: Path, request: bytes) -> bytes:
    async with asyncio.timeout(60):
        while not path.exists():
            await asyncio.sleep(0)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /metrics HTTP/1.1", b"200 OK"),
        (b"GET / HTTP/1.1", b"404"),
        (b"POST /metrics HTTP/1.1", b"404"),
    ],
)
async def test_only_get_metrics_is_answered(
    tmp_path: Path, request_line: bytes, status: bytes
) -> None:
    path = tmp_path / "m"
    async with alongside(serve_metrics(f"unix:{path}", figures), name="test.metrics"):
        answer = await ask(path, request_line + b"\r\nHost: x\r\n\r\n")
        assert status in answer.splitlines()[0]
        assert path.stat().st_mode & 0o777 == 0o660
    assert not path.exists()


async def test_a_loopback_port_serves_too(unused_tcp_port: int) -> None:
    listen = f"127.0.0.1:{unused_tcp_port}"
    async with alongside(serve_metrics(listen, figures), name="test.metrics"):
        async with asyncio.timeout(60):
            while True:
                try:
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", unused_tcp_port
                    )
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0)
            writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert b"wheeltapper_samples_read 7.0" in await reader.read()
            writer.close()
            await writer.wait_closed()
