"""`[callout]`: what may be written, and what is said where it does not fit."""

from __future__ import annotations

import argparse
import re
import shlex
from datetime import date, datetime
from pathlib import Path

import pytest

from appliance.commands import alarms
from appliance.config import check_text
from appliance.config.crosscheck_callout import uncalled
from appliance.config.windows import parse_window
from appliance.sync.webhook import signature

SITE = '[site]\nid = "s"\ngateway = "g"\n'
PLC = """
[[sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
[[sources.tags]]
id = "P-101/flow"
table = "input"
address = 7
[[sources.points]]
name = "lamp"
table = "coil"
address = 9
"""
MAIL = """
[[callout.mail]]
name = "shift"
host = "mail.plant.example"
username = "gw"
password_file = "callout-password"
sender = "gw@plant.example"
recipients = ["shift@plant.example"]
"""
HOOK = """
[[callout.webhook]]
name = "pager"
url = "https://pager.example/v1?room=7"
"""
LAMP = """
[[callout.relay]]
name = "lamp"
source = "plc"
point = "lamp"
"""
STEPS = """
[[callout.steps]]
targets = ["shift", "pager", "lamp"]
[[callout.steps]]
targets = ["pager"]
after_s = 600
repeat_s = 900
"""
CALLOUT = f"[callout]\nholidays = [2026-12-25, 2026-12-26]\n{MAIL}{HOOK}{LAMP}{STEPS}"
SAFETY = """
[safety]
[[safety.sources]]
name = "field"
connector = "modbus"
host = "127.0.0.1"
[[safety.sources.points]]
name = "permit"
table = "coil"
address = 9
"""


def said(text: str) -> list[str]:
    _, problems = check_text(f"config_version = 1\n{SITE}{PLC}{text}")
    return [problem.text("f") for problem in problems]


def test_a_whole_one_is_well_and_leaves_nobody_uncalled() -> None:
    config, problems = check_text(f"config_version = 1\n{SITE}{PLC}{CALLOUT}")
    assert config is not None, problems
    callout = config.callout
    assert callout is not None
    assert callout.holidays == (date(2026, 12, 25), date(2026, 12, 26))
    assert [t.name for t in callout.targets] == ["shift", "pager", "lamp"]
    assert callout.leaves_the_gateway
    assert list(uncalled(callout)) == []


