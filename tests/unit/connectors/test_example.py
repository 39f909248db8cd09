from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.domain.ports import SourceUnavailableError
from connectors.example.config import ExampleSettings
from connectors.example.source import ExampleSource, parse
from tests.unit.connectors.fakes import START_NS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.connectors.fakes import SetClock


def settings_of(file: Path, **keys: object) -> ExampleSettings:
    tags = [{"id": "bench/speed", "key": "speed"}]
    source = {"name": "b", "connector": "example", "file": str(file), "tags": tags}
    return ExampleSettings.model_validate(source | keys)


async def test_values_are_as_old_as_the_file(tmp_path: Path, clock: SetClock) -> None:
    file = tmp_path / "values.txt"
    file.write_text("speed 1480.5\n", encoding="utf-8")
    written_ns = START_NS - 5 * 10**9
    os.utime(file, ns=(written_ns, written_ns))
    source = ExampleSource(settings_of(file), clock)
    (tags,) = source.groups.values()
    async with source.open({tags[0]: 7}) as batches:
        first, second = await anext(batches), await anext(batches)
    for batch in (first, second):
        assert batch.value.tolist() == [1480.5]
        assert batch.source_time_ns.tolist() == [written_ns]
    assert second.receive_time_ns - first.receive_time_ns == 10**9


async def test_a_file_that_is_no_text_is_unavailable(
    tmp_path: Path, clock: SetClock
) -> None:
    file = tmp_path / "values.txt"
    file.write_bytes(b"\xff\xff")
    source = ExampleSource(settings_of(file), clock)
    with pytest.raises(SourceUnavailableError, match=r"values\.txt"):
        await source.open({}).__aenter__()


def test_a_period_longer_than_stale_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="stale_after_s"):
        settings_of(tmp_path / "x", period_s=10.0)


@given(st.text())
def test_any_text_is_parsed(text: str) -> None:
    assert all(isinstance(value, float) for value in parse(text).values())
