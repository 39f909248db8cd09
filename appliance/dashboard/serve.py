"""Shows the window in a browser of this machine: read-only, on loopback alone.

The window runs without a terminal; what is on its screen goes to the page as data, line
by line. All who look see the same screen, as large as the smallest of their windows
bears. To look takes the token of the address that is printed (`entry`). Three things
stand between the page and an act: the window is read-only, its links send no request
but reads, and of the keys only those that look around are passed on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from textual.events import Resize
from textual.geometry import Size

from appliance.dashboard.actions import ACTIONS
from appliance.dashboard.entry import Entry
from appliance.dashboard.keymap import key_name
from appliance.dashboard.picture import frame_of
from appliance.dashboard.web import (
    HEAD_MAX_BYTES,
    WITHIN_S,
    Asked,
    BadRequestError,
    answer,
    check_place,
    event,
    linger,
    read_request,
    sent_on,
    stream_head,
)
from appliance.runtime.listening import stop_listening
from appliance.runtime.tasks import companions

if TYPE_CHECKING:
    from appliance.dashboard.app import Dashboard
    from appliance.domain.ports import Clock

HOST = "127.0.0.1"
SIZE, SMALLEST, LARGEST = Size(120, 40), Size(80, 24), Size(200, 60)
_SIZE = re.compile(r"(\d{1,4})x(\d{1,4})")
FRAME_EVERY_S = 0.5
ALIVE_EVERY_S = 3.0
VISITORS_MAX = 16
READ_ONLY = "read-only: use a terminal, the panel, or the hard-wired stop"
_PAGES = {
    "/": ("index.html", "text/html"),
    "/window.js": ("window.js", "text/javascript"),
    "/window.css": ("window.css", "text/css"),
}
_LOOKS = ("show(", "turn(", "open", "back", "help", "app.focus_next")
KEYS = frozenset(
    key
    for action in ACTIONS
    if action.name.startswith(_LOOKS)
    for key in action.keys.split(",")
) | {"up", "down", "pageup", "pagedown", "home", "end", "j", "k"}
"""The keys that look around, and do nothing else."""


class Mirror:
    """Serves what a window shows. `port` is known once `ready` is set.

    An empty `token` lets everybody on this machine look.
    """

    def __init__(
        self, app: Dashboard, *, port: int, clock: Clock, token: str = ""
    ) -> None:
        assert app.read_only, "what is served is read-only"
        self._app = app
        self._clock = clock
        self._visits: set[asyncio.Task[None]] = set()
        self._sizes: list[Size] = []
        self._entry = Entry(token)
        self._frame = ""
        self._new = asyncio.Event()
        self.port = port
        self.ready = asyncio.Event()

    @property
    def address(self) -> str:
        """Where it can be looked at."""
        return f"http://{HOST}:{self.port}/{self._entry.query}"

    async def run(self) -> None:
        """Serve until cancelled, or until the window ends.

        Raises:
            OSError: The port is taken.
        """
        server = await asyncio.start_server(
            self._visit, HOST, self.port, limit=HEAD_MAX_BYTES
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            async with companions() as tasks:
                tasks.start(self._look(), name="dashboard.mirror")
                self.ready.set()
                await self._app.run_async(headless=True, size=SIZE)
        finally:
            await stop_listening(server)
            for visit in tuple(self._visits):
                visit.cancel()
            await asyncio.gather(*self._visits, return_exceptions=True)
            await server.wait_closed()

    async def _look(self) -> None:
        """Look at the screen while somebody does, and tell what has changed."""
        while True:
            await self._clock.sleep(FRAME_EVERY_S)
            if not self._sizes or not self._app.is_running:
                continue
            self._fit()
            frame = json.dumps(frame_of(self._app), ensure_ascii=True)
            if frame != self._frame:
                self._frame = frame
                self._tell()

    def _fit(self) -> None:
        """Make the screen as large as the smallest window of those who look."""
        columns = min(size.width for size in self._sizes)
        size = Size(columns, min(size.height for size in self._sizes))
        if self._app.size != size:
            self._app.post_message(Resize(size, size))

    def _tell(self) -> None:
        self._new.set()
        self._new = asyncio.Event()

    async def _visit(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        try:
            # the end of the task; asyncio would log a cancellation as an error
            over = (ConnectionError, TimeoutError, asyncio.CancelledError)
            with contextlib.suppress(*over):
                await self._serve(reader, writer)
        finally:
            self._visits.discard(visit)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            if len(self._visits) > VISITORS_MAX:
                raise BadRequestError(503, "too many look already")  # noqa: TRY301 - one way to say no
            asked = await read_request(reader)
            check_place(asked, self.port)
            if cookie := self._entry.cookie_for(asked):
                writer.write(sent_on("/", cookie))
            elif (asked.method, asked.path) == ("GET", "/events"):
                await self._stream(reader, writer, size_of(asked.query.get("size", "")))
                return
            else:
                writer.write(await self._answer(asked))
        except BadRequestError as error:
            writer.write(answer(error.status, f"{error}\n".encode()))
        await linger(reader, writer)

    async def _answer(self, asked: Asked) -> bytes:
        match asked.method, asked.path:
            case "GET", path if path in _PAGES:
                name, kind = _PAGES[path]
                page = files("appliance.dashboard").joinpath("page", name)
                return answer(200, page.read_bytes(), kind)
            case "POST", "/key":
                key = key_name(asked.body.decode("utf-8", "replace"))
                if key not in KEYS:
                    raise BadRequestError(403, "this key does not look around")
                self._app.simulate_key(key)
                return answer(204)
            case "GET", _:
                raise BadRequestError(404, "there is no such page")
            case _:
                raise BadRequestError(405, "this is only to be looked at")

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: Size
    ) -> None:
        """Send what is new, always the newest: a slow page misses what lay between."""
        writer.write(stream_head())
        self._sizes.append(size)
        try:
            async with companions() as tasks:
                gone = tasks.start(reader.read(1), name="dashboard.visitor.gone")
                sending = tasks.start(self._send(writer), name="dashboard.visitor")
                await asyncio.wait((gone, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sizes.remove(size)

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        sent = ""
        while True:
            new = self._new
            if self._frame and self._frame != sent:
                sent = self._frame
                writer.write(event("frame", sent))
            else:
                writer.write(event("alive"))
            async with asyncio.timeout(WITHIN_S):
                await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_EVERY_S):
                    await new.wait()


def size_of(text: str) -> Size:
    """Return the size that a page asks for, as far as screens are made for it."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return SIZE
    return Size(
        min(max(int(found[1]), SMALLEST.width), LARGEST.width),
        min(max(int(found[2]), SMALLEST.height), LARGEST.height),
    )


async def serve(
    app: Dashboard,
    *,
    port: int,
    clock: Clock,
    said: Any,  # noqa: ANN401 - print
    token: str = "",
) -> None:
    """Serve a window, and say where, until cancelled.

    Raises:
        OSError: The port is taken.
    """
    mirror = Mirror(app, port=port, clock=clock, token=token)
    async with companions() as tasks:
        running = tasks.start(mirror.run(), name="dashboard.serve")
        ready = tasks.start(mirror.ready.wait(), name="dashboard.serve.ready")
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        if mirror.ready.is_set():
            said(f"{mirror.address} (read-only; Ctrl+C ends it)")
            if not token:
                said("without a token: everybody on this machine may look")
        await running
