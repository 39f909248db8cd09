"""`wheeltapper discover modbus HOST`: devices, registers, and what they may mean.

Only functions that read are used. Every question is counted, and so is the time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.domain.commissioning import Exploration
from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.knock import knock
from connectors.modbus.config import ModbusSettings
from connectors.modbus.findings import draft, findings
from connectors.modbus.scan import (
    TABLES,
    Allowance,
    Asker,
    OutOfQuestionsError,
    Seen,
    find_areas,
    find_devices,
    read_areas,
)
from connectors.modbus.wishes import (
    addresses_of,
    expectation_of,
    nearness_of,
    numbers_of,
    source_keys,
    wire_tables,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from appliance.domain.ports import Clock
    from connectors.modbus.scan import Spot

_ALIKE: Final = 3
"""So many numbers, and all answer: then it is one device, which does not look."""
_QUESTION: Final = bytes.fromhex("000100000006010300000001")
_KNOCK_S: Final = 2.0
_SERIAL_ADVICE: Final = (
    "is it that port (ls /dev/serial/by-id), does nothing else use it (a running hub "
    "or safety), are baud rate and parity those of the device, and are A and B the "
    "right way round?"
)


class ModbusExplorer:
    """Looks for devices, addresses and meanings, within bounds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare what it wants to know on the command line."""
        _add_wire(parser)
        add = parser.add_argument
        add("--units", default="1-16", metavar="LIST",
            help="device numbers to ask (default %(default)s)")  # fmt: skip
        add("--addresses", default="0-65535", metavar="RANGE",
            help="zero-based addresses to look at (default: all)")  # fmt: skip
        add("--most", type=int, default=1000, metavar="N",
            help="enough addresses of one table (default %(default)s)")  # fmt: skip
        add("--expect", action="append", default=[], metavar="WHAT",
            help="a quantity that is there: 'flow=60..100 m3/h', with its register "
            "'flow@30008=60..100'; the narrower, the surer")  # fmt: skip
        add("--near", action="append", default=[], metavar="WHAT",
            help="the same by what a gauge shows: 40, 'flow=40 m3/h'")  # fmt: skip
        add("--readings", type=int, default=3, metavar="N",
            help="how often everything is read (default %(default)s)")  # fmt: skip
        add("--interval", type=float, default=0.5, metavar="S",
            help="between two readings (default %(default)s)")  # fmt: skip
        add("--max-requests", type=int, default=2000, metavar="N",
            help="questions in all (default %(default)s)")  # fmt: skip
        add("--max-seconds", type=float, default=120.0, metavar="S",
            help="time in all (default %(default)s)")  # fmt: skip
        add("--timeout", type=float, default=1.0, metavar="S",
            help="patience with one answer (default %(default)s)")  # fmt: skip
        add("--source", default="plant", metavar="NAME",
            help="the source's name (default %(default)s)")  # fmt: skip

    async def explore(self, args: Namespace) -> Exploration:
        """Look, within the bounds that `args` set.

        Raises:
            SourceUnavailableError: Nobody answers, or not in Modbus.
            ValueError: The arguments contradict each other.
        """
        expected = [
            *map(expectation_of, args.expect),
            *map(nearness_of, args.near),
        ]
        settings = _settings(args, numbers_of(args.units))
        until_s = self._clock.now_s() + args.max_seconds
        allowance = Allowance(args.max_requests, until_s)
        asker, seen = Asker(settings, self._clock, allowance), Seen()
        try:
            await self._scan(asker, seen, args)
        except OutOfQuestionsError:
            seen.notes.append(
                f"stopped after {allowance.asked} requests, so this is not all; raise "
                "--max-requests or --max-seconds, or ask for less: --units, --addresses"
            )
        except SourceUnavailableError as error:
            if not seen.readings:
                raise SourceUnavailableError(await _why(settings, error)) from error
            seen.notes.append(f"ended early: {error}")
        finally:
            await asker.close()
        if not seen.answering:
            why = f"no device answers of {args.units}"
            raise SourceUnavailableError(await _why(settings, why))
        seen.notes.append(f"{allowance.asked} requests were made, none of which writes")
        return _exploration(args, seen, expected)

    async def _scan(self, asker: Asker, seen: Seen, args: Namespace) -> None:
        numbers = numbers_of(args.units)
        within = addresses_of(args.addresses)
        await find_devices(asker, numbers, seen)
        devices = seen.answering
        if len(numbers) >= _ALIKE and devices == list(numbers) and args.serial is None:
            devices = devices[:1]
            seen.notes.append(
                f"it answers to every number of {args.units}, so it hardly looks at "
                f"them; only {devices[0]} was looked at (say which: --units 3)"
            )
        spots = [(device, table) for device in devices for table in TABLES]
        for spot in spots:
            await find_areas(asker, spot, seen, most=args.most, within=within)
        for reading in range(args.readings):
            if reading:
                await self._clock.sleep(args.interval)
            for spot in seen.areas:
                await read_areas(asker, spot, seen)


def _add_wire(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("host", nargs="?", metavar="HOST[:PORT]", help="or a port: --serial")
    add("--serial", metavar="PORT", help="a serial port, such as /dev/ttyUSB0")
    add("--baudrate", type=int, default=19_200, metavar="N")
    add("--parity", choices=("even", "odd", "none"), default="even")
    add("--stop-bits", type=int, choices=(1, 2), default=1)
    add("--ascii", action="store_true", help="ASCII frames, not RTU")
    add("--rtu-over-tcp", action="store_true", help="a serial device server")
    add("--tls", action="store_true", help="Modbus over TLS (port 802)")
    for name in ("ca", "certificate", "key"):
        add(f"--{name}", type=Path, metavar="FILE", help="for --tls (PEM)")
    add("--server-name", metavar="NAME", help="for --tls, where it is not the host")
    add("--allow-unverified", action="store_true", help="for --tls: trust anybody")


def _settings(args: Namespace, numbers: tuple[int, ...]) -> ModbusSettings:
    keys: dict[str, Any] = source_keys(args) | {"timeout_s": args.timeout}
    for name, table in wire_tables(args):
        keys[name.rpartition(".")[2]] = table
    keys["devices"] = [
        {"name": f"device-{number}", "device_id": number} for number in numbers
    ]
    return ModbusSettings.model_validate(keys)


async def _why(settings: ModbusSettings, error: object) -> str:
    """Return in words why nobody answers."""
    if settings.is_serial:
        return f"{error}; {_SERIAL_ADVICE}"
    if "CERTIFICATE" in str(error):
        return f"{error}; say whom to trust: --ca FILE, --server-name NAME"
    heard = await knock(settings.host, settings.port, _QUESTION, within_s=_KNOCK_S)
    if not heard:
        plain = settings.transport != "tcp"
        advice = "; it may speak plain Modbus TCP: leave out --tls" if plain else ""
        return f"{error}{advice}"
    if "TLS" in heard:
        heard += "; try --tls" if settings.transport != "tls" else f": {error}"
    advice = ", not Modbus" if "answers there" in heard else ""
    return f"{settings.where}: {heard}{advice}"


def _exploration(args: Namespace, seen: Seen, expected: list[Any]) -> Exploration:
    spots: set[Spot] = set(seen.readings)
    numbers = sorted({device for device, _ in spots})
    found, notes = findings(
        seen.readings, expected, asset=args.source, several=len(numbers) > 1
    )
    keys = source_keys(args)
    devices = {number: f"device-{number}" for number in numbers}
    if len(numbers) == 1:
        keys["device_id"] = numbers[0]
        devices = {}
    longest = [seen.longest[spot] for spot in spots if not spot[1].of_bits]
    if longest and min(longest) < ModbusSettings.model_fields["max_registers"].default:
        keys["max_registers"] = max(4, min(longest))
    toml = draft(keys, wire_tables(args), found, devices)
    rows = [
        {
            "device": str(device),
            "table": str(table),
            "addresses": ", ".join(f"{x.address}-{x.end - 1}" for x in areas),
            "at most at once": str(seen.longest[device, table]),
        }
        for (device, table), areas in seen.areas.items()
    ]
    notes = (*seen.notes, *notes)
    return Exploration(
        (*rows, *(each.row() for each in found)), toml, notes, tag_count=len(found)
    )
