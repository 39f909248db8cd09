from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from connectors.modbus.registers import RegisterType

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.modbus.config import ModbusSettings

    Build = Callable[..., ModbusSettings]


def with_tag(build: Build, **keys: object) -> ModbusSettings:
    return build(tags=[{"id": "a/b", "table": "input", "address": 0} | keys])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"table": "coil", "type": "uint16"}, "is a bit"),
        ({"table": "discrete", "bit": 1}, "is a bit"),
        ({"type": "bit"}, "go together"),
        ({"bit": 3}, "go together"),
        ({"address": 65_535, "type": "float32"}, "behind address"),
        ({"address": 65_536}, "less than 65536"),
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
    ],
)
def test_a_point_that_cannot_be_written_is_refused(
    modbus: Build, keys: dict[str, Any], message: str
) -> None:
    point = {"name": "permit", "table": "holding", "address": 0}
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
