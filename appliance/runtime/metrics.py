"""Prometheus metrics on a Unix socket or a loopback port; off unless asked for."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.core import CollectorRegistry, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from appliance.runtime.listening import stop_listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PREFIX = "wheeltapper_"
UNIX = "unix:"
ANSWER_WITHIN_S = 5.0
_REQUEST_MAX_BYTES = 8192
_UNFIT = re.compile(r"[^a-zA-Z0-9_]")


class _Figures(Collector):
    """Hands figures to prometheus_client, one gauge each."""

    def __init__(self, figures: Callable[[], Mapping[str, float]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, value in sorted(self._figures().items()):
            metric = PREFIX + _UNFIT.sub("_", name)
            yield GaugeMetricFamily(metric, name.replace("_", " "), value)


def page(figures: Callable[[], Mapping[str, float]]) -> bytes:
    """Return the figures in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Figures(figures))
    return generate_latest(registry)


async def serve_metrics(
    listen: str, figures: Callable[[], Mapping[str, float]]
) -> None:
    """Answer `GET /metrics` until cancelled.

    `listen` is `unix:/path` (mode 0660) or `127.0.0.1:port`, as checked by the
    configuration.

    Raises:
        OSError: The place is taken.
    """

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(
            ConnectionError, TimeoutError, asyncio.IncompleteReadError
        ):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(request, figures))
                await writer.drain()
        writer.close()

    if not listen.startswith(UNIX):
        host, _, port = listen.rpartition(":")
        server = await asyncio.start_server(
            answer, host, int(port), limit=_REQUEST_MAX_BYTES
        )
        await _until_cancelled(server)
        return
    path = Path(listen.removeprefix(UNIX))
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, path, limit=_REQUEST_MAX_BYTES)
    path.chmod(0o660)
    try:
        await _until_cancelled(server)
    finally:
        path.unlink(missing_ok=True)


async def _until_cancelled(server: asyncio.Server) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await stop_listening(server)


def _response(request: bytes, figures: Callable[[], Mapping[str, float]]) -> bytes:
    if not request.startswith((b"GET /metrics ", b"GET /metrics?")):
        return (
            b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
    body = page(figures)
    head = (
        "HTTP/1.1 200 OK\r\nConnection: close\r\n"
        f"Content-Type: {CONTENT_TYPE_LATEST}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
