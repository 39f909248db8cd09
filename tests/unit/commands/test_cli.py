"""The command line as people use it, against a real link where it needs one."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance import cli
from appliance.cli import COMMANDS, main
from appliance.commands.exits import CommandError
from appliance.commands.learn import when_ns
from appliance.config import StorageSettings
from appliance.domain.batch import batch_of
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import Tag, TagId
from appliance.link.roles import Role
from appliance.link.server import LinkServer, RefusedError
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import alongside
from appliance.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from appliance.link.server import Peer

CONFIG = 'config_version = 1\nsite = { id = "s", gateway = "g" }\n'
FLOW = TagId("P-101/flow")


@asynccontextmanager
async def answering(path: Path, answers: dict[str, Any]) -> AsyncIterator[list[Any]]:
    """Serve a socket that gives these answers; yield what it was asked."""
    asked: list[Any] = []
    server = LinkServer(path, process="x", role_of=lambda _uid, _gid: Role.SUPERVISOR)

    def offer(op: str, answer: object) -> None:
        async def run(args: Mapping[str, Any], _peer: Peer) -> object:
            asked.append((op, dict(args)))
            if isinstance(answer, Exception):
                raise answer
            return answer

        server.operation(op, run)

    for op, answer in answers.items():
        offer(op, answer)
    async with alongside(server.serve(), name="test.serve"):
        await server.wait_ready()
        yield asked


async def wheeltapper(*words: str) -> int:
    return await asyncio.to_thread(main, words)


def test_without_arguments_it_says_what_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    page = capsys.readouterr().out
    assert "not a safety" in page
    assert all(name in page for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "usage: wheeltapper" in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == 2


def test_an_interrupt_and_a_closed_pipe_end_quietly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Module:
        error: type[BaseException] = KeyboardInterrupt

        def configure(self, _parser: object, _name: str) -> None: ...

        def run(self, _args: object) -> int:
            raise self.error

    module = Module()
    monkeypatch.setattr(cli, "_module", lambda _name: module)
    assert main(["doctor"]) == 130
    module.error = BrokenPipeError
    monkeypatch.setattr("sys.stderr", open("/dev/null", "w"))  # noqa: PTH123, SIM115 - closed by main
    assert main(["doctor"]) == 0


def test_check_prints_every_problem_and_ends_with_78(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(CONFIG + "[storag]\n[uplink]\nhots = 1\n")
    assert main(["check", str(path)]) == 78
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{path}:") for line in lines)
    assert main(["check", str(path), "--json"]) == 78
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert main(["hub", "-c", str(path)]) == 78
    assert "storag: unknown section" in capsys.readouterr().err


def test_check_and_show_config_accept_a_good_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(CONFIG)
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out.startswith("well: 0 tags")
    assert main(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["show-config", str(path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert any(re.match(r'site\.id = "s" +# file$', line) for line in shown)
    assert any(
        re.match(r"storage\.commit_period_s = 1\.0 +# default$", x) for x in shown
    )
    assert main(["show-config", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"key": "site.gateway", "value": "g", "origin": "file"} in rows


async def test_alarms_are_listed_and_acknowledged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": "P/a:high", "priority": "high", "state": "active_unack", "action": "go"},
        {"id": "P/b:low", "priority": "low", "state": "normal", "action": "none"},
    ]
    answers = {"alarms.list": rows, "alarms.acknowledge": {}, "alarms.shelve": {}}
    async with answering(tmp_path / "hub.sock", answers) as asked:
        place = ("--run-dir", str(tmp_path))
        assert await wheeltapper("alarms", "list", *place) == 1
        assert "P/b:low" not in capsys.readouterr().out
        assert await wheeltapper("alarms", "list", "--all", "--json", *place) == 1
        assert len(json.loads(capsys.readouterr().out)) == 2
        assert await wheeltapper("alarms", "ack", "P/a:high", *place) == 0
        words = {"alarm": "P/a:high", "reason": ""}
        assert asked[-1] == ("alarms.acknowledge", words)
        shelve = ("shelve", "P/a:high", "--for", "30m", "--reason", "known", *place)
        assert await wheeltapper("alarms", *shelve) == 0
        assert asked[-1][1]["for_s"] == 1800
        bad = ("shelve", "P/a:high", "--for", "soon", *place)
        assert await wheeltapper("alarms", *bad) == 2


async def test_what_is_kept_silent_is_listed_with_who_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--run-dir", str(tmp_path))
    nobody = {"shelved_by": "", "shelve_reason": "", "suppressed_by": ""}
    nobody |= {"out_of_service_by": "", "out_of_service_reason": ""}
    rows = [
        nobody | {"id": "P/a:high", "priority": "high", "state": state, **said}
        for state, said in (
            ("active_unack", {}),
            ("shelved", {"shelved_by": "ada", "shelve_reason": "known"}),
            ("suppressed", {"suppressed_by": "P/on below 0.5"}),
            ("out_of_service", {"out_of_service_by": "bo"}),
        )
    ]
    async with answering(tmp_path / "hub.sock", {"alarms.list": rows}):
        assert await wheeltapper("alarms", "suppressed", *place) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        assert await wheeltapper("alarms", "suppressed", "--json", *place) == 0
        assert len(json.loads(capsys.readouterr().out)) == 3
    assert [line.split("P/a:high")[1].strip() for line in lines] == [
        "ada: known", "the design: P/on below 0.5", "bo",
    ]  # fmt: skip
    async with answering(tmp_path / "hub.sock", {"alarms.list": []}):
        assert await wheeltapper("alarms", "suppressed", *place) == 0
    assert capsys.readouterr().out == "no alarm is kept silent\n"


async def test_a_verdict_and_the_way_out_of_service_are_asked_for(
    tmp_path: Path,
) -> None:
    place = ("--run-dir", str(tmp_path))
    answers: dict[str, Any] = {"alarms.verdict": {}, "alarms.out_of_service": {}}
    async with answering(tmp_path / "hub.sock", answers) as asked:
        words = ("verdict", "P-101", "false", "--note", "steam", *place)
        assert await wheeltapper("alarms", *words) == 0
        judged = {"alarm": "P-101", "verdict": "false", "note": "steam"}
        assert asked[-1] == ("alarms.verdict", judged)
        taken = ("out-of-service", "P/a:high", "--reason", "new meter", *place)
        assert await wheeltapper("alarms", *taken) == 0
        assert asked[-1][1] == {"alarm": "P/a:high", "reason": "new meter"}
    with pytest.raises(SystemExit):  # it needs a reason
        main(("alarms", "out-of-service", "P/a:high"))


async def test_figures_are_live_or_of_a_time_or_from_the_buffer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--run-dir", str(tmp_path), "--state-dir", str(tmp_path))
    alarm = Event(
        EventKind.ALARM, "active", 10**18, "", priority="high",
        details={"id": "P/a:high", "announced": True, "active": True},
    )  # fmt: skip
    settings = StorageSettings()
    async with open_store(tmp_path / "buffer.db", settings, SystemClock()) as store:
        await store.append_event(alarm)
    assert await wheeltapper("alarms", "kpi", "--journal", "--json", *place) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["AlarmCount"] == 1
    figures["chattering"] = ["P/a:high"]
    async with answering(tmp_path / "hub.sock", {"alarms.kpi": figures}) as asked:
        assert await wheeltapper("alarms", "kpi", *place) == 0
        assert asked[-1] == ("alarms.kpi", {})
        shown = capsys.readouterr().out
        assert re.search(r"AlarmCount +1\n", shown)
        assert re.search(r"P/a:high +1 +100\.0 %", shown)
        assert "chattering: P/a:high" in shown
        assert await wheeltapper("alarms", "kpi", "--from", "1d", *place) == 0
        assert set(asked[-1][1]) == {"from_ns", "to_ns"}


async def test_the_journal_is_verified_against_an_anchor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify = ("alarms", "journal", "verify", "--state-dir", str(tmp_path))
    assert await wheeltapper(*verify) == 1  # there is no buffer
    settings = StorageSettings()
    async with open_store(tmp_path / "buffer.db", settings, SystemClock()) as store:
        await store.append_event(Event(EventKind.AUDIT, "a", 1, "somebody came"))
    assert await wheeltapper(*verify) == 0
    shown = capsys.readouterr().out
    assert "well: 1 events are as they were recorded" in shown
    head = shown.split("head: ")[1].strip()
    assert await wheeltapper(*verify, "--anchor", head) == 0
    assert await wheeltapper(*verify, "--anchor", "1:" + "0" * 64) == 1
    assert "broken at 1" in capsys.readouterr().out
    assert await wheeltapper(*verify, "--anchor", "1", "--json") == 2
    assert await wheeltapper(*verify, "--json") == 0
    assert json.loads(capsys.readouterr().out.strip())["vouched"] == 1


async def test_no_standing_alarm_is_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with answering(tmp_path / "hub.sock", {"alarms.list": []}):
        assert await wheeltapper("alarms", "list", "--run-dir", str(tmp_path)) == 0
    assert capsys.readouterr().out == "no alarm stands\n"


SAFETY = {
    "mode": "armed",
    "tripped": True,
    "first_out": "vibration",
    "initiators": [
        {
            "id": "vibration",
            "vote": "2oo3",
            "acting_vote": "1oo2",
            "state": "demand",
            "elements": ["motor"],
        }
    ],
}


async def test_trips_are_listed_stopped_reset_and_bypassed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: dict[str, Any] = {
        "status": SAFETY,
        "stop": {},
        "reset": RefusedError("the demand lasts"),
        "bypass": {},
        "mode": {"claim": "This is a stop request."},
    }
    async with answering(tmp_path / "safety.sock", answers) as asked:
        place = ("--run-dir", str(tmp_path))
        assert await wheeltapper("trips", "list", *place) == 1
        assert "first-out: vibration" in capsys.readouterr().out
        assert await wheeltapper("trips", "list", "--json", *place) == 1
        assert json.loads(capsys.readouterr().out) == SAFETY
        assert await wheeltapper("trips", "stop", "smoke", *place) == 0
        assert await wheeltapper("trips", "reset", *place) == 1
        assert "the demand lasts" in capsys.readouterr().err
        words = ("vibration", "--reason", "calibration", "--for", "30m")
        assert await wheeltapper("trips", "bypass", *words, *place) == 0
        assert asked[-1][1]["length_s"] == 1800
        bad = ("vibration", "--reason", "x", "--for", "soon")
        assert await wheeltapper("trips", "bypass", *bad, *place) == 2
        assert await wheeltapper("trips", "mode", "armed", *place) == 0
        assert "This is a stop request." in capsys.readouterr().out


async def test_a_hand_over_for_maintenance_begins_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = {"committed": True, "length_s": 600.0, "trouble": ""}
    answers: dict[str, Any] = {"maintenance.begin": begun, "maintenance.end": {}}
    async with answering(tmp_path / "safety.sock", answers) as asked:
        place = ("--run-dir", str(tmp_path))
        words = ("trips", "maintenance", "begin", "--reason", "upgrade", *place)
        assert await wheeltapper(*words) == 0
        assert asked[-1] == ("maintenance.begin", {"reason": "upgrade"})
        assert "for 600 s without us" in capsys.readouterr().out
        assert await wheeltapper(*words, "--for", "5m") == 0
        assert asked[-1][1]["length_s"] == 300
        assert await wheeltapper("trips", "maintenance", "end", *place) == 0
    answers["maintenance.begin"] = {**begun, "committed": False}
    async with answering(tmp_path / "safety.sock", answers):
        assert await wheeltapper(*words) == 1
        assert "a restart now stops the machine" in capsys.readouterr().err


async def test_a_process_that_is_not_there_is_exit_69(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await wheeltapper("alarms", "list", "--run-dir", str(tmp_path)) == 69
    assert "is the process running?" in capsys.readouterr().err


async def fill(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = StorageSettings()
    async with open_store(tmp_path / "buffer.db", settings, clock) as store:
        numbers = await store.register([Tag(FLOW, "m3/h")])
        now_ns = clock.utc_ns()
        times = now_ns - np.arange(200, dtype=np.int64)[::-1] * 10**9
        store.append(
            batch_of(
                [numbers[FLOW]] * 200,
                np.linspace(70, 80, 200),
                source_time_ns=times,
                receive_time_ns=now_ns,
                server_time_ns=np.where(np.arange(200) % 2, times + 10**6, 0),
            )
        )
        await store.flush()


async def test_a_trend_keeps_extremes_and_says_units(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(tmp_path)
    place = ("--state-dir", str(tmp_path))
    assert await wheeltapper("trend", FLOW, "--points", "10", *place) == 0
    page = capsys.readouterr().out
    assert "VALUE (m3/h)" in page
    assert "80.0" in page
    assert await wheeltapper("trend", FLOW, "--json", *place) == 0
    last = json.loads(capsys.readouterr().out)[-1]
    assert last["quality"] == "GOOD"
    assert last["server_time"] > last["time"]
    assert await wheeltapper("trend", FLOW, "--json", "--points", "200", *place) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [("server_time" in row) for row in rows[-4:]] == [False, True] * 2
    assert await wheeltapper("trend", FLOW, "--from", "3h", "--to", "2h", *place) == 1
    assert await wheeltapper("trend", "P-101/none", *place) == 1
    assert "no tag" in capsys.readouterr().err
    assert await wheeltapper("trend", FLOW, "--state-dir", str(tmp_path / "no")) == 1


async def test_the_buffer_is_verified_and_repaired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await fill(tmp_path)
    place = ("--state-dir", str(tmp_path))
    assert await wheeltapper("buffer", "verify", *place) == 0
    assert "well" in capsys.readouterr().out
    assert await wheeltapper("buffer", "verify", "--json", *place) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert await wheeltapper("buffer", "repair", *place) == 0
    assert "is kept as" in capsys.readouterr().out
    assert await wheeltapper("buffer", "verify", "--state-dir", "/nowhere") == 1


async def test_the_buffers_status_is_the_hubs_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = {"counters": {"samples_read": 7}, "storage": {"healthy": True}}
    async with answering(tmp_path / "hub.sock", {"status": status}):
        place = ("--run-dir", str(tmp_path), "--state-dir", str(tmp_path))
        assert await wheeltapper("buffer", "status", *place) == 0
        assert "samples_read  7" in capsys.readouterr().out
        assert await wheeltapper("buffer", "status", "--json", *place) == 0
        files = {"encrypted": False, "damaged_files_kept": []}
        assert json.loads(capsys.readouterr().out) == {**status, **files}


def test_models_of_an_empty_shelf(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--state-dir", str(tmp_path), "--run-dir", str(tmp_path)]
    assert main(["models", "list", *place]) == 0
    assert "no model yet" in capsys.readouterr().out
    assert main(["models", "list", "--json", *place]) == 0
    assert main(["models", "activate", "P", "v1", *place]) == 1
    assert main(["models", "rollback", "P", *place]) == 1
    assert main(["models", "import", str(tmp_path), *place]) == 1
    assert main(["models", "verify", str(tmp_path)]) == 1


def test_a_process_that_cannot_start_says_why(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appliance.runtime.logs.configure", lambda _process: None)
    path = tmp_path / "plant.toml"
    path.write_text(CONFIG)
    (tmp_path / "buffer.db").mkdir()
    places = ["--state-dir", str(tmp_path), "--run-dir", str(tmp_path)]
    assert main(["hub", "-c", str(path), *places]) == 1
    assert "hub cannot start" in capsys.readouterr().err


def test_learning_refuses_what_cannot_be_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(CONFIG + '[[assets]]\nid = "P"\n')
    words = ["-c", str(path), "--state-dir", str(tmp_path)]
    assert main(["learn", "Q", *words]) == 2
    assert "known: P" in capsys.readouterr().err
    assert main(["learn", "P", *words]) == 1
    assert "buffer.db" in capsys.readouterr().err


def test_times_are_told_as_iso_or_as_so_long_ago() -> None:
    now_ns = 10**18
    assert when_ns("1h", now_ns) == now_ns - 3600 * 10**9
    assert when_ns("1970-01-01T00:00:01+00:00", now_ns) == 10**9
    with pytest.raises(CommandError, match="neither"):
        when_ns("yesterday", now_ns)


def test_the_demo_refuses_a_plan_that_cannot_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["demo", "--for", "5s"]) == 2
    assert main(["demo", "--for", "soon"]) == 2
    assert main(["demo", "--kill", "pump@3s"]) == 2
    assert "no program 'pump'" in capsys.readouterr().err
