"""The command line refuses what it cannot do, in words."""

from __future__ import annotations

import pytest

from sim_plant.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-story"], "no scenario is called 'no-such-story'"),
        (["healthy", "--mark", "P-101/flow"], "is not TAG>VALUE"),
        (["healthy", "--mark", "P-9/flow>3"], "no transmitter is called 'P-9/flow'"),
        (["healthy", "--opcua-port", "70000"], "70000 is not a TCP port"),
        (["healthy", "--speed", "-1"], "-1 is not a number from 0 up"),
        (["healthy", "--fault-at", "nan"], "nan is not a number from 0 up"),
        (["healthy", "--seed", "-5"], "-5"),
    ],
)
def test_bad_usage_is_exit_two_and_says_why(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err
