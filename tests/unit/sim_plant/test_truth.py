"""The truth log's lines."""

from __future__ import annotations

import io
import json

from sim_plant.truth import TruthEntry, TruthLog, line

START_NS = 1_700_000_000_000_000_000


def test_a_line_is_one_json_object_with_time_date_and_kind() -> None:
    entry = TruthEntry(2.5, "stopped", {"cause": "watchdog"})
    assert json.loads(line(entry, start_utc_ns=START_NS)) == {
        "t_s": 2.5,
        "utc_ns": START_NS + 2_500_000_000,
        "kind": "stopped",
        "cause": "watchdog",
    }


class _Flushed(io.StringIO):
    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


def test_every_line_is_flushed() -> None:
    stream = _Flushed()
    TruthLog(stream, start_utc_ns=0).write(
        [TruthEntry(1.0, "running"), TruthEntry(2.0, "stop_seen")]
    )
    assert len(stream.getvalue().splitlines()) == 2
    assert stream.flushes == 2


def test_without_a_file_nothing_is_written() -> None:
    TruthLog(None, start_utc_ns=0).write([TruthEntry(1.0, "running")])
