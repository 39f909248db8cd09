"""Mutation testing of the pure decisions: which wrong change would no test notice?

    python -m tests.mutation.run [--page FILE] [--jobs N] [--only MODULE] [--every N]

Every mutant lives in a forked process of its own, where the module gets the change and
the tests of the decisions are run until one fails. A survivor must stand in
`explained.toml` with the reason why it is no other behaviour; otherwise exit 1.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from tests.mutation.mutants import Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
EXPLAINED = Path(__file__).parent / "explained.toml"
PACKAGE = "appliance.safety"
MODULES = (
    "vote", "rate", "spread", "channel", "row", "latch", "permissive", "handover",
    "maintenance", "logic",
)  # fmt: skip
TESTS = (
    "test_vote.py", "test_channel.py", "test_conditions.py", "test_permissive.py",
    "test_logic.py", "test_reading.py", "test_handover.py",
    "test_decisions.py", "test_random_scans.py",
)  # fmt: skip
FIRST = {
    "vote": "test_vote.py", "rate": "test_conditions.py",
    "spread": "test_conditions.py", "channel": "test_channel.py",
    "permissive": "test_permissive.py", "handover": "test_handover.py",
    "maintenance": "test_handover.py",
}  # fmt: skip
"""Where a change is most likely noticed; else in the tests of the logic."""
LONGEST_S = 90
_HEAD = """\
# Mutants of the safety decisions

Written by `python -m tests.mutation.run --page FILE`. {total} mutants of
{modules}: {killed} are noticed by a test, {survived} survive, each with its reason
here.
A mutant is one changed comparison, boolean or arithmetic operator, constant or
condition, `min`/`max`, `any`/`all`, or one thing that a `replace` leaves out.

| module | mutants | noticed | survive |
|---|---:|---:|---:|
"""


def say(text: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Loop:
    """A plugin that runs the collected tests on every mutant, in a fork of its own.

    The tests and all they import are loaded once. A change within a function is put
    in by exchanging its code; another by setting the module's names anew.
    """

    def __init__(self, chosen: Sequence[Mutant], jobs: int) -> None:
        self._chosen = chosen
        self._jobs = jobs
        self.survivors: list[Mutant] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Play all mutants, some at once."""
        waiting, running = list(reversed(self._chosen)), dict[int, Mutant]()
        began_s = time.monotonic()
        while waiting or running:
            while waiting and len(running) < self._jobs:
                mutant = waiting.pop()
                child = os.fork()
                if child == 0:
                    _die_of(mutant, session)
                running[child] = mutant
            child, status = os.wait()
            mutant = running.pop(child)
            if status == 0:
                self.survivors.append(mutant)
                say(f"survives: {mutant.key} (line {mutant.line})")
            done = len(self._chosen) - len(waiting) - len(running)
            if done % 50 == 0:
                took_s = time.monotonic() - began_s
                say(f"{done} of {len(self._chosen)}, {took_s:.0f} s")
        return True


def _die_of(mutant: Mutant, session: pytest.Session) -> None:
    """Run the tests in this fork until one fails; leave with 0 if none does."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)
    signal.alarm(LONGEST_S)
    put_in(mutant)
    first = FIRST.get(mutant.module, "test_logic.py")
    items = sorted(session.items, key=lambda item: item.path.name != first)
    for place, item in enumerate(items):
        after = items[place + 1] if place + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            os._exit(1)
    os._exit(0)


def put_in(mutant: Mutant) -> None:
    """Change the loaded module."""
    name = f"{PACKAGE}.{mutant.module}"
    module = importlib.import_module(name)
    code = compile(mutant.tree, module.__file__ or name, "exec")
    found = [each for each in _within(code) if each.co_qualname == mutant.function]
    if found and mutant.function:
        _function(module, mutant.function).__code__ = found[0]
        return
    fresh = ModuleType(name)
    fresh.__file__ = module.__file__
    exec(code, fresh.__dict__)  # noqa: S102 - the mutant itself
    for other in [each for key, each in sys.modules.items() if _is_ours(key)]:
        for key, value in vars(module).items():
            if getattr(other, key, None) is value and key in vars(fresh):
                setattr(other, key, vars(fresh)[key])


def _is_ours(name: str) -> bool:
    return name.startswith((PACKAGE, "tests.unit.safety", "test_"))


def _within(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _within(each)


def _function(module: ModuleType, path: str) -> FunctionType:
    found: object = module
    for part in path.split("."):
        found = getattr(found, part)
    if isinstance(found, property):
        found = found.fget
    found = getattr(found, "func", found)
    assert isinstance(found, FunctionType)
    return found


def play(chosen: list[Mutant], jobs: int) -> list[Mutant]:
    """Run all; return those that survive."""
    folder = ROOT / "tests" / "unit" / "safety"
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:logging"]
    words += ["--capture=no", "--timeout", "0"]
    loop = Loop(chosen, jobs)
    files = [str(folder / each) for each in TESTS]
    done = pytest.main([*words, *files], plugins=[loop])
    assert done in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}, done
    return loop.survivors


def page(chosen: list[Mutant], survivors: list[Mutant], why: dict[str, str]) -> str:
    """Return the page."""
    total = Counter(each.module for each in chosen)
    left = Counter(each.module for each in survivors)
    head = _HEAD.format(
        total=len(chosen),
        modules=", ".join(f"`{name}`" for name in total),
        killed=len(chosen) - len(survivors),
        survived=len(survivors),
    )
    rows = [
        f"| {name} | {count} | {count - left[name]} | {left[name]} |"
        for name, count in total.items()
    ]
    lines = [
        f"- {each.key}: {why.get(each.key, '**NOT EXPLAINED**')}" for each in survivors
    ]
    return head + "\n".join([*rows, "", "## Survivors", "", *lines, ""])


def main() -> int:
    """Play, print, write; 1 if a survivor has no explanation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only")
    parser.add_argument("--every", type=int, default=1, help="play each Nth alone")
    args = parser.parse_args()
    folder = ROOT / "appliance" / "safety"
    found: list[Mutant] = []
    for name in MODULES:
        if args.only in (None, name):
            found += mutants(name, (folder / f"{name}.py").read_text(encoding="utf-8"))
    chosen = found[:: args.every]
    survivors = sorted(play(chosen, args.jobs), key=lambda each: each.key)
    given: dict[str, Any] = {}
    if EXPLAINED.exists():
        given = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))
    why = {each["mutant"]: each["why"] for each in given.get("survivor", [])}
    say(f"{len(chosen)} mutants, {len(survivors)} survive")
    if args.page:
        args.page.write_text(page(chosen, survivors, why), encoding="utf-8")
    unknown = [each.key for each in survivors if each.key not in why]
    say("\n".join(f"not explained: {key}" for key in unknown))
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
