"""Settings of a replay."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it at run time
from typing import Annotated, Literal

from pydantic import Field

from appliance.runtime.plugins import SourceSettings, TagSettings


class ReplayTagSettings(TagSettings):
    """A tag, and the column that holds its values."""

    column: str = Field(min_length=1)


class ReplaySettings(SourceSettings):
    """A file with one row per moment and one column per tag, replayed once.

    `speed` is recorded seconds per second, or `"fastest"`. Times without a zone are
    UTC; `time_format` (of `strptime`) is needed only for times that cannot be told
    apart, such as 01/02/2026. With `times = "shifted"` the first row is now.
    """

    file: Path
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    time_column: str | None = None
    time_format: str | None = None
    speed: Annotated[float, Field(gt=0)] | Literal["fastest"] = 1.0
    times: Literal["as_recorded", "shifted"] = "as_recorded"
    tags: tuple[ReplayTagSettings, ...] = Field(min_length=1)
