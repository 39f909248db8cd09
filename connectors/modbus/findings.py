"""From words to rows and a configuration: what a scan has found, for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.domain.naming import legal_tag_id, unique
from appliance.runtime.drafts import HEADING, comment, table
from connectors.modbus.candidates import Candidate, candidates
from connectors.modbus.guess import assigned, segmented
from connectors.modbus.notation import reference_of
from connectors.modbus.registers import Encoding, RegisterType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.domain.tag import TagId
    from connectors.modbus.candidates import Expectation
    from connectors.modbus.registers import Raw
    from connectors.modbus.scan import Spot

_BIT = Encoding(RegisterType.BIT)
_SHOWN = 4
_MOST_BITS = 64
_UNLIKELY = -12.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A value: where it lies, what it is best read as, and what else it may be."""

    spot: Spot
    best: Candidate
    others: tuple[Candidate, ...]
    words: tuple[int, ...]
    expected: Expectation | None = None
    name: TagId = field(default_factory=lambda: legal_tag_id(["?"], asset="?"))

    @property
    def reference(self) -> str:
        """The place as a manual numbers it."""
        return reference_of(self.spot[1], self.best.address)

    def row(self) -> Mapping[str, str]:
        """Return it as a row for people."""
        device, which = self.spot
        return {
            "device": str(device),
            "table": which,
            "address": str(self.best.address),
            "reference": self.reference,
            "words": words_text(self.words),
            "read as": self.best.words if not which.of_bits else "bit",
            "value": " ".join(value_text(each) for each in self.best.values),
            "expected": _expected(self.expected),
            "tag": self.name,
            "or": "; ".join(map(_other, self.others)),
        }


