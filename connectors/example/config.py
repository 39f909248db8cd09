"""Settings of the example: what a person writes under `[[sources]]`.

Everything that can be wrong is refused here, at `wheeltapper check`, with a message
that says what to do. Nothing here opens a file or a socket.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads it at run time
from typing import Self

from pydantic import Field, model_validator

from appliance.runtime.plugins import SourceSettings, TagSettings


class ExampleTagSettings(TagSettings):
    """A tag, and the key that stands before its value in the file."""

    key: str = Field(pattern=r"^\S+$")


class ExampleSettings(SourceSettings):
    """A text file that something else rewrites, read every `period_s` seconds."""

    file: Path
    period_s: float = Field(default=1.0, ge=0.01, le=3600)
    tags: tuple[ExampleTagSettings, ...]

    @model_validator(mode="after")
    def _check_stale(self) -> Self:
        if self.period_s >= self.stale_after_s:
            raise ValueError("`stale_after_s` must be longer than `period_s`")
        return self
