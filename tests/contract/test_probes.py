"""Every connector that reads once tells a person the truth, also of what is bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.plugins import load_connector, tag_ids
from tests.contract.network_rigs import NetworkRig

if TYPE_CHECKING:
    from appliance.domain.ports import Clock, Probe
    from tests.contract.rigs import Rig


def probe_of(rig: Rig, clock: Clock) -> Probe:
    card = load_connector(rig.connector)
    if card.probe_path is None:
        pytest.skip(f"{rig.connector} has no probe")
    return card.probe(rig.settings, clock)


async def test_good_is_good_and_bad_is_bad_in_the_order_asked(
    rig: Rig, clock: Clock
) -> None:
    tags = list(reversed(tag_ids(rig.settings)))
    found = await probe_of(rig, clock).probe(tags, deadline_s=10)
    assert [each.sample.tag for each in found] == tags
    quality = {str(each.sample.tag): each.sample.quality for each in found}
    assert {tag for tag, is_so in quality.items() if is_so is Quality.GOOD} == rig.good
    assert {tag for tag, is_so in quality.items() if is_so is Quality.BAD} == rig.bad
    good = [each for each in found if each.sample.quality is Quality.GOOD]
    assert all(each.raw and each.decoded for each in good)


async def test_only_what_is_asked_is_read(rig: Rig, clock: Clock) -> None:
    probe = probe_of(rig, clock)
    name = min(rig.good)
    tag = next(each for each in tag_ids(rig.settings) if each == name)
    (found,) = await probe.probe([tag], deadline_s=10)
    assert found.sample.tag == name


async def test_nobody_there_is_said_at_once_or_at_the_deadline(
    rig: Rig, clock: Clock
) -> None:
    probe = probe_of(rig, clock)
    assert isinstance(rig, NetworkRig)
    await rig.silence()
    with pytest.raises(SourceUnavailableError):
        await probe.probe(tag_ids(rig.settings), deadline_s=1.5)
    await rig.cut()
    with pytest.raises(SourceUnavailableError):
        await probe.probe(tag_ids(rig.settings), deadline_s=5)
    await rig.mend()
    found = await probe.probe(tag_ids(rig.settings), deadline_s=10)
    assert any(each.sample.quality is Quality.GOOD for each in found)