@pytest.mark.parametrize(
    ("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)]
)
def test_a_mail_server_is_dialled_where_it_usually_listens(
    security: str, port: int
) -> None:
    config, problems = check_text(
        f"config_version = 1\n{SITE}[callout]\n[[callout.mail]]\nname='a'\nhost='h'\n"
        f"security='{security}'\nsender='a@b.c'\nrecipients=['a@b.c']\n"
    )
    assert config is not None, problems
    assert config.callout is not None
    assert config.callout.mail[0].dialled_port == port


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"shift@plant.example"', '"a@b\\nBcc: c@d"', "is not like name@company"),
        ('"shift@plant.example"', '"shift"', "'shift' is not like name@company"),
        ("gw@plant.example", "gw@plant.example\\r\\nX: y", "should match pattern"),
        ("mail.plant.example", "mail plant", "should match pattern"),
        ('name = "shift"', 'name = "a\\nb"', "should match pattern"),
        ('password_file = "callout-password"', "", "password_file go together"),
        ('username = "gw"', 'username="gw"\nsecurity="none"', "a password needs"),
        ("https://pager.example", "http://pager.example", "in the clear"),
        ("https://pager.example", "http://localhost.evil.example", "in the clear"),
        ("https://pager.example", "https://me:secret@pager", "use bearer_file"),
        ("https://pager.example/v1?room=7", "https:///v1", "names no server"),
        ("https://pager.example", "https://pager.example:99999", "out of range"),
        ("https://pager", "https://pa ger", "should match pattern"),
        ("holidays = [2026-12-25,", 'time_zone = "Mars/X"\nholidays = [', "zone"),
        ('targets = ["pager"]', 'targets = ["boss"]', "there is no target 'boss'"),
        ('targets = ["pager"]', "targets = []", "at least 1 item"),
        ("after_s = 600", 'windows = ["nightly"]', "'nightly' is not like"),
        ('name = "pager"', 'name = "shift"', "'shift' is used twice"),
        ('point = "lamp"', 'point = "horn"', "'plc' permits no point 'horn'"),
        ('source = "plc"', 'source = "dcs"', "no source of the hub is called 'dcs'"),
        ("after_s = 600", "afer_s = 600", "did you mean 'after_s'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(
    old: str, new: str, problem: str
) -> None:
    assert old in CALLOUT
    (line,) = said(CALLOUT.replace(old, new, 1))[:1]
    assert "callout" in line
    assert problem in line


def test_a_final_element_of_safety_is_never_a_lamp() -> None:
    lines = said(CALLOUT + SAFETY)
    assert any("'lamp' is a final element of safety" in line for line in lines)
    lines = said(CALLOUT.replace('source = "plc"', 'source = "field"') + SAFETY)
    assert any("what safety writes is safety's alone" in line for line in lines)


def test_no_source_is_called_as_the_alarms_of_dead_targets() -> None:
    lines = said("").copy()
    lines += said(PLC.replace('"plc"', '"callout"').replace("flow", "level"))
    assert any("'callout' is the name of a part of ours" in line for line in lines)


def advice(steps: str, more: str = "") -> dict[str, str]:
    text = f"config_version = 1\n{SITE}{PLC}[callout]\n{more}{MAIL}{steps}"
    config, problems = check_text(text)
    assert config is not None, problems
    assert config.callout is not None
    return dict(uncalled(config.callout))


def test_an_hour_without_anybody_is_found() -> None:
    steps = '[[callout.steps]]\ntargets=["shift"]\nwindows=["06:00-22:00 weekdays"]\n'
    found = advice(steps, 'time_zone = "Europe/Berlin"\n')
    assert found["critical alarms"] == "nobody is called on Monday at 00:00"
    steps += '[[callout.steps]]\ntargets=["shift"]\npriorities=["critical"]\n'
    found = advice(steps, 'time_zone = "Europe/Berlin"\n')
    assert set(found) == {"high alarms"}
    assert set(advice(steps)) == {"high alarms", "time_zone"}


def test_a_target_that_no_step_calls_is_found() -> None:
    found = advice("")
    assert found["shift"] == "no step calls it; name it in [[callout.steps]]"
    assert found["critical alarms"] == "nobody is called at any time"


@pytest.mark.parametrize(
    ("words", "at", "holds"),
    [
        ("08:00-16:00 weekdays", "2026-12-25 10:00", False),  # a Friday, a holiday
        ("08:00-16:00 sun", "2026-12-25 10:00", True),
        ("22:00-06:00 fri", "2026-12-26 03:00", False),  # Friday night did not begin
        ("22:00-06:00 sun", "2026-12-26 03:00", True),
        ("22:00-06:00 thu", "2026-12-25 03:00", True),  # the night before it did
    ],
)
def test_a_holiday_is_a_sunday(words: str, at: str, *, holds: bool) -> None:
    christmas = {date(2026, 12, 25)}
    local = datetime.fromisoformat(at)
    assert parse_window(words).holds(local, christmas) is holds


HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "be-called.md"


def test_the_how_to_is_a_configuration_that_leaves_no_hour_out() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    plc = PLC.replace('"lamp"', '"horn"')
    config, problems = check_text(f"config_version = 1\n{SITE}{plc}{text}")
    assert config is not None, problems
    assert config.callout is not None
    assert list(uncalled(config.callout)) == []


def test_the_how_to_names_commands_that_there_are() -> None:
    parser = argparse.ArgumentParser()
    alarms.configure(parser, "alarms")
    lines = re.findall(r"^wheeltapper alarms .*$", HOW_TO.read_text(), re.MULTILINE)
    acts = [parser.parse_args(shlex.split(x, comments=True)[2:]).act for x in lines]
    assert acts == ["call", "calls"]


def test_the_how_to_checks_a_signature_as_we_make_it() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    shown: dict[str, object] = {}
    exec(code, shown)  # noqa: S102 - the page's own example
    is_ours = shown["is_ours"]
    assert callable(is_ours)
    header = f"t=17,sha256={signature('k3y', '17', b'body')}"
    assert is_ours(header, b"body", b"k3y")
    assert not is_ours(header, b"bodY", b"k3y")
