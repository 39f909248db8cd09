"""One mutant against the tests that should notice it, in a forked process of its own.

The parent has loaded all that is slow to load but nothing of safety; the child loads
safety and its tests as ever, with the one module changed. So a mutant is what a wrong
line in the file would be, whether in a function, a class or a constant.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
import traceback
from enum import Enum
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from signal import ITIMER_PROF, SIGKILL, SIGPROF, setitimer
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
CPU_S, CPU_PER_FILE_S = 3.0, 1.0
"""A mutant that turns in circles for so long is noticed; a busy machine is not."""
ASLEEP_S, LONGEST_S = 5, 600
"""One that waits for ever is noticed after so long without a thread that runs; one
that looks again and again for what never comes, after so long at all."""
_LOOK_EVERY_S = 0.02
_PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin")
_SLOW_TO_LOAD = (
    "appliance.config", "appliance.link.client", "appliance.link.server",
    "hypothesis.stateful", *_PLUGINS,
)  # fmt: skip
_WORDS = (
    "-q", "-x", "-p", "no:cacheprovider", "--timeout", "0",
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
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        child = os.fork()
        if child == 0:
            _be(mutant, tests, f"{folder}/tests")
        status = _ended(child)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in {SIGPROF, SIGKILL}:
        return Fate.NOTICED
    match os.waitstatus_to_exitcode(status):
        case pytest.ExitCode.OK:
            return Fate.SURVIVED
        case pytest.ExitCode.TESTS_FAILED | pytest.ExitCode.INTERRUPTED:
            return Fate.NOTICED  # interrupted: it could not even be loaded
        case code:
            raise RuntimeError(f"the tests could not be run ({code}): {mutant}")


def _ended(child: int) -> int:
    """Wait for the child's end, its own or ours: who is lost is killed."""
    watch = _Watch(child)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        if watch.is_lost():
            os.kill(child, SIGKILL)
        time.sleep(_LOOK_EVERY_S)


class _Watch:
    """Looks whether a process does anything, or at least would if it had a core."""

    def __init__(self, process: int) -> None:
        self._folder = Path("/proc", str(process))
        self._spent = ""
        self._began_s = self._awake_at_s = self._looked_at_s = time.monotonic()

    def is_lost(self) -> bool:
        """Say whether nothing will come of it any more; looks once a second."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s >= 1:
            self._looked_at_s = now_s
            before, self._spent = self._spent, self._stat("stat")[1]
            if before != self._spent or self._is_running():
                self._awake_at_s = now_s
        asleep = now_s - self._awake_at_s > ASLEEP_S
        return asleep or now_s - self._began_s > LONGEST_S

    def _is_running(self) -> bool:
        threads = self._folder.glob("task/*/stat")
        return any(self._stat(str(each))[0] in "RD" for each in threads)

    def _stat(self, name: str) -> tuple[str, str]:
        """Return the state, and the time spent, as the kernel writes it."""
        try:
            words = (self._folder / name).read_text().rpartition(")")[2].split()
        except OSError:  # a thread that ended meanwhile
            return "R", ""
        return words[0], " ".join(words[11:13])


def _be(mutant: Mutant | None, tests: Sequence[str], folder: str) -> None:
    """Be the child: change, test, end with what pytest says."""
    code = _BROKEN
    told = os.fdopen(os.dup(2), "w")
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(null, stream)
        setitimer(ITIMER_PROF, CPU_S + CPU_PER_FILE_S * len(tests))
        if mutant is not None:
            sys.meta_path.insert(0, _finder(mutant))
        first, *others = (str(TESTS / name) for name in tests)
        words = [*_WORDS, "--basetemp", folder]
        code = pytest.main([*words, first])
        if others and code == pytest.ExitCode.OK:
            code = pytest.main([*words, *others])
    except Warning:  # a coroutine that nobody awaited, found at the very end
        code = pytest.ExitCode.TESTS_FAILED
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
