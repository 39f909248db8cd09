"""Fixtures: a gateway in the test's own process (`tests.support`), and its window."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance.dashboard.app import Dashboard
from tests.support.dashboard_gateway import Gateway
from tests.support.dashboard_side import SteeredClock
from tests.support.dashboard_window import WITHIN_S, Window
from tests.support.textual_css import style_sheets_parsed_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what waits for a screen say what it saw, before the test is ended."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(4 * WITHIN_S))


@pytest.fixture(scope="session", autouse=True)
def _style_sheets() -> Iterator[None]:
    with style_sheets_parsed_once():
        yield


@pytest.fixture
def clock() -> SteeredClock:
    return SteeredClock()


@pytest.fixture
def gateway(tmp_path: Path, clock: SteeredClock) -> Gateway:
    return Gateway(tmp_path, clock)


@asynccontextmanager
async def _window(
    gateway: Gateway, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Window]:
    app = Dashboard(
        gateway.run_dir, clock=gateway.clock, zone=UTC, state_dir=gateway.run_dir
    )
    async with app.run_test(size=size) as pilot:
        yield Window(app, pilot, gateway.clock)


@pytest.fixture
def drive() -> type[Window]:
    """Return what drives any window: `drive(app, pilot, clock)`."""
    return Window


@pytest.fixture
def open_window(
    gateway: Gateway,
) -> Callable[..., AbstractAsyncContextManager[Window]]:
    """Return the function that opens a dashboard on the gateway."""

    def opened(
        size: tuple[int, int] = (80, 24),
    ) -> AbstractAsyncContextManager[Window]:
        return _window(gateway, size)

    return opened


@pytest.fixture
async def plant(gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway that runs, healthy and armed."""
    async with gateway.hub(), gateway.safety():
        gateway.run_up()
        gateway.healthy()
        yield gateway


@pytest.fixture
async def window(
    plant: Gateway,
    open_window: Callable[..., AbstractAsyncContextManager[Window]],
) -> AsyncIterator[Window]:
    """A dashboard of 80 by 24 that shows the healthy plant."""
    assert plant.config.initiators
    async with open_window() as opened:
        await opened.until_text("vibration_rms", "safety armed", "0.98")
        yield opened
