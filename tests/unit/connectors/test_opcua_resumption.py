"""What is stored, turned into the server's own time, or declared where it cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.domain.batch import Text, Waveform, batch_of
from connectors.opcua.clock_memory import ClockMemory
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.continuity import Hole
from connectors.opcua.resumption import CLOCK_WAS_SET, NOT_DATED, Resumption

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.domain.batch import Batch

S = 1_000_000_000
NOW_NS = 1_790_000_000 * S
HOUR_NS = 3600 * S


def resumption(**different: Any) -> Resumption:  # noqa: ANN401 - its fields
    given: dict[str, Any] = {"replaces": True, "tolerance_ns": 60 * S}
    return Resumption({1: NOW_NS - 90 * S}, **(given | different))


def live(time_ns: int, **more: Any) -> Batch:  # noqa: ANN401 - what `batch_of` takes
    return batch_of([1], [5.0], source_time_ns=time_ns, receive_time_ns=NOW_NS, **more)


@pytest.mark.parametrize("off_ns", [0, HOUR_NS, -HOUR_NS])
def test_what_is_stored_is_asked_for_in_the_servers_time(off_ns: int) -> None:
    known = resumption(taken_off_ns=off_ns)
    assert known.newest_ns == {1: NOW_NS - 90 * S + off_ns}
    assert known.unfillable(live(NOW_NS + off_ns)) == {}


def test_a_clock_that_drifted_is_asked_as_it_was_when_the_value_was_stored() -> None:
    known = resumption(taken_off_ns=HOUR_NS + S, kept_ns=HOUR_NS)
    assert known.newest_ns == {1: NOW_NS - 90 * S + HOUR_NS}
    assert known.unfillable(live(NOW_NS + HOUR_NS)) == {}


def test_a_clock_that_was_set_meanwhile_leaves_a_hole_that_nobody_can_fill() -> None:
    known = resumption(kept_ns=HOUR_NS)
    assert known.newest_ns == {1: NOW_NS - 90 * S}
    hole = Hole(1, NOW_NS - 90 * S, NOW_NS)
    assert known.unfillable(live(NOW_NS)) == {CLOCK_WAS_SET: [hole]}
    assert known.unfillable(live(NOW_NS)) == {}, "each tag once"


@pytest.mark.parametrize("time_ns", [NOW_NS + HOUR_NS, 946_684_800 * S])
def test_a_tag_with_a_wrong_time_of_its_own_has_a_hole_up_to_now(time_ns: int) -> None:
    found = resumption().unfillable(live(time_ns))
    assert found == {NOT_DATED: [Hole(1, NOW_NS - 90 * S, NOW_NS)]}


def test_where_times_are_kept_they_are_the_servers_own() -> None:
    known = resumption(replaces=False)
    assert known.newest_ns == {1: NOW_NS - 90 * S}
    assert known.unfillable(live(NOW_NS + HOUR_NS)) == {}


def test_texts_and_waveforms_are_heard_too_and_strangers_are_not() -> None:
    known = Resumption({1: NOW_NS, 2: NOW_NS}, replaces=True, kept_ns=HOUR_NS)
    batch = batch_of(
        [3],
        [0.0],
        source_time_ns=NOW_NS + S,
        receive_time_ns=NOW_NS + S,
        texts=(Text(1, NOW_NS + S, "on"),),
        waveforms=(Waveform(2, NOW_NS + S, 10.0, np.zeros(1, np.float32)),),
    )
    (holes,) = known.unfillable(batch).values()
    assert [hole.number for hole in holes] == [1, 2]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClockMemory:
    monkeypatch.setenv("WHEELTAPPER_STATE_DIR", str(tmp_path))
    return memory_of("replace")


def memory_of(clock: str) -> ClockMemory:
    return ClockMemory(
        OpcuaSettings.model_validate(
            {
                "name": "plc",
                "connector": "opcua",
                "url": "opc.tcp://plc:4840/",
                "security": {"policy": "none", "allow_insecure": True},
                "clock": clock,
            }
        )
    )


def test_an_offset_is_kept_over_a_restart(memory: ClockMemory, tmp_path: Path) -> None:
    assert memory.recall() is None
    memory.keep(HOUR_NS)
    assert memory_of("replace").recall() == HOUR_NS
    file = tmp_path / "opcua" / "plc.clock.json"
    assert json.loads(file.read_bytes()) == {"taken_off_ns": HOUR_NS}
    file.unlink()
    memory.keep(HOUR_NS)
    assert not file.exists(), "what is known is not written again"


def test_where_times_are_kept_nothing_is_remembered(
    memory: ClockMemory, tmp_path: Path
) -> None:
    memory.keep(HOUR_NS)
    other = memory_of("keep")
    assert other.recall() is None
    (tmp_path / "opcua" / "plc.clock.json").unlink()
    other.keep(HOUR_NS)
    assert list((tmp_path / "opcua").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"7"])
def test_a_broken_memory_is_not_used_and_said(
    memory: ClockMemory,
    tmp_path: Path,
    content: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "opcua").mkdir()
    (tmp_path / "opcua" / "plc.clock.json").write_bytes(content)
    assert memory.recall() is None
    assert "is not used" in caplog.text


def test_a_disk_that_refuses_stops_nothing(
    memory: ClockMemory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "opcua").write_text("no folder")
    memory.keep(HOUR_NS)
    assert "cannot be written" in caplog.text
