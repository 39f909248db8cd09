"""A plant that tests share, and their order.

What takes long begins first, so that at the end no worker waits for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.commands.demo.settings import write_config
from tests.support.plant import running_plant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HANGS_AFTER_S = 300
"""Against hangs alone: on a machine that has time none of these takes a minute."""
LONGEST = (
    "test_way_back.py",
    "test_window.py",
    "test_deb.py",
    "test_uplink.py",
    "test_uplink_opportunistic.py",
    "test_hub.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, within one the order stays; bound what has no bound."""
    items.sort(key=lambda item: _place(item.nodeid))
    for item in items:
        marked = {mark.name for mark in item.iter_markers()}
        if "system" in marked and "timeout" not in marked:
            item.add_marker(pytest.mark.timeout(HANGS_AFTER_S))


def _place(node_id: str, longest: Sequence[str] = LONGEST) -> int:
    name = node_id.partition("::")[0].rpartition("/")[2]
    return longest.index(name) if name in longest else len(longest)


@pytest.fixture(scope="module")
def skid() -> Iterator[dict[str, Any]]:
    """Run a plant for all who do it no harm; return its ready line."""
    with running_plant("healthy", "--disarmed") as ready:
        yield ready


@pytest.fixture
def skid_config(skid: dict[str, Any], tmp_path: Path) -> Path:
    """Return a configuration for that plant; its uplink reaches nobody."""
    path = tmp_path / "wt.toml"
    write_config(
        path,
        opcua_url=skid["opcua_url"],
        modbus_port=skid["modbus_port"],
        broker_port=1,
    )
    return path
