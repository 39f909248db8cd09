"""One mutant against the tests of the decisions, in a forked process of its own.

The parent has loaded all that is slow to load but nothing of safety; the child loads
safety and its tests as ever, with the one module changed. So a mutant is what a wrong
line in the file would be, whether in a function, a class or a constant.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from enum import Enum
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mutation.mutants import mutated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

    from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]
PACKAGE = "appliance.safety"
SAFETY = ROOT / "appliance" / "safety"
TESTS = ROOT / "tests" / "unit" / "safety"
LONGEST_CPU_S = 60
"""A mutant that turns in circles for so long is noticed; a busy machine is not."""
_PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin")
_SLOW_TO_LOAD = ("appliance.config", "hypothesis.stateful", *_PLUGINS)
_WORDS = (
    "-q", "-x", "-p", "no:cacheprovider", "-p", "no:logging", "--timeout", "0",
    *(word for plugin in _PLUGINS for word in ("-p", plugin)),
    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # loaded before, on purpose
)  # fmt: skip
_BROKEN = 99


class Fate(Enum):
    """What the tests did to a mutant."""

    NOTICED = "noticed"
    SURVIVED = "survived"


class Changed(InspectLoader, MetaPathFinder):
    """Finds and loads one module of safety from a given piece of code."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name = name
        self._code = code

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's spec; None for every other."""
        return ModuleSpec(name, self) if name == self._name else None

    def get_code(self, _name: str) -> CodeType:
        """Return the code that stands for the module."""
        return self._code

    def get_source(self, _name: str) -> str:
        """Return nothing: it is no text."""
        return ""


def load() -> None:
    """Load what every child needs, so that none has to."""
    for name in _SLOW_TO_LOAD:
        importlib.import_module(name)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # no others: they take time
    loaded = [name for name in sys.modules if name.startswith(PACKAGE)]
    assert not loaded, f"it could not be changed any more: {loaded}"


def fate(mutant: Mutant | None, tests: Sequence[str]) -> Fate:
    """Run the first test file, then the others, until one fails; None: no change."""
    child = os.fork()
    if child == 0:
        _be(mutant, tests)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return Fate.NOTICED
    match os.waitstatus_to_exitcode(status):
        case pytest.ExitCode.OK:
            return Fate.SURVIVED
        case pytest.ExitCode.TESTS_FAILED | pytest.ExitCode.INTERRUPTED:
            return Fate.NOTICED  # interrupted: it could not even be loaded
        case code:
            raise RuntimeError(f"the tests could not be run ({code}): {mutant}")


def _be(mutant: Mutant | None, tests: Sequence[str]) -> None:
    """Be the child: change, test, end with what pytest says."""
    code = _BROKEN
    told = os.fdopen(os.dup(2), "w")
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(null, stream)
        signal.setitimer(signal.ITIMER_PROF, LONGEST_CPU_S)
        if mutant is not None:
            sys.meta_path.insert(0, _finder(mutant))
        first, *others = (str(TESTS / name) for name in tests)
        code = pytest.main([*_WORDS, first]) or pytest.main([*_WORDS, *others])
    except BaseException:  # noqa: BLE001 - the child must never become the parent
        traceback.print_exc(file=told)
        told.flush()
        code = _BROKEN
    finally:
        os._exit(code)


def _finder(mutant: Mutant) -> Changed:
    path = SAFETY / f"{mutant.module}.py"
    tree = mutated(path.read_text(encoding="utf-8"), mutant)
    code = compile(tree, str(path), "exec")
    return Changed(f"{PACKAGE}.{mutant.module}", code)
