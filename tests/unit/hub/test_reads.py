"""What the hub tells a window of the machine that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from appliance.config import Config
from appliance.config.model import SiteSettings, StorageSettings
from appliance.domain.event import Gap
from appliance.hub.reads import (
    Fill,
    Reads,
    busy_share,
    full_in_s,
    gaps_between,
    memory_of,
    ticks_of,
)
from appliance.link.server import RefusedError
from appliance.runtime.pki.folder import PkiFolder
from appliance.storage.retention import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW_NS = 1_790_000_000_000_000_000


class StillClock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.s = 0.0

    def now_s(self) -> float:
        return self.s

    def utc_ns(self) -> int:
        return NOW_NS

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing here waits, let alone {seconds} s")


class Offered:
    """Takes operations as the link's server does."""

    def __init__(self) -> None:
        self.by_name: dict[str, Callable[..., Any]] = {}

    def operation(self, name: str, run: Callable[..., Any]) -> None:
        self.by_name[name] = run


@pytest.mark.parametrize(
    ("fills", "left_s"),
    [
        ([], None),
        ([(0, 10), (299, 20)], None),
        ([(0, 10), (300, 40)], 600.0),
        ([(0, 40), (300, 40)], None),
        ([(0, 40), (300, 10)], None),
        ([(0, 10), (300, 400)], 0.0),
    ],
)
def test_the_time_to_full_needs_a_pace_and_growth(
    fills: list[tuple[float, int]], left_s: float | None
) -> None:
    assert full_in_s([Fill(*each) for each in fills], 100) == left_s


def test_the_processor_is_as_busy_as_it_was_between_two_looks() -> None:
    before = ticks_of("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 2 3\n")
    after = ticks_of("cpu  30 0 30 120 20 0 0 0 0 0\n")
    assert before == (20, 100)
    assert busy_share(before, after) == 0.4
    assert busy_share(None, after) is None
    assert busy_share(after, after) is None
    assert ticks_of("") is None
    assert ticks_of("intr 1 2 3 4 5 6") is None


def test_memory_is_read_as_far_as_it_is_there() -> None:
    text = "MemTotal:  2000 kB\nMemFree: 5 kB\nMemAvailable:  500 kB\nMemTotal:\n"
    assert memory_of(text) == {
        "memory_bytes": 2_048_000,
        "memory_available_bytes": 512_000,
    }
    assert memory_of("") == {}


def test_only_gaps_of_values_that_touch_the_time_are_told() -> None:
    def gap(what: str, from_ns: int, to_ns: int) -> Gap:
        return Gap(what, f"{what} {from_ns}", from_ns, to_ns, 3)

    gaps = [gap("acquisition", 0, 9), gap("acquisition", 8, 20), gap("event", 8, 20),
            gap("raw", 15, 16), gap("rollup", 31, 40)]  # fmt: skip
    reasons = [row["reason"] for row in gaps_between(gaps, 10, 30)]
    assert reasons == ["acquisition 8", "raw 15"]


async def test_the_machine_is_told_with_its_certificates(tmp_path: Path) -> None:
    clock, offered = StillClock(), Offered()
    PkiFolder(tmp_path / "pki").need_own("urn:x", ("gateway",), now_ns=NOW_NS)
    config = Config(
        site=SiteSettings(id="s", gateway="g"),
        storage=StorageSettings(quota_bytes=2_000_000),
    )
    used = iter((1_000_000, 1_300_000))
    reads = Reads(
        config, tmp_path / "buffer.db", clock, usage=lambda: Usage(next(used), 0, 0)
    )
    reads.offer(cast("Any", offered))
    reads.note()
    clock.s = 300.0
    reads.note()
    told = await offered.by_name["machine"]({}, None)
    assert told["quota_bytes"] == 2_000_000
    assert told["full_in_s"] == pytest.approx(700.0)
    assert told["busy"] is None
    assert told["disk_bytes"] >= told["disk_free_bytes"] > 0
    assert [each["place"] for each in told["certificates"]] == ["own"]
    assert told["certificates"][0]["ends_ns"] > NOW_NS
    again = await offered.by_name["machine"]({}, None)
    assert again["busy"] is None or 0.0 <= again["busy"] <= 1.0


async def test_without_a_measurement_nothing_is_noted_and_without_a_buffer_no_gaps(
    tmp_path: Path,
) -> None:
    offered = Offered()
    config = Config(site=SiteSettings(id="s", gateway="g"))
    reads = Reads(config, tmp_path / "none.db", StillClock(), usage=lambda: None)
    reads.offer(cast("Any", offered))
    reads.note()
    assert (await offered.by_name["machine"]({}, None))["full_in_s"] is None
    with pytest.raises(RefusedError):
        await offered.by_name["gaps"]({"from_ns": 0, "to_ns": 1}, None)
