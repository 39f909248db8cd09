"""Scenarios: TOML in, one frozen `Scenario` out; an unknown key is an error."""

from __future__ import annotations

import itertools
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from pydantic import Field, ValidationError, field_validator

from sim_plant.declared import Declared
from sim_plant.faults import Fault, LinkFault, PlantFault

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Position: TypeAlias = Annotated[float, Field(gt=0, le=100)]


class ScenarioError(ValueError):
    """The scenario cannot be used; each line names a place and what is wrong there."""


class ProcessSettings(Declared):
    """Where V-101 stands and how the process wanders about it.

    `schedule` has pairs of a second within the period and where V-101 stands from then
    on, in order of time.
    """

    valve_pct: float = Field(default=65.0, gt=0, le=100)
    swing_pct: float = Field(default=1.0, ge=0, le=20)
    swing_period_s: float = Field(default=20.0, gt=0)
    wander_pct: float = Field(default=0.6, ge=0, le=20)
    schedule: tuple[tuple[NotNegative, Position], ...] = ()
    schedule_period_s: float = Field(default=86_400.0, gt=0)

    @field_validator("schedule")
    @classmethod
    def _in_order(
        cls, schedule: tuple[tuple[float, float], ...]
    ) -> tuple[tuple[float, float], ...]:
        if any(b[0] <= a[0] for a, b in itertools.pairwise(schedule)):
            raise ValueError("its times must rise")
        return schedule


class SurroundingsSettings(Declared):
    """The air: mean, yearly and daily swing in kelvin, day of the year at plant time 0.

    The year's swing is 0 and rising on day 0; the day is coldest at plant time 0.
    """

    mean_degc: float = Field(default=25.0, ge=-40, le=60)
    season_k: float = Field(default=0.0, ge=0, le=40)
    day_k: float = Field(default=0.0, ge=0, le=30)
    start_day: float = Field(default=0.0, ge=0, lt=366)


class Scenario(Declared):
    """One story of the plant."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    seed: int = Field(default=1, ge=0)
    speed: float = Field(default=1.0, ge=0)
    hours_run: float = Field(default=8_000.0, ge=0, le=1e6)
    process: ProcessSettings = ProcessSettings()
    surroundings: SurroundingsSettings = SurroundingsSettings()
    faults: tuple[Fault, ...] = ()

    @property
    def plant_faults(self) -> tuple[PlantFault, ...]:
        """Faults of the machine and its instruments."""
        return tuple(f for f in self.faults if not isinstance(f, LinkFault))

    @property
    def link_faults(self) -> tuple[LinkFault, ...]:
        """Faults of the wire between the plant and us."""
        return tuple(f for f in self.faults if isinstance(f, LinkFault))

    def with_first_fault_at(self, at_s: float) -> Scenario:
        """The same story with its faults moved so that the first begins at `at_s`."""
        if not self.faults:
            return self
        shift_s = at_s - min(fault.at_s for fault in self.faults)
        moved = tuple(
            fault.model_copy(update={"at_s": fault.at_s + shift_s})
            for fault in self.faults
        )
        return self.model_copy(update={"faults": moved})


def names() -> tuple[str, ...]:
    """The scenarios that ship with the plant."""
    folder = resources.files("sim_plant") / "scenarios"
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in files if name.endswith(".toml")))


def load(name_or_path: str) -> Scenario:
    """Read a scenario by its shipped name or from a file (a path ending in .toml).

    Raises:
        ScenarioError: No such scenario, not TOML, or a key or value is wrong.
    """
    if name_or_path.endswith(".toml"):
        path = Path(name_or_path)
        try:
            return parse(path.read_text(encoding="utf-8"), place=path.name)
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{path.name}: {error}") from error
    if name_or_path not in names():
        known = ", ".join(names())
        raise ScenarioError(
            f"no scenario is called {name_or_path!r}; there are {known}"
        )
    file = resources.files("sim_plant") / "scenarios" / f"{name_or_path}.toml"
    return parse(file.read_text(encoding="utf-8"), place=file.name)


def parse(text: str, *, place: str) -> Scenario:
    """Read a scenario from TOML text; `place` names it in errors.

    Raises:
        ScenarioError: Every mistake, one per line.
    """
    try:
        return Scenario.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{place}: not TOML: {error}") from error
    except ValidationError as error:
        mistakes = error.errors()
        lines = [f"{place}: {_problem(mistake)}" for mistake in mistakes]
        raise ScenarioError("\n".join(lines)) from error


def _problem(mistake: ErrorDetails) -> str:
    path = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        return f"{path}: unknown key; remove it or correct its spelling"
    return f"{path}: {mistake['msg']}"
