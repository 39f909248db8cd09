"""What `alarms call` and `alarms calls` print, and how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from appliance.cli import main
from appliance.commands import alarm_calls

if TYPE_CHECKING:
    from pathlib import Path

CALL = {
    "seq": 7,
    "kind": "call",
    "name": "failed",
    "time_ns": 1_763_694_000 * 1_000_000_000,
    "message": "shift could not be called about P-101/flow:high: 451 later",
    "asset": "P-101",
    "tag": "P-101/flow",
    "priority": "critical",
    "actor": "",
    "details": {"target": "shift", "said": "451 later", "alarms": 1, "calls": "[]"},
}


class Answer:
    """Stands for the hub: notes what it is asked, and answers what a test says."""

    def __init__(self, result: Any) -> None:  # noqa: ANN401 - msgpack
        self.result = result
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, socket: Path, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
        assert socket.name == "hub.sock"
        self.asked.append((op, args))
        return self.result


@pytest.mark.parametrize(
    ("sent", "code", "line"),
    [
        (True, 0, "shift was called: 250 well\n"),
        (False, 1, "shift could not be called: 250 well\n"),
    ],
)
def test_a_test_says_in_one_line_what_the_server_said(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    sent: bool,
    code: int,
    line: str,
) -> None:
    hub = Answer({"sent": sent, "said": "250 well"})
    monkeypatch.setattr(alarm_calls, "ask", hub)
    assert main(["alarms", "call", "--test", "shift"]) == code
    assert capsys.readouterr().out == line
    assert main(["alarms", "call", "--test", "shift", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == hub.result
    assert hub.asked[0] == ("calls.test", {"target": "shift"})


def test_calls_are_listed_newest_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Answer({"events": [CALL]})
    monkeypatch.setattr(alarm_calls, "ask", hub)
    assert main(["alarms", "calls", "--limit", "5"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "WHEN"
    assert row == (
        "2025-11-21 03:00:00  shift  failed  critical  "
        "shift could not be called about P-101/flow:high: 451 later"
    )
    assert hub.asked == [("events.recent", {"kinds": ["call"], "limit": 5})]


def test_a_quiet_night_is_said_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alarm_calls, "ask", Answer({"events": []}))
    assert main(["alarms", "calls"]) == 0
    assert capsys.readouterr().out == "nobody was called\n"
