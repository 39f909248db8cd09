"""Which processes a configuration needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appliance.commands.up import processes
from appliance.config import check_text
from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

SITE = 'config_version = 1\n[site]\nid = "s"\ngateway = "g"\n'
MAIL = """[callout]
[[callout.mail]]
name = "shift"
host = "mail"
security = "none"
sender = "a@b.example"
recipients = ["a@b.example"]
"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["hub", "inference"]),
        ("[callout]\n", ["hub", "inference"]),
        (MAIL, ["hub", "inference", "sync"]),
        ('[uplink]\nhost = "h"\n', ["hub", "inference", "sync"]),
    ],
)
def test_sync_runs_where_something_leaves_the_gateway(
    text: str, names: Sequence[str], tmp_path: Path
) -> None:
    config, problems = check_text(SITE + text)
    assert config is not None, problems
    found = processes(
        config,
        Path("wt.toml"),
        state_dir=tmp_path,
        run_dir=tmp_path,
        clock=SystemClock(),
    )
    assert [child.name for child in found] == names
