"""Who did what with models: appended, and readable after a power failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.updates.journal import FILE, Act, append, read

if TYPE_CHECKING:
    from pathlib import Path

ACTS = (
    Act(1, "learn", "P-101", "v1", None, "anna"),
    Act(2, "rollback", "P-101", "v0", "v1", "otto"),
)


def test_acts_are_read_in_the_order_they_were_written(tmp_path: Path) -> None:
    root = tmp_path / "models"
    assert read(root) == ()
    for act in ACTS:
        append(root, act)
    assert read(root) == ACTS


def test_a_line_cut_short_takes_no_other_with_it(tmp_path: Path) -> None:
    append(tmp_path, ACTS[0])
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"utc_ns": 2, "ac')
    append(tmp_path, ACTS[1])
    assert read(tmp_path) == ACTS
