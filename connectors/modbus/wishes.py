"""What the command line of `discover modbus` asks for, in our words. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from connectors.modbus.candidates import Expectation
from connectors.modbus.notation import ADDRESSES, NotationError, parse_reference

if TYPE_CHECKING:
    from argparse import Namespace

    from connectors.modbus.registers import Table

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NAMED = r"(?:(?P<name>[^=@]*)(?:@(?P<place>[^=]+))?=)?"
_EXPECT = re.compile(
    rf"{_NAMED}(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})(?:\s+(?P<unit>.+))?"
)
_NEAR = re.compile(rf"{_NAMED}(?P<value>{_NUMBER})(?:\s+(?P<unit>.+))?")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_PLACE = re.compile(r"(?:(?P<device>\d+):)?(?P<reference>\w+)")
_NEARNESS = 0.1
_DEVICES = range(256)
_HOST = re.compile(r"(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d+))?")


class WishError(ValueError):
    """The words make no sense; the message says what does."""


def expectation_of(text: str) -> Expectation:
    """Return what `flow@30008=0..120 m3/h` says; only the range must be there.

    Raises:
        WishError: It is not of that form.
    """
    found = _EXPECT.fullmatch(text.strip())
    if found is None:
        raise WishError(
            f"--expect {text!r}: write NAME=LOW..HIGH, such as 'flow=60..100 m3/h', or "
            "with the register 'flow@30008=60..100'"
        )
    low, high = float(found["low"]), float(found["high"])
    if low > high:
        raise WishError(f"--expect {text!r}: the lower end comes first")
    return _expectation(found, low, high)


def nearness_of(text: str) -> Expectation:
    """Return what `40` or `flow@30008=40 m3/h` says: within a tenth of that.

    Raises:
        WishError: It is not of that form.
    """
    found = _NEAR.fullmatch(text.strip())
    if found is None:
        raise WishError(f"--near {text!r}: write 40, or NAME=40, or NAME@30008=40")
    value = float(found["value"])
    off = max(abs(value) * _NEARNESS, _NEARNESS)
    return _expectation(found, value - off, value + off)


def numbers_of(text: str) -> tuple[int, ...]:
    """Return the device numbers that `1-16,20` names.

    Raises:
        WishError: It is not of that form, or no device can have such a number.
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        found |= dict.fromkeys(_span(part.strip(), "--units", "1-16", len(_DEVICES)))
    return tuple(found)


def addresses_of(text: str) -> range:
    """Return the addresses that `3000-3999` names.

    Raises:
        WishError: It is not of that form.
    """
    return _span(text.strip(), "--addresses", "3000-3999", ADDRESSES)


def host_of(text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of `plc`, `plc:502` or `[::1]:502`.

    Raises:
        WishError: It is not of that form.
    """
    found = _HOST.fullmatch(text)
    if found is None:
        raise WishError(f"{text!r}: write HOST or HOST:PORT")
    return found["six"] or found["host"], int(found["port"] or default_port)


def source_keys(args: Namespace) -> dict[str, Any]:
    """Return the keys of the source that lead to the other side.

    Raises:
        WishError: The arguments contradict each other.
    """
    keys: dict[str, Any] = {"name": args.source, "connector": "modbus"}
    if (args.host is None) == (args.serial is None):
        raise WishError("give a HOST, or a serial port: --serial /dev/ttyUSB0")
    if args.serial is not None:
        return keys | {"transport": "ascii" if args.ascii else "rtu"}
    ways = (
        (args.tls, "tls"),
        (args.ascii, "ascii-over-tcp"),
        (args.rtu_over_tcp, "rtu-over-tcp"),
    )
    transports = [name for is_chosen, name in ways if is_chosen]
    if len(transports) > 1:
        raise WishError("choose one of --tls, --rtu-over-tcp and --ascii")
    transport = transports[0] if transports else "tcp"
    host, port = host_of(args.host, 802 if args.tls else 502)
    return keys | {"transport": transport, "host": host, "port": port}


def wire_tables(args: Namespace) -> list[tuple[str, dict[str, Any]]]:
    """Return the tables below the source: its serial port, or its certificates."""
    if args.serial is not None:
        keys = {
            "port": args.serial,
            "baudrate": args.baudrate,
            "parity": args.parity,
            "stop_bits": args.stop_bits,
            "data_bits": 7 if args.ascii else 8,
        }
        return [("sources.serial", keys)]
    if not args.tls:
        return []
    files = ("ca", "certificate", "key")
    given = {name: getattr(args, name) for name in files}
    keys = {name: str(path) for name, path in given.items() if path is not None}
    if args.server_name is not None:
        keys["server_name"] = args.server_name
    if args.allow_unverified:
        keys["allow_unverified"] = True
    return [("sources.tls", keys)]


def _expectation(found: re.Match[str], low: float, high: float) -> Expectation:
    name = (found["name"] or "").strip()
    place = None if found["place"] is None else _place_of(found["place"])
    return Expectation(name, low, high, (found["unit"] or "").strip(), place)


def _place_of(text: str) -> tuple[int | None, Table, int]:
    found = _PLACE.fullmatch(text.strip())
    if found is None:
        raise WishError(f"@{text}: write a reference, such as @30008 or @3:30008")
    try:
        table, address = parse_reference(found["reference"])
    except NotationError as error:
        raise WishError(str(error)) from error
    device = None if found["device"] is None else int(found["device"])
    return device, table, address


def _span(text: str, option: str, example: str, most: int) -> range:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise WishError(f"{option} {text!r}: write for example {option} {example}")
    first, last = int(found[1]), int(found[2] or found[1])
    if not first <= last < most:
        raise WishError(f"{option} {text!r}: within 0-{most - 1}, the lower end first")
    return range(first, last + 1)
