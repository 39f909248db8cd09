from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from appliance.domain.batch import Text, Waveform, batch_of
from appliance.domain.sample import Quality
from appliance.domain.tag import parse_tag_id
from connectors.opcua.clockwatch import STATUS_UNCERTAIN, ClockWatch

if TYPE_CHECKING:
    from appliance.domain.batch import Batch

S = 10**9
NOW_NS = 1_780_000_000 * S
HOUR_NS = 3600 * S
IN_2000_NS = 946_684_800 * S
BAD = 0x8031_0000

FLOW, LEVEL = 3, 5
NAMES = {FLOW: parse_tag_id("P-101/flow"), LEVEL: parse_tag_id("P-101/level")}


def watch(policy: Literal["keep", "replace"] = "keep") -> ClockWatch:
    return ClockWatch(policy=policy, tolerance_s=60.0, names=NAMES)


def batch(
    source_ns: int,
    *,
    server_ns: int | None = None,
    number: int = FLOW,
    receive_ns: int = NOW_NS,
    quality: Quality = Quality.GOOD,
    status: int = 0,
    historical: bool = False,
) -> Batch:
    return batch_of(
        [number],
        [1.0],
        source_time_ns=source_ns,
        server_time_ns=server_ns,
        receive_time_ns=receive_ns,
        quality=quality,
        status=status,
        historical=historical,
    )


@pytest.mark.parametrize("age_s", [-59, 0, 1, 86_400 * 365 * 5])
def test_an_old_time_is_no_wrong_time(age_s: int) -> None:
    seen = watch()
    given = batch(NOW_NS - age_s * S)
    assert seen.judge(given) is given
    assert seen.diagnostics == ()


@pytest.mark.parametrize("source_ns", [NOW_NS + HOUR_NS, IN_2000_NS])
def test_a_wrong_time_makes_a_good_row_uncertain_until_it_is_right(
    source_ns: int,
) -> None:
    seen = watch()
    judged = seen.judge(batch(source_ns))
    assert judged.quality.tolist() == [Quality.UNCERTAIN]
    assert judged.status.tolist() == [STATUS_UNCERTAIN]
    assert judged.source_time_ns.tolist() == [source_ns]
    (said,) = seen.diagnostics
    assert (said.key, said.tags) == ("clock", (NAMES[FLOW],))
    seen.judge(batch(NOW_NS, number=LEVEL))
    assert [each.key for each in seen.diagnostics] == ["clock"]
    seen.judge(batch(NOW_NS))
    assert seen.diagnostics == ()


def test_a_bad_row_stays_bad_with_its_own_status() -> None:
    given = batch(IN_2000_NS, quality=Quality.BAD, status=BAD)
    judged = watch().judge(given)
    assert judged.quality.tolist() == [Quality.BAD]
    assert judged.status.tolist() == [BAD]


def test_a_plausible_server_time_replaces_a_wrong_source_time() -> None:
    judged = watch("replace").judge(batch(IN_2000_NS, server_ns=NOW_NS - 5 * S))
    assert judged.source_time_ns.tolist() == [NOW_NS - 5 * S]
    assert judged.quality.tolist() == [Quality.GOOD]


@pytest.mark.parametrize("server_ns", [None, 0, IN_2000_NS, NOW_NS + HOUR_NS])
def test_otherwise_the_time_of_receipt_does(server_ns: int | None) -> None:
    judged = watch("replace").judge(batch(IN_2000_NS, server_ns=server_ns))
    assert judged.source_time_ns.tolist() == [NOW_NS]


def test_a_value_sent_again_gets_no_fresh_time() -> None:
    seen = watch("replace")
    seen.judge(batch(IN_2000_NS))
    again = seen.judge(batch(IN_2000_NS, receive_ns=NOW_NS + HOUR_NS))
    assert again.source_time_ns.tolist() == [NOW_NS]
    newer = seen.judge(batch(IN_2000_NS + S, receive_ns=NOW_NS + HOUR_NS))
    assert newer.source_time_ns.tolist() == [NOW_NS + HOUR_NS]


@pytest.mark.parametrize("off_ns", [HOUR_NS, -HOUR_NS, IN_2000_NS - NOW_NS])
def test_the_offset_of_the_servers_own_clock_is_taken_off(off_ns: int) -> None:
    seen = watch("replace")
    seen.observe_server(NOW_NS + off_ns, NOW_NS)
    judged = seen.judge(batch(NOW_NS + off_ns - 90 * S))
    assert judged.source_time_ns.tolist() == [NOW_NS - 90 * S]
    (said,) = seen.diagnostics
    assert "the server's clock is" in said.message
    seen.observe_server(NOW_NS, NOW_NS)
    seen.judge(batch(NOW_NS))
    assert seen.diagnostics == ()


def test_a_slow_server_clock_makes_no_value_fresher_than_its_receipt() -> None:
    seen = watch("replace")
    seen.observe_server(NOW_NS - HOUR_NS, NOW_NS)
    judged = seen.judge(batch(NOW_NS - 10 * S))  # of a clock that is right
    assert judged.source_time_ns.tolist() == [NOW_NS]


def test_texts_and_waveforms_are_judged_like_rows() -> None:
    text = Text(FLOW, IN_2000_NS, "on")
    burst = Waveform(LEVEL, NOW_NS + HOUR_NS, 10.0, np.zeros(2, np.float32))
    bad = Text(FLOW, IN_2000_NS, "off", Quality.BAD, BAD)
    given = batch_of(
        [],
        [],
        source_time_ns=0,
        receive_time_ns=NOW_NS,
        texts=(text, bad, Text(FLOW, NOW_NS, "fine")),
        waveforms=(burst,),
    )
    kept = watch().judge(given)
    assert [each.quality for each in kept.texts] == [
        Quality.UNCERTAIN, Quality.BAD, Quality.GOOD,
    ]  # fmt: skip
    assert kept.waveforms[0].status == STATUS_UNCERTAIN
    replaced = watch("replace").judge(given)
    assert [each.source_time_ns for each in replaced.texts] == [NOW_NS] * 3
    assert replaced.waveforms[0].start_ns == NOW_NS


def test_what_history_says_of_an_impossible_time_is_kept_and_says_nothing_of_now() -> (
    None
):
    seen = watch("replace")
    judged = seen.judge(batch(IN_2000_NS, historical=True))
    assert judged.source_time_ns.tolist() == [IN_2000_NS]
    assert seen.diagnostics == ()


def test_a_keep_alive_is_left_alone() -> None:
    given = batch_of([], [], source_time_ns=0, receive_time_ns=NOW_NS)
    assert watch().judge(given) is given
