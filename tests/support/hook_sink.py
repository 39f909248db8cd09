"""A service that keeps what is posted to it: `http.server` on a thread."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@dataclass
class Post:
    """One request: its path, its headers, its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)


@dataclass
class HookSink:
    """Answers with `status` and `says`; a redirection leads to where nothing is."""

    status: int = 202
    says: str = "accepted"
    port: int = 0
    took: list[Post] = field(default_factory=list)

    @contextmanager
    def listening(self, tls: ssl.SSLContext | None = None) -> Iterator[HookSink]:
        """Serve on loopback."""
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler_of(self))
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=(0.05,), name="hook")
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler_of(sink: HookSink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            sink.took.append(Post(self.path, dict(self.headers), body))
            answer = sink.says.encode()
            self.send_response(sink.status)
            if sink.status // 100 == 3:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
            """Keep the tests' output clean."""

    return Handler
