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
from appliance.dashboard.serve import KEYS, READ_ONLY, Mirror, serve
from appliance.link.client import LinkRefusedError
from appliance.runtime.tasks import companions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

    from tests.dashboard.conftest import Gateway

_WITHIN_S = 60.0
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)


@asynccontextmanager
async def mirror_of(gateway: Gateway) -> AsyncIterator[Mirror]:
    app = Dashboard(gateway.run_dir, clock=gateway.clock, zone=UTC, read_only=READ_ONLY)
    mirror = Mirror(app, port=0, clock=gateway.clock)
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


async def frames(mirror: Mirror) -> AsyncIterator[str]:
    """Yield the text of the screens that a page is told."""
    reader, writer = await asyncio.open_connection("127.0.0.1", mirror.port)
    try:
        writer.write(
            f"GET /events HTTP/1.1\r\nHost: localhost:{mirror.port}\r\n\r\n".encode()
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
        await until_shown(mirror, "2 alarms, 2 not acknowledged")
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
        mirror_of(plant) as mirror,
        browser_at(f"http://127.0.0.1:{mirror.port}/", tmp_path) as browser,
    ):
        while "safety armed" not in await browser.text():
            await asyncio.sleep(0.1)
        loaded = "performance.getEntriesByType('resource').map(e => e.name).join(' ')"
        given = await browser.ask("Runtime.evaluate", {"expression": loaded})
        places = given["result"]["value"].split()
    assert places
    assert all(each.startswith(f"http://127.0.0.1:{mirror.port}/") for each in places)
