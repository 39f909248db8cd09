"""Mutation testing of the stop: which wrong change would no test notice?

    python -m tests.mutation.run [--page FILE] [--state FILE] [--only MODULE]

Every mutant is played against the tests that should notice it (`suites.py`). A survivor
must stand in `explained.toml` with the reason why nobody need notice it; otherwise exit
1. With `--state` an interrupted run goes on where it was: as
long as the code is the same, what was noticed stays noticed; what survived is played
again when the tests have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.play import SAFETY, TESTS, Fate, fate, load
from tests.mutation.suites import LEFT_OUT, SUITES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

EXPLAINED = Path(__file__).parent / "explained.toml"
EVERY = tuple(sorted({name for suite in SUITES.values() for name in suite}))
_PARTS = ("bench.py", "conftest.py", "living.py", "oracle.py")
_HEAD = """\
# Mutants of the stop

{total} mutants of {modules} modules: {noticed} are noticed by a test, {survived} \
survive, each with
its reason below. A mutant is one wrong line: a comparison, a boolean or arithmetic
operator, a number, a condition, a sign, `min`/`max`, `any`/`all`, a call that is not
made, or one thing that a `replace` leaves out. It is noticed when one of the unit tests
that `tests/mutation/suites.py` names for the module fails, or hangs.

Written on {date}, on a machine with {cores} cores, by
`python -m tests.mutation.run --page docs/reference/safety-mutants.md`; that every
survivor is explained, and is still in the code, is a test.

Not mutated:

{left_out}

| module | mutants | noticed | survive |
|---|---:|---:|---:|
"""


def say(text: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def explained() -> dict[str, str]:
    """Return the explanations by the keys of their mutants."""
    given = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    return {each["mutant"]: each["why"] for each in given.get("survivor", [])}


def every(module: str) -> list[Mutant]:
    """Return the mutants of one module, as it is now."""
    return list(mutants(module, (SAFETY / f"{module}.py").read_text(encoding="utf-8")))


class Played:
    """What has been played before with this very code, and survived these tests."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._code = _digest(SAFETY.glob("*.py"))
        self._tests = _digest(TESTS / each for each in (*EVERY, *_PARTS))
        self._known: dict[str, Fate] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._remember(json.loads(line))

    def _remember(self, told: dict[str, str]) -> None:
        found = Fate(told["fate"])
        same = found is Fate.NOTICED or told["tests"] == self._tests
        if told["code"] == self._code and same:
            self._known[told["mutant"]] = found

    def of(self, mutant: Mutant) -> Fate:
        """Return the fate of a mutant; play it if nobody has."""
        known = self._known.get(mutant.key)
        if known is not None:
            return known
        found = fate(mutant, SUITES[mutant.module])
        if self._path is not None:
            told = {
                "code": self._code,
                "tests": self._tests,
                "mutant": mutant.key,
                "fate": found.value,
            }
            with self._path.open("a", encoding="utf-8") as state:
                state.write(f"{json.dumps(told)}\n")
        return found


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def survivors(chosen: list[Mutant], played: Played) -> Iterator[Mutant]:
    """Yield the mutants that no test notices."""
    for number, mutant in enumerate(chosen, start=1):
        if played.of(mutant) is Fate.SURVIVED:
            say(f"survives: {mutant.key}")
            yield mutant
        if number % 50 == 0:
            say(f"{number} of {len(chosen)}")


def page(chosen: list[Mutant], left: list[Mutant], why: Mapping[str, str]) -> str:
    """Return the page."""
    total = Counter(each.module for each in chosen)
    kept = Counter(each.module for each in left)
    head = _HEAD.format(
        total=len(chosen),
        modules=len(total),
        noticed=len(chosen) - len(left),
        survived=len(left),
        date=datetime.now(UTC).date(),
        cores=os.cpu_count(),
        left_out="\n".join(f"- `{name}`: {why}" for name, why in LEFT_OUT.items()),
    )
    rows = [
        f"| `{name}` | {count} | {count - kept[name]} | {kept[name]} |"
        for name, count in total.items()
    ]
    lines = [
        f"- {each.key}\n  {why.get(each.key, '**Not explained.**')}" for each in left
    ]
    return head + "\n".join([*rows, "", "## Survivors", "", *lines, ""])


def main() -> int:
    """Play, print, write; 1 if a survivor has no explanation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="write the page here")
    parser.add_argument("--state", type=Path, help="remember here what was played")
    parser.add_argument("--only", choices=tuple(SUITES), help="this module alone")
    args = parser.parse_args()
    load()
    modules = (args.only,) if args.only else tuple(SUITES)
    if fate(None, EVERY) is not Fate.SURVIVED:
        say("the tests fail without any mutant")
        return 1
    chosen = [mutant for name in modules for mutant in every(name)]
    left = sorted(survivors(chosen, Played(args.state)), key=lambda each: each.key)
    why = explained()
    say(f"{len(chosen)} mutants, {len(left)} survive")
    if args.page:
        args.page.write_text(page(chosen, left, why), encoding="utf-8")
    unknown = [each.key for each in left if each.key not in why]
    say("\n".join(f"not explained: {key}" for key in unknown))
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
