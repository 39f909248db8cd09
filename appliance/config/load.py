"""Read a configuration part by part, so that all mistakes come out at once."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import ValidationError

from appliance.config.alarms import AlarmSettings
from appliance.config.assets import AssetSettings
from appliance.config.callout import CalloutSettings
from appliance.config.crosscheck import cross_check
from appliance.config.locate import KeyPath, line_of
from appliance.config.model import (
    Config,
    InferenceSettings,
    MetricsSettings,
    RoleSettings,
    SiteSettings,
    StorageSettings,
    UpdatesSettings,
)
from appliance.config.problem import Problem
from appliance.config.safety import ElementSettings, InitiatorSettings, SafetySettings
from appliance.config.uplink import UplinkSettings
from appliance.runtime.plugins import (
    SourceSettings,
    UnknownConnectorError,
    load_connector,
)
from appliance.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails


CONFIG_VERSION = 1

_SECTIONS = (
    "config_version", "site", "sources", "assets", "alarms", "safety", "storage",
    "uplink", "updates", "inference", "roles", "metrics", "callout",
)  # fmt: skip
_SAFETY_TABLES = ("sources", "initiators", "elements", "matrix")

_Part = TypeVar("_Part", bound="Settings")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says why, all at once."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(problem.text(file) for problem in problems))


def load_config(path: Path) -> Config:
    """Read and validate a configuration file.

    Raises:
        ConfigError: Anything is wrong with it; all problems are listed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = Problem("(file)", reason, "give the path of a readable TOML file")
        raise ConfigError(str(path), (problem,)) from error
    config, problems = check_text(text)
    if config is None or problems:
        raise ConfigError(str(path), problems)
    return replace(config, file=path.absolute())


