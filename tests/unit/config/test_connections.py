"""A device that takes few connections is not dialled more often."""

from __future__ import annotations

import pytest

from appliance.config import check_text

HUB = """
[[sources]]
name = "{name}"
connector = "modbus"
host = "192.0.2.10"
{more}
[[sources.tags]]
id = "P-101/{name}"
table = "input"
address = 0
"""


def hub(*sources: tuple[str, str]) -> str:
    texts = (HUB.format(name=name, more=more) for name, more in sources)
    return 'config_version = 1\nsite = {id = "s", gateway = "g"}\n' + "".join(texts)


def safety(*, points: bool) -> str:
    text = HUB.format(name="stop", more="accepts = 1").replace(
        "sources", "safety.sources"
    )
    point = '[[safety.sources.points]]\nname = "run"\ntable = "coil"\naddress = 0\n'
    return text + (point if points else "")


def complaints(text: str) -> list[str]:
    return [
        str(problem) for problem in check_text(text)[1] if "connection" in str(problem)
    ]


def test_two_sources_on_a_device_that_takes_one_connection_are_refused() -> None:
    """Whoever of the two says so, and the remedy is named."""
    for first, second in (("accepts = 1", ""), ("", "accepts = 1")):
        (told,) = complaints(hub(("a", first), ("b", second)))
        assert "sources[1]" in told
        assert "192.0.2.10:502 takes 1 connection, and 2 are opened, by a and b" in told
        assert "[[sources.devices]]" in told


def test_two_sources_are_well_where_nobody_says_that_it_is_too_much() -> None:
    assert not complaints(hub(("a", ""), ("b", "connections = 4")))


def test_as_many_as_the_device_takes_are_well() -> None:
    assert not complaints(hub(("a", "accepts = 3\nconnections = 2"), ("b", "")))


def test_the_same_host_on_another_port_is_another_device() -> None:
    assert not complaints(hub(("a", "accepts = 1"), ("b", "port = 503")))


@pytest.mark.parametrize("points", [False, True])
def test_the_hub_gives_way_to_safety(points: bool) -> None:
    (told,) = complaints(hub(("a", "")) + safety(points=points))
    assert "sources[0]" in told
    assert "by stop and a" in told


def test_safety_reads_and_writes_on_one_connection_where_there_is_only_one() -> None:
    text = 'config_version = 1\nsite = {id = "s", gateway = "g"}\n'
    assert not complaints(text + safety(points=True))


def test_more_lines_than_the_device_takes_are_refused() -> None:
    found = check_text(hub(("a", "accepts = 1\nconnections = 2")))[1]
    assert any("more than the device `accepts`" in str(each) for each in found)


SERIAL = """
[[sources]]
name = "{name}"
connector = "modbus"
transport = "rtu"
serial = {{port = "/dev/ttyS{port}", baudrate = 19200}}
[[sources.tags]]
id = "P-101/{name}"
table = "input"
address = 0
"""


def told_of_ports(*sources: tuple[str, int]) -> list[str]:
    head = 'config_version = 1\nsite = {id = "s", gateway = "g"}\n'
    text = head + "".join(SERIAL.format(name=n, port=p) for n, p in sources)
    return [str(each) for each in check_text(text)[1] if "serial port" in str(each)]


def test_two_sources_on_one_serial_port_are_refused() -> None:
    """A bus has one master, and the remedy is named."""
    (told,) = told_of_ports(("a", 0), ("b", 0))
    assert "sources[1]" in told
    assert "already" in told
    assert "list both devices in one source" in told


def test_two_sources_on_two_serial_ports_are_well() -> None:
    assert not told_of_ports(("a", 0), ("b", 1))
