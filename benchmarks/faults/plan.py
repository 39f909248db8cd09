"""The test plant's matrix: initiators of every kind, two elements, either protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DE = "P-101/DE/"
VIBRATIONS = (DE + "vibration_rms", DE + "vibration_rms_B", DE + "vibration_rms_C")
WINDING = "P-101/motor/winding_temperature"
BEARING = DE + "bearing_temperature"
SUCTION = "P-101/suction_pressure"
DISCHARGE = "P-101/discharge_pressure"
LEVEL = "T-101/level"
SPEED = "P-101/motor/speed"
HOURS = "P-101/hours_run"
MOTOR, VALVE = "P-101 motor", "V-102 flush valve"
BOTH = (MOTOR, VALVE)
FACES = ("modbus", "opcua")
HEALTHY: Mapping[str, float] = {
    **dict.fromkeys(VIBRATIONS, 2.0),
    WINDING: 70.0,
    BEARING: 45.0,
    SUCTION: 2.0,
    DISCHARGE: 6.0,
    LEVEL: 60.0,
    SPEED: 0.0,
}
"""What calibrators on the loops present while nothing is wrong."""
_REGISTERS = {
    VIBRATIONS[0]: (4, 0.001, "uint16", 0xFFFF),
    VIBRATIONS[1]: (12, 0.001, "uint16", 0xFFFF),
    VIBRATIONS[2]: (13, 0.001, "uint16", 0xFFFF),
    WINDING: (2, 0.1, "int16", 0x7FFF),
    BEARING: (3, 0.1, "int16", 0x7FFF),
    SUCTION: (5, 0.001, "uint16", 0xFFFF),
    DISCHARGE: (6, 0.001, "uint16", 0xFFFF),
    LEVEL: (8, 0.01, "uint16", 0xFFFF),
    SPEED: (0, 0.1, "uint16", 0xFFFF),
}
_HIGHEST = {**dict.fromkeys(VIBRATIONS, 40.0), WINDING: 180.0, BEARING: 140.0}
_SWITCHES = {
    "P-101/running": (0, "P-101/running"),
    "PLC-1/maintenance_granted": (4, "PLC-1/maintenance_granted"),
    "V-102/open": (5, "PLC-1/flush_valve_open"),
}
_POINTS = {
    "permit": ("coil", 0, "run_permit_request"),
    "flush": ("coil", 6, "flush_valve_permit"),
    "maintenance": ("coil", 4, "maintenance_request"),
    "heartbeat": ("holding", 0, "heartbeat"),
}
_TOLD = {"cause": "Damage", "consequence": "Seizure", "action": "Inspect"}
_TIMES = {"max_age_s": 0.4, "comms_loss_delay_s": 0.4, "process_safety_time_s": 20.0}


@dataclass(frozen=True)
class Row:
    """An initiator, the readings that demand it, and what it stops.

    `values` has None for a broken wire; a model's row is told a score instead.
    """

    keys: Mapping[str, Any]
    values: Mapping[str, float | None]
    stops: tuple[str, ...]

    @property
    def id(self) -> str:
        """Name of the initiator."""
        return str(self.keys["id"])


def _row(stops: tuple[str, ...], values: Mapping[str, float], **keys: Any) -> Row:  # noqa: ANN401 - the keys of the configuration
    return Row({**_TIMES, **_TOLD, **keys}, values, stops)


ROWS = (
    _row(
        BOTH,
        {VIBRATIONS[0]: 9.0, VIBRATIONS[2]: 9.0},
        id="vibration high-high",
        channels=VIBRATIONS,
        vote="2oo3",
        setpoint=7.1,
        deadband=0.5,
        on_delay_s=0.2,
    ),
    _row(
        (MOTOR,),
        {VIBRATIONS[1]: 15.0},
        id="vibration extreme",
        channels=VIBRATIONS[:2],
        vote="1oo2",
        setpoint=12.0,
    ),
    _row(
        (MOTOR,),
        {WINDING: 160.0, BEARING: 120.0},
        id="winding hot",
        channels=(WINDING,),
        setpoint=155.0,
    ),
    _row(
        (MOTOR,),
        {BEARING: 60.0},
        id="bearing heats up",
        channels=(BEARING,),
        condition="rate",
        rate_window_s=1.0,
        setpoint=5.0,
    ),
    _row(
        (VALVE,),
        {WINDING: 140.0},
        id="temperatures apart",
        channels=(WINDING, BEARING),
        condition="deviation",
        setpoint=80.0,
    ),
    _row(
        BOTH,
        {SUCTION: 0.3},
        id="suction lost",
        channels=(SUCTION,),
        condition="low",
        setpoint=0.5,
    ),
    _row(
        (VALVE,),
        {DISCHARGE: 12.0},
        id="discharge out of band",
        channels=(DISCHARGE,),
        condition="outside",
        setpoint=11.0,
        setpoint_low=1.0,
    ),
    _row(
        (VALVE,),
        {LEVEL: None},  # type: ignore[dict-item] # a broken wire
        id="level lost",
        channels=(LEVEL,),
        condition="low",
        setpoint=10.0,
    ),
    Row(
        {
            **_TOLD,
            "id": "anomaly",
            "source": "model",
            "tag": "P-101/anomaly_score",
            "setpoint": 0.9,
            "max_age_s": 2.0,
        },
        {},
        (MOTOR,),
    ),
)


def crosses() -> list[tuple[str, str]]:
    """Return every X of the matrix: initiator and element."""
    return [(row.id, element) for row in ROWS for element in row.stops]


def row_of(name: str) -> Row:
    """Return an initiator by its id."""
    return next(row for row in ROWS if row.id == name)


def configuration(
    face: str,
    *,
    read_port: int,
    write_port: int,
    period_s: float = 0.05,
    rows: tuple[Row, ...] = ROWS,
    mode: str = "armed",
    motor: Mapping[str, Any] | None = None,
    more_tags: str = "",
    priority: int = 0,
) -> str:
    """Return the TOML: transmitters by one connection, PLC and outputs by another."""
    parts = [
        'config_version = 1\n[site]\nid = "test"\ngateway = "gw-1"\n',
        '[[assets]]\nid = "P-101"\n',
        _table("safety", {"mode": mode, "scan_period_s": period_s})
        + f"realtime_priority = {priority}\n",
        _table(
            "safety.maintenance",
            {
                "output": "plc",
                "request": "maintenance",
                "granted": "PLC-1/maintenance_granted",
                "longest_s": 60.0,
            },
        ),
        _source(face, "field", read_port),
        "".join(_tag(face, tag) for tag in _REGISTERS),
        more_tags,
        _source(face, "plc", write_port),
        "".join(_switch(face, tag) for tag in _SWITCHES),
        "".join(_point(face, name) for name in _POINTS),
        "".join(_table("[safety.initiators]", row.keys) for row in rows),
        _element(MOTOR, {"point": "permit", "heartbeat": "heartbeat",
                         "feedback": "P-101/running", **(motor or {})}),
        _element(VALVE, {"point": "flush", "feedback": "V-102/open"}),
        _table("safety.matrix", {f'"{row.id}"': row.stops for row in rows}),
    ]  # fmt: skip
    return "\n".join(parts)


def hours_tag() -> str:
    """Return the TOML of the hour meter, a float of two registers."""
    keys = {"id": HOURS, "table": "input", "address": 10, "type": "float32"}
    return _table("[safety.sources.tags]", keys)


def _element(name: str, keys: Mapping[str, Any]) -> str:
    times = {"confirm_within_s": 2.0}
    return _table("[safety.elements]", {"id": name, "output": "plc", **times, **keys})


def _source(face: str, name: str, port: int) -> str:
    timeout_s = 0.3 if face == "modbus" else 1.0  # a session takes several answers
    head: dict[str, Any] = {"name": name, "connector": face, "timeout_s": timeout_s}
    if face == "modbus":
        return _table("[safety.sources]", {**head, "host": "127.0.0.1", "port": port})
    url = f"opc.tcp://127.0.0.1:{port}/"
    open_wide = {"policy": "none", "allow_insecure": True}
    return _table("[safety.sources]", {**head, "url": url}) + _table(
        "safety.sources.security", open_wide
    )


def _tag(face: str, tag: str) -> str:
    limits = {"range_low": 0.0, "range_high": _HIGHEST.get(tag, 2000.0)}
    if face == "opcua":
        return _table(
            "[safety.sources.tags]", {"id": tag, "node": _node(tag), **limits}
        )
    address, factor, kind, broken = _REGISTERS[tag]
    keys: dict[str, Any] = {
        "id": tag,
        "table": "input",
        "address": address,
        "type": kind,
    }
    keys |= {"factor": factor, "fault_raw": broken, **limits}
    return _table("[safety.sources.tags]", keys)


def _switch(face: str, tag: str) -> str:
    address, name = _SWITCHES[tag]
    where: dict[str, Any] = (
        {"node": _node(name)}
        if face == "opcua"
        else {"table": "discrete", "address": address}
    )
    return _table("[safety.sources.tags]", {"id": tag, **where})


def _point(face: str, name: str) -> str:
    table, address, point = _POINTS[name]
    if face == "opcua":
        kind = "Boolean" if table == "coil" else "UInt16"
        node = {"name": name, "node": _node(f"PLC-1/{point}"), "type": kind}
        return _table("[safety.sources.points]", node)
    keys: dict[str, Any] = {"name": name, "table": table, "address": address}
    if table == "holding":
        return _table("[safety.sources.points]", {**keys, "range": [0, 65_535]})
    return _table("[safety.sources.points]", keys)


def _node(tag: str) -> str:
    return f"nsu=urn:wheeltapper:sim-plant;s={tag}"


def _table(name: str, keys: Mapping[str, Any]) -> str:
    lines = [f"[{name}]", *(f"{key} = {_value(each)}" for key, each in keys.items())]
    return "\n".join(lines) + "\n"


def _value(given: object) -> str:
    match given:
        case bool():
            return str(given).lower()
        case str():
            return f'"{given}"'
        case list() | tuple():
            return f"[{', '.join(map(_value, given))}]"
        case _:
            return str(given)
