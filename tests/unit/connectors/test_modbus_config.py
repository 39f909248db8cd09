from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connectors.modbus.registers import RegisterType, Table
from connectors.modbus.wiring import SerialSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.modbus.config import ModbusSettings

    Build = Callable[..., ModbusSettings]


TAG = {"id": "a/b", "table": "input", "address": 0}
DEVICE = {"name": "meter", "device_id": 3}
OTHER = {"name": "drive", "device_id": 4}
NOBODY = {"name": "all", "device_id": 0}
PORT = {"port": "/dev/ttyS0"}


def with_tag(build: Build, **keys: object) -> ModbusSettings:
    return build(tags=[TAG | keys])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"table": "coil", "type": "uint16"}, "is a bit"),
        ({"table": "discrete", "bit": 1}, "is a bit"),
        ({"type": "bit"}, "go together"),
        ({"bit": 3}, "go together"),
        ({"address": 65_535, "type": "float32"}, "behind address"),
        ({"address": 65_536}, "not within 0..65535"),
        ({"address": 0, "addressing": "one-based"}, "the first is 1"),
        ({"reference": "40001"}, "says it all"),
        ({"table": None, "address": None}, "say where it lies"),
        ({"table": None, "address": None, "reference": "40000"}, "count from 1"),
        ({"bits": [0, 3], "type": "int16"}, "are cut from"),
        ({"bits": [3, 0]}, "lowest and highest"),
        ({"bits": [0, 16]}, "within 0..15"),
        ({"byte": "low"}, "goes with int8"),
        ({"type": "string"}, "`length`"),
        ({"length": 3}, "`length`"),
        ({"type": "string", "length": 4, "factor": 2}, "cannot be scaled"),
        ({"type": "string", "length": 4, "fault_raw": 0}, "no `fault_raw`"),
        ({"order": "CDAB", "word_order": "little"}, "`order` replaces"),
        ({"raw_low": 0}, "go together"),
        ({"raw_low": 0, "raw_high": 9}, "need `low` and `high`"),
        ({"raw_low": 9, "raw_high": 9, "low": 0, "high": 1}, "are the same"),
        ({"raw_low": 0, "raw_high": 9, "low": 1, "high": 1}, "`factor` is 0"),
        ({"raw_low": 0, "raw_high": 9, "factor": 2.0}, "replace `factor`"),
        ({"low": 0}, "need `raw_low`"),
        ({"factor": 0}, "`factor` is 0"),
        ({"fault_raw": -1}, "does not fit uint16"),
        ({"table": "coil", "fault_raw": 1}, "no `fault_raw`"),
        ({"group": "fast"}, "unknown group 'fast'"),
        ({"word_order": "middle"}, "big"),
    ],
)
def test_a_tag_that_cannot_be_is_refused(
    modbus: Build, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        with_tag(modbus, **keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"table": "input"}, "cannot be written"),
        ({"table": "discrete"}, "cannot be written"),
        ({"type": "bit", "bit": 0}, "overwrite its other bits"),
        ({"bits": [0, 3]}, "overwrite its other bits"),
        ({"type": "uint8"}, "overwrite its other bits"),
        ({"type": "string", "length": 2}, "a string cannot be written"),
        ({"values": []}, "say what may be written"),
        ({"range": [0, 1]}, "not both"),
        ({"values": [], "range": [1, 0]}, "is \\[low, high\\]"),
        ({"values": [], "range": "all"}, "every value of the type"),
        ({"values": [65_536]}, "does not fit"),
        ({"table": "coil", "values": [], "range": [0, 1]}, "has no `range`"),
        ({"table": "coil", "values": [2]}, "neither 0 nor 1"),
    ],
)
def test_a_point_that_cannot_be_written_is_refused(
    modbus: Build, keys: dict[str, Any], message: str
) -> None:
    point = {"name": "permit", "table": "holding", "address": 0, "values": [0]}
    with pytest.raises(ValidationError, match=message):
        modbus(points=[point | keys])


def test_a_point_is_listed_once(modbus: Build) -> None:
    point = {"name": "permit", "table": "coil", "address": 0}
    with pytest.raises(ValidationError, match="listed twice"):
        modbus(points=[point, point | {"address": 1}])


def test_a_poll_slower_than_stale_is_refused(modbus: Build) -> None:
    with pytest.raises(ValidationError, match="must be longer"):
        modbus(period_s=10.0, tags=[{"id": "a/b", "table": "coil", "address": 0}])


def test_an_unused_slow_group_makes_nothing_stale(modbus: Build) -> None:
    settings = modbus(
        groups=[{"name": "slow", "period_s": 60.0}],
        tags=[{"id": "a/b", "table": "coil", "address": 0}],
    )
    assert settings.periods_s == {"poll": 1.0, "slow": 60.0}


def test_types_follow_from_the_table(modbus: Build) -> None:
    settings = modbus(
        tags=[
            {"id": "a/b", "table": "coil", "address": 0},
            {"id": "a/c", "table": "holding", "address": 0},
        ]
    )
    kinds = [tag.encoding.type for tag in settings.tags]
    assert kinds == [RegisterType.BIT, RegisterType.UINT16]