def check_text(text: str) -> tuple[Config | None, tuple[Problem, ...]]:
    """Return the configuration, or every problem in it (in order of lines)."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem = Problem("(syntax)", str(error), "correct the TOML at that place")
        return None, (problem,)
    reading = _Reading(text, raw)
    config = reading.config()
    problems = tuple(sorted(reading.problems, key=lambda each: (each.line, each.key)))
    return (config if not problems else None), problems


class _Reading:
    """One pass over a document; `problems` grows."""

    def __init__(self, text: str, raw: Mapping[str, Any]) -> None:
        self._text = text
        self._raw = raw
        self.problems: list[Problem] = []

    def config(self) -> Config | None:
        self._check_sections()
        safety = self._table(("safety",))
        rest = {key: val for key, val in safety.items() if key not in _SAFETY_TABLES}
        found = self._part(SiteSettings, ("site",), self._table(("site",)))
        site = found or SiteSettings(id="?", gateway="?")
        draft = Config(
            site=site,
            sources=self._sources(("sources",), site),
            assets=self._parts(AssetSettings, ("assets",)),
            alarms=self._parts(AlarmSettings, ("alarms",)),
            safety=self._part(SafetySettings, ("safety",), rest) or SafetySettings(),
            safety_sources=self._sources(("safety", "sources"), site),
            initiators=self._parts(InitiatorSettings, ("safety", "initiators")),
            elements=self._parts(ElementSettings, ("safety", "elements")),
            matrix=self._matrix(),
            storage=self._section(StorageSettings, "storage"),
            uplink=self._optional(UplinkSettings, "uplink"),
            updates=self._optional(UpdatesSettings, "updates"),
            inference=self._section(InferenceSettings, "inference"),
            roles=self._section(RoleSettings, "roles"),
            metrics=self._optional(MetricsSettings, "metrics"),
            callout=self._optional(CalloutSettings, "callout"),
        )
        for path, problem, remedy in cross_check(draft, self._raw):
            self._add(path, problem, remedy)
        return draft

    def _check_sections(self) -> None:
        for name in self._raw:
            if name not in _SECTIONS:
                self._add((name,), "unknown section", _did_you_mean(name, _SECTIONS))
        version = self._raw.get("config_version")
        if version != CONFIG_VERSION:
            self._add(
                ("config_version",),
                "missing" if version is None else f"version {version!r} is not known",
                f"write config_version = {CONFIG_VERSION}",
            )

    def _section(self, kind: type[_Part], name: str) -> _Part:
        return self._part(kind, (name,), self._table((name,))) or kind()

    def _optional(self, kind: type[_Part], name: str) -> _Part | None:
        if name not in self._raw:
            return None
        return self._part(kind, (name,), self._table((name,)))

    def _part(self, kind: type[_Part], path: KeyPath, raw: object) -> _Part | None:
        try:
            return kind.model_validate(raw)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._add_detail(kind, path, detail)
            return None

    def _parts(self, kind: type[_Part], path: KeyPath) -> tuple[_Part, ...]:
        found = [
            self._part(kind, (*path, index), raw)
            for index, raw in enumerate(self._array(path))
        ]
        return tuple(each for each in found if each is not None)

    def _sources(self, path: KeyPath, site: SiteSettings) -> tuple[SourceSettings, ...]:
        found = [
            self._source((*path, index), raw)
            for index, raw in enumerate(self._array(path))
        ]
        return tuple(
            each.of_gateway(site.id, site.gateway) for each in found if each is not None
        )

    def _source(self, path: KeyPath, raw: object) -> SourceSettings | None:
        name = raw.get("connector") if isinstance(raw, dict) else None
        if not isinstance(name, str):
            self._add((*path, "connector"), "missing", 'add connector = "modbus"')
            return None
        try:
            connector = load_connector(name)
        except UnknownConnectorError as error:
            self._add((*path, "connector"), str(error), "use one of the known ones")
            return None
        return self._part(connector.settings, path, raw)

    def _matrix(self) -> Mapping[str, tuple[str, ...]]:
        path: KeyPath = ("safety", "matrix")
        rows: dict[str, tuple[str, ...]] = {}
        for row, columns in self._table(path).items():
            if isinstance(columns, list) and all(isinstance(c, str) for c in columns):
                rows[row] = tuple(columns)
            else:
                remedy = f'write {row!r} = ["element", …]'
                self._add((*path, row), "not a list of element ids", remedy)
        return rows

    def _table(self, path: KeyPath) -> dict[str, Any]:
        found = self._at(path)
        if isinstance(found, dict):
            return found
        if found is not None:
            self._add(path, "not a table", f"write [{_dotted(path)}]")
        return {}

    def _array(self, path: KeyPath) -> list[Any]:
        found = self._at(path)
        if isinstance(found, list):
            return found
        if found is not None:
            self._add(path, "not an array of tables", f"write [[{_dotted(path)}]]")
        return []

    def _at(self, path: KeyPath) -> Any:  # noqa: ANN401 - TOML is untyped until here
        found: Any = self._raw
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return found

    def _add_detail(
        self, kind: type[Settings], path: KeyPath, detail: ErrorDetails
    ) -> None:
        where = (*path, *detail["loc"])
        problem = _problem(detail)
        self._add(where, problem, _remedy(kind, detail))

    def _add(self, path: KeyPath, problem: str, remedy: str) -> None:
        line = line_of(self._text, path)
        self.problems.append(Problem(_dotted(path), problem, remedy, line))


def _problem(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "missing"
        case _:
            return detail["msg"].removeprefix("Value error, ")


def _remedy(kind: type[Settings], detail: ErrorDetails) -> str:
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    match detail["type"]:
        case "extra_forbidden":
            return _did_you_mean(key, _fields_at(kind, detail["loc"][:-1]))
        case "missing":
            return f"add {key} = …"
        case "value_error":
            return "correct one of the two"
        case "literal_error" | "enum":
            return "use one of the listed words"
        case _:
            return f"correct the value, not {detail['input']!r}"


def _fields_at(kind: type[Settings], path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Return the keys that are known at a place inside a settings class."""
    for part in path:
        if isinstance(part, str) and part in kind.model_fields:
            inner = _settings_in(kind.model_fields[part].annotation)
            if inner is None:
                return ()
            kind = inner
    return tuple(kind.model_fields)


def _settings_in(annotation: object) -> type[Settings] | None:
    """Return the settings class inside `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    found = (_settings_in(each) for each in get_args(annotation))
    return next((each for each in found if each is not None), None)


def _did_you_mean(key: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else "remove it"


def _dotted(path: KeyPath) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text