def findings(
    readings: Mapping[Spot, Sequence[Mapping[int, int]]],
    expectations: Sequence[Expectation],
    *,
    asset: str,
    several: bool,
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return what was found, by place, and what was looked for in vain.

    With `several` devices, the device is part of the name of what has none.
    """
    registers = {spot: each for spot, each in readings.items() if not spot[1].of_bits}
    found: list[Finding] = []
    notes: list[str] = []
    named = assigned(registers, expectations)
    taken: dict[Spot, set[int]] = {spot: set() for spot in registers}
    for number, expected in enumerate(expectations):
        if number not in named:
            notes.append(f"nothing is {_expected(expected)}: {expected.name or '?'}")
            continue
        notes += _rivals(registers, expected, named[number])
        spot, (first, *rest) = named[number]
        taken[spot].update(range(first.address, first.end))
        found.append(_finding(spot, first, rest, registers[spot], expected))
    for spot, each in registers.items():
        zeros = sum(not any(words[at] for words in each) for at in each[0])
        if zeros:
            notes.append(f"device {spot[0]}: {zeros} of {spot[1]} are 0, not listed")
        for best in segmented(each, frozenset(taken[spot])):
            rest = [x for x in candidates(each, best.address) if x != best]
            found.append(_finding(spot, best, rest, each))
    for spot, each in readings.items():
        if spot[1].of_bits:
            bits, left = _bits(spot, each)
            found += bits
            notes += left
    found.sort(key=lambda each: (each.spot, each.best.address))
    return _named(found, asset=asset, several=several), tuple(notes)


def draft(
    source: Mapping[str, object],
    tables: Sequence[tuple[str, Mapping[str, object]]],
    found: Sequence[Finding],
    devices: Mapping[int, str],
) -> str:
    """Return a whole configuration.

    `tables` are those of the wire (`sources.serial`, …); `devices` names each number
    where there are several.
    """
    lines = [HEADING.rstrip(), *table("sources", source, many=True)]
    for name, keys in tables:
        lines += table(name, keys)
    for number, name in devices.items():
        keys = {"name": name, "device_id": number}
        lines += table("sources.devices", keys, many=True)
    for each in found:
        lines += _tag(each, devices.get(each.spot[0]))
    lines += ["", *_about_points()]
    return "\n".join(lines) + "\n"


def words_text(words: Sequence[int]) -> str:
    """Return registers in hexadecimal."""
    return " ".join(f"{word:04x}" for word in words)


def value_text(value: Raw) -> str:
    """Return a value in few characters."""
    return repr(value) if isinstance(value, str) else f"{value:.7g}"


def _finding(
    spot: Spot,
    best: Candidate,
    rest: Sequence[Candidate],
    readings: Sequence[Mapping[int, int]],
    expected: Expectation | None = None,
) -> Finding:
    words = tuple(readings[-1][at] for at in range(best.address, best.end))
    shown = [each for each in rest if each.fits and each.bits > _UNLIKELY]
    return Finding(spot, best, tuple(_distinct(best, shown)), words, expected)


def _rivals(
    registers: Mapping[Spot, Sequence[Mapping[int, int]]],
    expected: Expectation,
    found: tuple[Spot, tuple[Candidate, ...]],
) -> Iterator[str]:
    """Yield a warning if what was looked for anywhere may as well be elsewhere."""
    spot, (chosen, *_) = found
    if expected.place is not None:
        return
    others = [
        f"{reference_of(which[1], first.address)} ({_other(first)})"
        for which, each in registers.items()
        for address in each[0]
        for first in candidates(each, address, expected)[:1]
        if first.fits
        and first.is_likely
        and any(words[address] for words in each)
        and (which, address) != (spot, chosen.address)
    ]
    if others:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        here = reference_of(spot[1], chosen.address)
        yield (
            f"{expected.name or _expected(expected)}: {here} was taken; as good a fit: "
            f"{', '.join(others[:_SHOWN])}{more}; name the register: "
            f"{expected.name}@{here}=…"
        )


def _distinct(best: Candidate, rest: Sequence[Candidate]) -> Iterator[Candidate]:
    """Yield the likeliest others that would show something else."""
    seen, count = {best.values}, 0
    for each in rest:
        if each.values not in seen and count < _SHOWN:
            seen.add(each.values)
            count += 1
            yield each


def _bits(
    spot: Spot, readings: Sequence[Mapping[int, int]]
) -> tuple[list[Finding], list[str]]:
    """Return the bits of a table; of a large one those that are 1 or change."""
    known = sorted(readings[-1])
    told = known
    if len(known) > _MOST_BITS:
        told = [at for at in known if any(words[at] for words in readings)]
    found = [
        Finding(
            spot,
            Candidate(at, _BIT, "ABCD", 1.0, tuple(w[at] for w in readings), 0.0),
            (),
            (readings[-1][at],),
        )
        for at in told
    ]
    left = len(known) - len(told)
    if not left:
        return found, []
    return found, [f"device {spot[0]}: {left} more of {spot[1]} are 0, not listed"]


def _named(
    found: Sequence[Finding], *, asset: str, several: bool
) -> tuple[Finding, ...]:
    names = []
    for each in found:
        device, which = each.spot
        own = f"{which}_{each.best.address}"
        if each.expected is not None and each.expected.name:
            own = each.expected.name
        elif several:
            own = f"device_{device}/{own}"
        names.append(legal_tag_id([own] if "/" in own else [asset, own], asset=asset))
    return tuple(
        Finding(each.spot, each.best, each.others, each.words, each.expected, name)
        for each, name in zip(found, unique(names), strict=True)
    )


def _tag(finding: Finding, device: str | None) -> list[str]:
    best, (_, which) = finding.best, finding.spot
    keys: dict[str, object] = {"id": finding.name}
    if device is not None:
        keys["device"] = device
    keys |= {"table": str(which), "address": best.address}
    keys |= {} if which.of_bits else _kind(best)
    if finding.expected is not None and finding.expected.engineering_units:
        keys["engineering_units"] = finding.expected.engineering_units
    lines = table("sources.tags", keys, many=True)
    values = " ".join(value_text(each) for each in best.values)
    lines.append(
        comment(f"{finding.reference}: {words_text(finding.words)} = {values}")
    )
    if finding.expected is not None:
        lines.append(comment(f"expected {_expected(finding.expected)}"))
    lines += [comment(f"or: {_toml_words(each)}") for each in finding.others]
    return lines


def _kind(candidate: Candidate) -> dict[str, object]:
    keys: dict[str, object] = {"type": str(candidate.encoding.type)}
    if candidate.is_text:
        keys["length"] = 2 * candidate.encoding.words
    if candidate.order != "ABCD":
        keys["order"] = candidate.order
    if candidate.factor != 1.0:
        keys["factor"] = candidate.factor
    return keys


def _toml_words(candidate: Candidate) -> str:
    keys = ", ".join(
        f'{key} = "{each}"' if isinstance(each, str) else f"{key} = {each}"
        for key, each in _kind(candidate).items()
    )
    return f"{keys}  -> {value_text(candidate.values[-1])}"


def _other(candidate: Candidate) -> str:
    return f"{candidate.words} = {value_text(candidate.values[-1])}"


def _expected(expected: Expectation | None) -> str:
    if expected is None:
        return ""
    words = f"{expected.low:g}..{expected.high:g} {expected.engineering_units}"
    return words.rstrip()


def _about_points() -> Iterator[str]:
    yield comment("Wheeltapper writes nothing that is not listed, for example:")
    yield comment("[[sources.points]]")
    yield comment('name = "run_permit"')
    yield comment('table = "coil"')
    yield comment("address = 0")
