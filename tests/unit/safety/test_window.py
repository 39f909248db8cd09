"""What safety shows on its socket: tags, words, claims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.link.client import connect
from appliance.safety import announcer as announcer_module
from appliance.safety.tags import safety_tags
from appliance.wire.messages import BatchMessage
from tests.unit.safety.living import a_config, living, make_ready, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.safety.bench import FakePlant, MakeRow


pytestmark = pytest.mark.usefixtures("on_the_plant")


async def test_its_tags_are_published(tmp_path: Path, row: MakeRow) -> None:
    config = a_config(row(), row(id="high/2"), row(id="high+2"), row(id=" "))
    names = [tag.id for tag in safety_tags(config)]
    assert len(set(names)) == len(names) == 5 + 3 * 4
    assert "safety/high_2/margin" in names
    assert "safety/high_2_/margin" in names
    assert "safety/_/demand" in names
    async with living(config, tmp_path):
        async with connect(
            tmp_path / "safety.sock", process="hub", subscribe=("batches",)
        ) as hub:
            assert [entry.name for entry in hub.hello.tags] == names
            async for news in hub.messages():
                assert isinstance(news, BatchMessage)
                assert len(news.tag) == 4 * len(names)
                assert news.group == "safety"
                break


async def test_a_very_long_name_still_makes_a_tag(row: MakeRow) -> None:
    names = [tag.id for tag in safety_tags(a_config(row(id="ü" * 64)))]
    assert max(len(name.encode()) for name in names) <= 128


async def test_tags_are_told_again_after_a_while(
    tmp_path: Path,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcer_module, "AT_LEAST_EVERY_S", 0.02)
    async with living(a_config(row()), tmp_path):
        async with connect(
            tmp_path / "safety.sock", process="hub", subscribe=("batches",)
        ) as hub:
            count = 0
            async for _ in hub.messages():
                count += 1
                if count == 5:
                    break


async def test_states_of_a_row_in_words(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    slow = row(on_delay_s=60.0, max_age_s=0.01, comms_loss_delay_s=2.0)
    async with living(a_config(slow), tmp_path) as link:
        plant.values["P/a"] = 9.0
        await until(link, lambda s: s["initiators"][0]["state"] == "on-delay")
        plant.values["P/a"] = 1.0
        await until(link, lambda s: s["initiators"][0]["state"] == "clear")
        plant.values["P/a"] = "late"
        status = await until(link, lambda s: s["initiators"][0]["state"] == "late")
        assert status["initiators"][0]["channels"][0]["trust"] == "late"


async def test_a_bad_channel_that_the_vote_bears_is_said(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    plant.values["P/b"] = 1.0
    pair = row(channels=("P/a", "P/b"), vote="1oo2", bad_is="exclude")
    async with living(a_config(pair), tmp_path) as link:
        await make_ready(link)
        plant.values["P/b"] = "bad"
        status = await until(link, lambda s: s["initiators"][0]["state"] == "bad")
        assert status["initiators"][0]["acting_vote"] == "1oo1"
        assert not status["tripped"]
