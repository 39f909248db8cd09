"""`discover`, `read` and `write` as people use them, against real devices."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from typing import TYPE_CHECKING

import pytest

from appliance.cli import main
from appliance.runtime import drafts
from tests.contract.network_rigs import ModbusRig
from tests.contract.wires import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.wires import ServerLoop


async def wheeltapper(*words: str) -> int:
    return await asyncio.to_thread(main, words)


@pytest.fixture
def no_log_is_changed() -> Iterator[None]:
    import logging  # noqa: PLC0415 - what a command configures is put back

    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name in ("asyncua", "paho", "amqtt", "transitions", "pymodbus"):
        logging.getLogger(name).setLevel(logging.NOTSET)


pytestmark = pytest.mark.usefixtures("no_log_is_changed")


class Bench:
    """A rig, and a configuration that leads to it."""

    def __init__(self, rig: ModbusRig, folder: Path) -> None:
        self.rig = rig
        self.folder = folder
        self.run_dir = folder / "run"
        self.run_dir.mkdir()
        self.config = folder / "plant.toml"

    def write(self, *, safety: bool = False, **changed: object) -> None:
        given = self.rig.settings.model_dump(exclude_unset=True, mode="json")
        given |= {"accepts": 8} | changed
        listed = {key: given.pop(key) for key in ("tags", "points", "groups")}
        name = "safety.sources" if safety else "sources"
        lines = [drafts.HEADING, *drafts.table(name, given, many=True)]
        for key, rows in listed.items():
            for row in rows:
                lines += drafts.table(f"{name}.{key}", row, many=True)
        self.config.write_text("\n".join(lines))

    async def __call__(self, word: str, *words: str) -> int:
        return await wheeltapper(
            word, *words, "-c", str(self.config), "--run-dir", str(self.run_dir),
            "--state-dir", str(self.folder),
        )  # fmt: skip

    def listen_as(self, process: str) -> socket.socket:
        """Hold the socket of a process, as it does while it runs."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.bind(str(self.run_dir / f"{process}.sock"))
        link.listen()
        return link


@pytest.fixture
async def bench(tmp_path: Path, servers: ServerLoop) -> Bench:
    built = ModbusRig(tmp_path, servers)
    await built.start()
    found = Bench(built, tmp_path)
    found.write()
    return found


