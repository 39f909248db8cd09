"""The window in a browser: what is shown, what is refused; nothing can be done."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from datetime import UTC
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect

from appliance.dashboard.actions import ACTIONS
from appliance.dashboard.app import Dashboard
from appliance.dashboard.serve import (
    KEYS,
    READ_ONLY,
    SIZE,
    Mirror,
    serve,
    size_of,
)
from appliance.link.client import LinkRefusedError
from appliance.runtime.tasks import companions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

    from tests.support.dashboard_gateway import Gateway

_WITHIN_S = 60.0
TOKEN = "wheel-7"  # noqa: S105 - of the test
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)


@asynccontextmanager
async def mirror_of(gateway: Gateway, token: str = "") -> AsyncIterator[Mirror]:
    app = Dashboard(gateway.run_dir, clock=gateway.clock, zone=UTC, read_only=READ_ONLY)
    mirror = Mirror(app, port=0, clock=gateway.clock, token=token)
    async with companions() as tasks:
        tasks.start(mirror.run(), name="test.mirror")
        async with asyncio.timeout(_WITHIN_S):
            await mirror.ready.wait()
        yield mirror


async def asked(
    mirror: Mirror, line: str, *, body: str = "", host: str = "", more: str = ""
) -> tuple[int, str]:
    """Send a request; return status and the rest."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mirror.port)
    try:
        head = f"{line} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{mirror.port}'}\r\n"
        head += f"Content-Length: {len(body)}\r\n{more}\r\n{body}"
        writer.write(head.encode())
        async with asyncio.timeout(_WITHIN_S):
            answer = (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()
    return int(answer.split(" ")[1]), answer.partition("\r\n")[2]


async def frames(mirror: Mirror, size: str = "") -> AsyncIterator[str]:
    """Yield the text of the screens that a page of a size is told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mirror.port)
    try:
        writer.write(
            f"GET /events{f'?size={size}' if size else ''} HTTP/1.1\r\n"
            f"Host: localhost:{mirror.port}\r\n\r\n".encode()
        )
        async with asyncio.timeout(_WITHIN_S):
            while line := await reader.readline():
                if line.startswith(b"data: {"):
                    frame = json.loads(line.removeprefix(b"data: "))
                    yield "\n".join("".join(p[0] for p in row) for row in frame["rows"])
    finally:
        writer.close()
        await writer.wait_closed()


async def until_shown(mirror: Mirror, *words: str) -> str:
    shown = frames(mirror)
    try:
        async for text in shown:
            if all(word in text for word in words):
                return text
    finally:
        await shown.aclose()  # type: ignore[attr-defined] # it is a generator
    raise AssertionError(words)


async def test_a_page_shows_the_plant_and_goes_from_screen_to_screen(
    plant: Gateway,
) -> None:
    async with mirror_of(plant) as mirror:
        await until_shown(mirror, "safety armed", "1.20 mm/s")
        plant.fall_ill()
        await until_shown(mirror, "P-101/DE/vibration_rms is high")
        assert (await asked(mirror, "POST /key", body="3"))[0] == 204
        text = await until_shown(mirror, "2 alarms, 2 not acknowledged")
        foot = text.splitlines()[-1]
        assert " f filter  g group " in foot
        assert not any(word in foot for word in ("ack", "shelve", "STOP"))
        assert (await asked(mirror, "POST /key", body="?"))[0] == 204
        await until_shown(mirror, "keys on alarms")
        assert (await asked(mirror, "POST /key", body="escape"))[0] == 204


async def test_no_act_is_possible_on_that_road(plant: Gateway) -> None:
    plant.fall_ill()
    acting = {k for a in ACTIONS if "act(" in a.name for k in a.keys.split(",")}
    assert acting
    assert not acting & KEYS
    assert not {"y", "q", "ctrl+q", "ctrl+c", "ctrl+p"} & KEYS
    async with mirror_of(plant) as mirror:
        await until_shown(mirror, "2 new")
        for key in (*sorted(acting), "y", "ctrl+p", "", "[b]", "a" * 80):
            status, _ = await asked(mirror, "POST /key", body=key)
            assert status in {403, 413}, key
        for name in ("acknowledge", "stop", "reset"):
            mirror._app.action_act(name)
        await until_shown(mirror, READ_ONLY)
        with pytest.raises(LinkRefusedError, match="only reads"):
            await mirror._app.hub.request("alarms.acknowledge", alarm="x")
        with pytest.raises(LinkRefusedError, match="only reads"):
            await mirror._app.safety.request("stop", reason="x")
        assert not plant.acted


async def test_what_another_page_has_a_browser_send_is_refused(
    gateway: Gateway,
) -> None:
    async with mirror_of(gateway) as mirror:
        port = mirror.port
        for host in (
            "evil.example",
            f"evil.example:{port}",
            "127.0.0.1",
            f"0.0.0.0:{port}",
        ):
            assert (await asked(mirror, "GET /", host=host))[0] == 421
            assert (await asked(mirror, "GET /events", host=host))[0] == 421
        for more in (
            "Origin: http://evil.example\r\n", f"Origin: https://127.0.0.1:{port}\r\n",
            "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\n",
        ):  # fmt: skip
            assert (await asked(mirror, "POST /key", body="3", more=more))[0] == 403
        ours = f"Origin: http://localhost:{port}\r\nSec-Fetch-Site: same-origin\r\n"
        assert (await asked(mirror, "POST /key", body="3", more=ours))[0] == 204


async def test_only_the_page_is_served_and_it_loads_nothing_from_outside(
    gateway: Gateway,
) -> None:
    async with mirror_of(gateway) as mirror:
        for path, kind in (
            ("/", "html"),
            ("/window.js", "javascript"),
            ("/window.css", "css"),
        ):
            status, text = await asked(mirror, f"GET {path}")
            assert status == 200
            assert f"Content-Type: text/{kind}" in text
            assert "default-src 'none'" in text
        for line, status in (
            ("GET /../pyproject.toml", 404), ("GET /index.html", 404), ("GET //", 404),
            ("PUT /", 405), ("DELETE /key", 405), ("GET /key", 404),
            ("GET http://x/", 400), ("nonsense", 400),
        ):  # fmt: skip
            assert (await asked(mirror, line))[0] == status, line
        long = f"X: {'x' * 9000}\r\n"
        assert (await asked(mirror, "GET /", more=long))[0] == 413


async def test_nobody_looks_without_the_token_of_the_printed_address(
    plant: Gateway,
) -> None:
    async with mirror_of(plant, token=TOKEN) as mirror:
        assert mirror.address == f"http://127.0.0.1:{mirror.port}/?token=wheel-7"
        for line, more in (
            ("GET /", ""), ("GET /?token=", ""), ("GET /?token=wheel-8", ""),
            ("GET /?token=wheel-", ""), ("GET /?token=%C3%A9", ""),
            ("GET /events?token=wheel-7", ""), ("POST /?token=wheel-7", ""),
            ("GET /window.js", ""), ("POST /key", ""),
            ("GET /", "Cookie: wheeltapper=\r\n"),
            ("GET /", "Cookie: wheeltapper=wheel-8\r\n"),
            ("GET /", "Cookie: otherwheeltapper=wheel-7\r\n"),
        ):  # fmt: skip
            status, text = await asked(mirror, line, more=more)
            assert status == 403, (line, more)
            assert "whole address that was printed" in text
            assert "wheel-7" not in text
        status, text = await asked(mirror, "GET /?token=wheel-7")
        assert status == 303
        assert "Location: /\r\n" in text
        cookie = "wheeltapper=wheel-7"
        assert f"Set-Cookie: {cookie}; Path=/; HttpOnly; SameSite=Strict\r\n" in text
        for more in (f"Cookie: {cookie}\r\n", f"Cookie: a=b; {cookie}; c=d\r\n"):
            assert (await asked(mirror, "GET /", more=more))[0] == 200
            done = await asked(mirror, "POST /key", body="3", more=more)
            assert done[0] == 204


async def test_where_it_is_printed_and_that_the_token_was_waived(
    gateway: Gateway,
) -> None:
    for token, words in (
        ("t0ken", ("/?token=t0ken (read-only; Ctrl+C ends it)",)),
        ("", ("/ (read-only; Ctrl+C ends it)", "everybody on this machine may look")),
    ):
        said: list[str] = []
        told = asyncio.Event()

        def say(text: str, said: list[str] = said, told: asyncio.Event = told) -> None:
            said.append(text)
            told.set()

        app = Dashboard(gateway.run_dir, clock=gateway.clock, read_only=READ_ONLY)
        async with companions() as tasks:
            work = serve(app, port=0, clock=gateway.clock, said=say, token=token)
            tasks.start(work, name="test.serve")
            async with asyncio.timeout(_WITHIN_S):
                await told.wait()
        assert len(said) == len(words)
        assert all(map(str.endswith, said, words))


async def test_the_screen_is_as_large_as_the_smallest_window_bears(
    gateway: Gateway,
) -> None:
    async with mirror_of(gateway) as mirror:
        wide, narrow = frames(mirror, "130x45"), frames(mirror, "100x70")
        try:
            await _until_size(wide, (130, 45))
            await _until_size(narrow, (100, 45))
            await narrow.aclose()  # type: ignore[attr-defined] # it is a generator
            await _until_size(wide, (130, 45))
        finally:
            await wide.aclose()  # type: ignore[attr-defined] # it is a generator


async def _until_size(shown: AsyncIterator[str], size: tuple[int, int]) -> None:
    lines: list[str] = []
    while (max(map(len, lines), default=0), len(lines)) != size:
        lines = (await anext(shown)).splitlines()


@pytest.mark.parametrize(
    ("text", "size"),
    [("", SIZE), ("x", SIZE), ("99999x10", SIZE), ("-1x24", SIZE), ("1x1", (80, 24)),
     ("100x30", (100, 30)), ("9999x9999", (200, 60))],
)  # fmt: skip
def test_a_page_gets_a_size_that_screens_are_made_for(
    text: str, size: tuple[int, int]
) -> None:
    assert size_of(text) == size


def test_the_page_names_no_other_place() -> None:
    folder = files("appliance.dashboard").joinpath("page")
    for page in folder.iterdir():
        text = page.read_text(encoding="utf-8")
        assert "://" not in text
        assert "innerHTML" not in text
        assert "eval(" not in text
        assert " style=" not in text
        assert "onclick" not in text


async def test_too_many_visitors_are_sent_away_and_the_gone_make_room(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.dashboard import serve as served  # noqa: PLC0415 - of this case

    monkeypatch.setattr(served, "VISITORS_MAX", 1)
    async with mirror_of(gateway) as mirror:
        shown = frames(mirror)
        while "DISCONNECTED" not in await anext(shown):
            pass
        assert (await asked(mirror, "GET /"))[0] == 503
        await shown.aclose()  # type: ignore[attr-defined] # it is a generator
        async with asyncio.timeout(_WITHIN_S):
            while (await asked(mirror, "GET /"))[0] != 200:
                await asyncio.sleep(0.01)


async def test_a_port_that_is_taken_is_said_at_once(gateway: Gateway) -> None:
    async with mirror_of(gateway) as mirror:
        app = Dashboard(gateway.run_dir, clock=gateway.clock, read_only=READ_ONLY)
        words: list[str] = []
        with pytest.raises(OSError, match="in use"):
            await serve(app, port=mirror.port, clock=gateway.clock, said=words.append)
        assert not words


class Browser:
    """A headless Chromium, asked by its DevTools protocol."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._asked = 0
        self._session: dict[str, str] = {}

    async def attach(self) -> None:
        """Speak with the one page from now on."""
        pages: list[dict[str, str]] = []
        while not pages:
            targets = await self.ask("Target.getTargets")
            pages = [t for t in targets["targetInfos"] if t["type"] == "page"]
        page = pages[0]
        where = {"targetId": page["targetId"], "flatten": True}
        attached = await self.ask("Target.attachToTarget", where)
        self._session = {"sessionId": attached["sessionId"]}

    async def ask(self, method: str, params: object = None) -> dict[str, Any]:
        """Return the result of one command; nothing while the page is on its way."""
        self._asked += 1
        words = {"id": self._asked, "method": method, "params": params or {}}
        await self._link.send(json.dumps(words | self._session))
        while True:
            told = json.loads(await self._link.recv())
            if told.get("id") == self._asked:
                found: dict[str, Any] = told.get("result", {})
                return found

    async def text(self) -> str:
        """Return what a person reads on the page."""
        given = {"expression": "document.body.innerText"}
        found = await self.ask("Runtime.evaluate", given)
        return str(found.get("result", {}).get("value", ""))


@asynccontextmanager
async def browser_at(url: str, folder: Path) -> AsyncIterator[Browser]:
    assert BROWSER is not None
    process = await asyncio.create_subprocess_exec(
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-dev-shm-usage", "--remote-debugging-port=0",
        f"--user-data-dir={folder}", url,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        line = b""
        while b"DevTools listening on " not in line:
            line = await process.stderr.readline()
            assert line, "the browser did not start"
        where = line.decode().partition("listening on ")[2].strip()
        async with connect(where, max_size=None, proxy=None) as link:
            browser = Browser(link)
            await browser.attach()
            yield browser
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
async def test_a_real_browser_draws_the_page_and_asks_nobody_else(
    plant: Gateway, tmp_path: Path
) -> None:
    async with (
        asyncio.timeout(120.0),
        mirror_of(plant, token=TOKEN) as mirror,
        browser_at(mirror.address, tmp_path) as browser,
    ):
        while "safety armed" not in await browser.text():
            await asyncio.sleep(0.1)
        loaded = "performance.getEntriesByType('resource').map(e => e.name).join(' ')"
        given = await browser.ask("Runtime.evaluate", {"expression": loaded})
        places = given["result"]["value"].split()
        given = await browser.ask("Runtime.evaluate", {"expression": "location.href"})
        assert given["result"]["value"] == f"http://127.0.0.1:{mirror.port}/"
    assert places
    assert all(each.startswith(f"http://127.0.0.1:{mirror.port}/") for each in places)
