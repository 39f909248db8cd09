"""Which wheels a gateway gets; `packaging/` is a folder of scripts, so by its path."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[3]

LOCK = """\
alpha==1.0 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
beta-two==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:{b}
beta-two==2.1 ; python_full_version >= '3.12' \\
    --hash=sha256:{c}
gamma==3.0 ; sys_platform == 'win32' \\
    --hash=sha256:{c}
""".format(a="a" * 64, b="b" * 64, c="c" * 64)

NEEDS = {
    "alpha": ("Beta_Two[fast]>=1", "win-only; sys_platform == 'win32'"),
    "beta-two": ("alpha", "delta; extra == 'fast'", "docs; extra == 'docs'"),
}


@pytest.fixture(scope="module")
def closure() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "wheeltapper_closure", ROOT / "packaging/closure.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def needs(name: str) -> tuple[str, ...]:
    return NEEDS.get(name, ())


def test_what_is_needed_needs_more_and_circles_end(closure: ModuleType) -> None:
    found = closure.closure(["alpha"], needs, {"sys_platform": "linux"})
    assert found == {"alpha", "beta-two", "delta"}


def test_an_extra_counts_only_where_it_is_asked_for(closure: ModuleType) -> None:
    assert "delta" not in closure.closure(["beta-two"], lambda name: NEEDS[name][1:])


def test_an_extra_asked_for_later_still_counts(closure: ModuleType) -> None:
    tree = {"a": ("c", "b"), "b": ("c[x]",), "c": ("d; extra == 'x'",)}
    for wanted in (["a", "c"], ["c", "a"]):
        assert "d" in closure.closure(wanted, lambda name: tree.get(name, ()))


def test_the_lock_is_read_for_one_version_of_python(closure: ModuleType) -> None:
    for full, version in (("3.11.2", "2.0"), ("3.13.0", "2.1")):
        here = {"python_full_version": full, "sys_platform": "linux"}
        entries = closure.entries(LOCK, here)
        assert set(entries) == {"alpha", "beta-two"}
        assert f"beta-two=={version} " in entries["beta-two"]


def test_an_entry_permits_its_own_digests_alone(closure: ModuleType) -> None:
    entries = closure.entries(LOCK, {"python_full_version": "3.11.2"})
    assert closure.digests(entries["alpha"]) == {"a" * 64, "b" * 64}
    assert closure.digests(entries["beta-two"]) == {"b" * 64}


def test_what_the_lock_lacks_is_named(closure: ModuleType) -> None:
    entries = closure.entries(LOCK)
    with pytest.raises(closure.ClosureError, match="not in the lock: omega"):
        closure.part_of(entries, {"alpha", "omega"})


def test_a_gateway_needs_neither_the_tools_of_development_nor_the_fleets(
    closure: ModuleType,
) -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dashboard"], *extras["train"]]
    names = closure.closure(wanted, lambda name: requires(name) or ())
    needed = closure.part_of(closure.entries(text), names)
    assert {"numpy", "onnxruntime", "textual", "scikit-learn"} <= needed.keys()
    assert not {"pytest", "mypy", "hatchling", "amqtt", "duckdb"} & needed.keys()
    assert all(re.search("--hash=sha256:", entry) for entry in needed.values())
