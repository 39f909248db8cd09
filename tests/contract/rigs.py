"""The other side of each connector, real, for the contract suite."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from appliance.runtime.plugins import load_connector

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.runtime.plugins import SourceSettings


class Rig(ABC):
    """What a source talks to: it can be started, cut off, mended and stopped.

    `good` and `bad` name the tags that must come good and bad. A `finite` source
    ends by itself and notices no cut. `point` may be written; `refused_point` is
    listed but the device refuses it; `stubborn_point` takes a write and keeps its 0.
    """

    connector: str
    good: frozenset[str]
    bad: frozenset[str] = frozenset()
    finite = False
    lost_within_s = 5.0
    point = ""
    refused_point = ""
    stubborn_point = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    @abstractmethod
    def settings(self) -> SourceSettings:
        """Settings that lead to the running rig."""

    @abstractmethod
    async def start(self) -> None:
        """Start it."""

    @abstractmethod
    async def cut(self) -> None:
        """Make it unreachable, at once."""

    @abstractmethod
    async def mend(self) -> None:
        """Make it reachable again."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it for good."""


class ReplayRig(Rig):
    connector = "replay"
    good = frozenset({"rig/level", "rig/temperature"})
    bad = frozenset({"rig/absent", "rig/broken"})
    finite = True

    @property
    def settings(self) -> SourceSettings:
        return load_connector("replay").settings.model_validate(
            {
                "name": "rig",
                "connector": "replay",
                "file": str(self._file),
                "speed": "fastest",
                "tags": [
                    {"id": "rig/level", "column": "Level"},
                    {"id": "rig/temperature", "column": "Temperature"},
                    {"id": "rig/broken", "column": "Broken"},
                    {"id": "rig/absent", "column": "Absent"},
                ],
            }
        )

    @property
    def _file(self) -> Path:
        return self.folder / "export.csv"

    async def start(self) -> None:
        lines = ["timestamp;Level;Temperature;Broken"]
        lines += [
            f"2026-03-01 00:00:{second:02};{50 + second},5;20.0;Bad Input"
            for second in range(60)
        ]
        self._file.write_text("\n".join(lines), encoding="utf-8")

    async def cut(self) -> None:
        self._file.rename(self.folder / "away")

    async def mend(self) -> None:
        (self.folder / "away").rename(self._file)

    async def stop(self) -> None:
        """Nothing runs."""


class ExampleRig(Rig):
    connector = "example"
    good = frozenset({"rig/level"})
    bad = frozenset({"rig/absent", "rig/too_high"})

    @property
    def settings(self) -> SourceSettings:
        return load_connector("example").settings.model_validate(
            {
                "name": "rig",
                "connector": "example",
                "file": str(self._file),
                "period_s": 0.05,
                "stale_after_s": 1.0,
                "tags": [
                    {"id": "rig/level", "key": "level"},
                    {"id": "rig/absent", "key": "absent"},
                    {"id": "rig/too_high", "key": "level", "range_high": 1.0},
                ],
            }
        )

    @property
    def _file(self) -> Path:
        return self.folder / "values.txt"

    async def start(self) -> None:
        self._file.write_text("level 85.5\nnonsense\n", encoding="utf-8")

    async def cut(self) -> None:
        self._file.rename(self.folder / "away")

    async def mend(self) -> None:
        (self.folder / "away").rename(self._file)

    async def stop(self) -> None:
        """Nothing runs."""


FILE_RIGS: dict[str, type[Rig]] = {"replay": ReplayRig, "example": ExampleRig}