def test_orders_by_name_are_those_of_the_manuals(modbus: Build) -> None:
    (tag,) = with_tag(modbus, type="float32", order="CDAB").tags
    assert (tag.encoding.word_order, tag.encoding.byte_order) == ("little", "big")


def test_a_reference_says_table_and_address(modbus: Build) -> None:
    settings = modbus(tags=[{"id": "a/b", "reference": "30008"}])
    place = settings.tags[0].place
    assert (place.table, place.address) == (Table.INPUT, 7)


def test_one_way_of_counting_holds_for_the_whole_source(modbus: Build) -> None:
    settings = modbus(
        addressing="one-based",
        tags=[
            {"id": "a/b", "table": "input", "address": 1},
            {"id": "a/c", "table": "input", "address": 1, "addressing": "zero-based"},
            {"id": "a/d", "reference": "30001"},
        ],
        points=[{"name": "run", "table": "coil", "address": 65_536}],
    )
    assert [tag.place.address for tag in settings.tags] == [0, 1, 0]
    assert settings.points[0].place.address == 65_535


def test_one_device_needs_no_list(modbus: Build) -> None:
    settings = modbus(device_id=7, timeout_s=0.5, max_registers=60)
    (device,) = settings.device_table
    assert (device.name, device.device_id, device.timeout_s) == ("", 7, 0.5)
    assert device.limits.max_registers == 60


def test_devices_have_their_own_limits_or_those_of_the_source(modbus: Build) -> None:
    settings = modbus(
        max_gap=4,
        devices=[
            {"name": "meter", "device_id": 3, "timeout_s": 0.2, "max_registers": 20},
            {"name": "drive", "device_id": 4},
        ],
        tags=[{"id": "a/b", "table": "input", "address": 0, "device": "drive"}],
    )
    meter, drive = settings.device_table
    assert (meter.timeout_s, meter.limits.max_registers) == (0.2, 20)
    assert (drive.timeout_s, drive.limits.max_registers) == (1.0, 125)
    assert meter.limits.max_gap == drive.limits.max_gap == 4
    assert settings.device_of(settings.tags[0]) == drive


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"device_id": 1}, "remove it"),
        ({"devices": [DEVICE, DEVICE | {"device_id": 5}]}, "listed twice"),
        ({"devices": [DEVICE, DEVICE | {"name": "other"}]}, "listed twice"),
        ({"tags": [TAG | {"device": "x"}]}, "unknown device 'x'; known: meter"),
        ({"devices": [DEVICE, OTHER], "tags": [TAG]}, "say which `device`: meter"),
        ({"devices": [], "tags": [TAG | {"device": "x"}]}, "list it under"),
        ({"transport": "rtu-over-tcp", "devices": [NOBODY]}, "nobody answers"),
    ],
)
def test_devices_that_cannot_be_are_refused(
    modbus: Build, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        modbus(**{"devices": [DEVICE]} | keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"transport": "rtu"}, "needs `serial`"),
        (
            {"transport": "rtu", "serial": PORT, "host": "192.0.2.1"},
            "`host` has no use",
        ),
        ({"serial": PORT}, "`serial` goes with"),
        ({"host": ""}, "needs a `host`"),
        ({"tls": {}}, "`tls` goes with"),
        ({"transport": "tls", "tls": {"key": "k.pem"}}, "go together"),
        (
            {"transport": "tls", "tls": {"allow_unverified": True, "ca": "ca.pem"}},
            "pretend to be the device",
        ),
    ],
)
def test_wires_that_cannot_be_are_refused(
    modbus: Build, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        modbus(**keys)


def test_a_serial_port_is_told_to_who_checks_for_two_masters(modbus: Build) -> None:
    settings = modbus(transport="rtu", host="", serial=PORT)
    assert settings.shared_port() == settings.where == "/dev/ttyS0"
    assert modbus().shared_port() is None


def test_tls_has_a_port_of_its_own(modbus: Build) -> None:
    assert modbus(transport="tls").port == 802
    assert modbus(transport="tls", port=10_802).port == 10_802
    assert modbus().port == 502


@pytest.mark.parametrize(
    ("baudrate", "parity", "silence_s"),
    [
        (9_600, "even", 3.5 * 11 / 9_600),
        (19_200, "none", 3.5 * 10 / 19_200),
        (115_200, "even", 0.001_75),
    ],
)
def test_rtu_keeps_silent_between_frames(
    baudrate: int, parity: str, silence_s: float
) -> None:
    serial = SerialSettings.model_validate(
        {"port": "/dev/ttyS0", "baudrate": baudrate, "parity": parity}
    )
    assert serial.silence_s == pytest.approx(silence_s)


def test_one_place_has_one_permit(modbus: Build) -> None:
    point = {"name": "a", "table": "coil", "address": 3}
    with pytest.raises(ValidationError, match="device 1 coil 3"):
        modbus(points=[point, point | {"name": "b"}])