async def test_read_shows_each_step_from_the_wire_to_the_value(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await bench("read", "rig/level", "rig/run*", "--json") == 0
    level, running = json.loads(capsys.readouterr().out)
    assert level["quality"] == "good"
    assert level["value"] == pytest.approx(int(level["raw"], 16) * 0.1)
    assert level["decoded"] == str(int(level["raw"], 16))
    assert 0 <= level["age_s"] < 5
    assert running["raw"] == "1"
    assert await bench("read", "rig/level", "--watch", "2", "--every", "0.01") == 0
    assert capsys.readouterr().out.count("rig/level") == 2
    await bench.rig.stop()


async def test_a_bad_tag_is_a_finding_with_the_name_of_its_status(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await bench("read", "--all") == 1
    page = capsys.readouterr().out
    assert "BAD BadSensorFailure" in page
    assert "BAD BadOutOfRange" in page
    assert "BAD BadNodeIdUnknown" in page
    await bench.rig.stop()


@pytest.mark.parametrize(
    "words", [("no/such",), (), ("--all", "x/y"), ("a", "--source", "b")]
)
async def test_what_cannot_be_meant_is_a_usage_error(
    bench: Bench, words: tuple[str, ...]
) -> None:
    assert await bench("read", *words) == 2
    await bench.rig.stop()


async def test_a_plant_that_is_off_is_not_reachable(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    await bench.rig.cut()
    assert await bench("read", "rig/level") == 69
    assert "source rig: no connection to" in capsys.readouterr().err
    write = ("write", "setpoint", "5", "--source", "rig", "--yes", "--timeout", "1")
    assert await bench(*write) == 69


async def test_a_device_with_one_connection_is_left_to_the_running_hub(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.write(accepts=1)
    assert await bench("read", "rig/level") == 0
    with bench.listen_as("hub"):
        assert await bench("read", "rig/level") == 1
        error = capsys.readouterr().err
        assert "bears one connection, and the running hub holds it" in error
        assert "systemctl stop wheeltapper-hub" in error
        write = ("write", "setpoint", "5", "--source", "rig", "--yes")
        assert await bench(*write) == 1
    await bench.rig.stop()


async def test_a_listed_point_is_written_read_back_and_audited(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await bench("write", "setpoint", "0", "--source", "rig", "--yes") == 0
    assert await bench("write", "setpoint", "77", "--source", "rig", "--yes") == 0
    shown = capsys.readouterr()
    assert "setpoint: 77 written and read back" in shown.out
    assert "rig/setpoint = 77 by " in shown.err
    await bench.rig.stop()


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("setpoint", "70000", "--source", "rig"), 1, "does not fit"),
        (("locked", "7", "--source", "rig"), 1, "not permitted"),
        (("locked", "1", "--source", "rig"), 1, "refused"),
        (("stubborn", "9", "--source", "rig"), 1, "read back"),
        (("level", "1", "--source", "rig"), 2, "List it under [[sources.points]]"),
        (("setpoint", "1", "--source", "other"), 2, "no source 'other'"),
        (("setpoint", "nan", "--source", "rig"), 2, "not a value"),
    ],
)
async def test_what_is_not_listed_is_not_written(
    bench: Bench,
    words: tuple[str, ...],
    code: int,
    why: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await bench("write", *words, "--yes") == code
    assert why in capsys.readouterr().err
    await bench.rig.stop()


async def test_a_person_types_the_points_name(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    words = ("write", "setpoint", "5", "--source", "rig")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert await bench(*words) == 2
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert await bench(*words) == 1
    assert "not written" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Terminal("setpoint\n"))
    assert await bench(*words) == 0
    await bench.rig.stop()


async def test_the_points_of_a_running_safety_process_are_its_own(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.write(safety=True)
    words = ("write", "setpoint", "5", "--source", "rig", "--yes")
    with bench.listen_as("safety"):
        assert await bench(*words) == 1
        assert "belongs to the safety process" in capsys.readouterr().err
        # By another source, to the same place: the same refusal.
        safety = bench.config.read_text()
        bench.write(name="hub-side")
        own = bench.config.read_text().partition("[[sources]]")[2]
        own = own.replace('id = "rig/', 'id = "own/')
        bench.config.write_text(f"{safety}\n[[sources]]{own}")
        words = ("write", "setpoint", "5", "--source", "hub-side", "--yes")
        assert await bench(*words) == 1
        assert "wheeltapper trips stop" in capsys.readouterr().err
    assert await bench(*words) == 0
    await bench.rig.stop()


async def test_discover_writes_a_file_once_adds_to_it_and_replaces_it_if_told(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    out = bench.folder / "new.toml"
    host = f"127.0.0.1:{bench.rig.gate.port}"
    words = [
        "discover", "modbus", host, "--units", "1", "--addresses", "0-9",
        "--interval", "0.01", "--state-dir", str(bench.folder),
    ]  # fmt: skip
    assert await wheeltapper(*words, "--out", str(out)) == 0
    assert await wheeltapper("check", str(out)) == 0
    assert await wheeltapper(*words, "--out", str(out)) == 2
    assert "exists and is left as it is" in capsys.readouterr().err
    assert await wheeltapper(*words, "--out", str(out), "--add") == 1
    assert "--source NAME" in capsys.readouterr().err
    other = (*words, "--source", "other", "--out", str(out), "--add")
    assert await wheeltapper(*other) == 0
    assert await wheeltapper("check", str(out)) == 0
    assert out.read_text().count("[[sources]]") == 2
    assert await wheeltapper(*words, "--out", str(out), "--force") == 0
    assert out.read_text().count("[[sources]]") == 1
    capsys.readouterr()
    assert await wheeltapper(*words) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("config_version = 1")
    assert "requests were made" in shown.err
    assert await wheeltapper(*words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["toml"] == shown.out
    await bench.rig.stop()


async def test_discover_says_in_one_line_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ("--state-dir", str(tmp_path))
    nobody = f"127.0.0.1:{free_port()}"
    assert await wheeltapper("discover", "modbus", nobody, *state) == 69
    assert await wheeltapper("discover", "modbus", *state) == 2
    assert await wheeltapper("discover", "opcua", f"opc.tcp://{nobody}", *state) == 69
    assert await wheeltapper("discover", "opcua", "plc", *state) == 2
    add = ("discover", "modbus", nobody, "--add", *state)
    assert await wheeltapper(*add) == 2
    assert len(capsys.readouterr().err.splitlines()) == 5
