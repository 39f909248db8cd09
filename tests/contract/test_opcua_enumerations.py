"""The words for the numbers of an enumeration, on a real server."""

from __future__ import annotations

import tomllib
from argparse import ArgumentParser
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.common.structures104 import new_enum

from appliance.config.load import check_text
from appliance.domain.tag import parse_tag_id
from connectors.opcua.explorer import OpcuaExplorer
from connectors.opcua.probe import OpcuaProbe
from tests.contract.opcua_plant import plant, tag
from tests.contract.wires import LOOPBACK

if TYPE_CHECKING:
    from appliance.domain.ports import Clock
    from tests.contract.opcua_plant import Plant

V = ua.VariantType
WITHIN_S = 60
STATES = {
    "defined": {0: "Off", 1: "Starting", 2: "On"},
    "typed": {0: "Local", 1: "Remote"},
    "multi": {0: "Stop", 1: "Slow", 2: "Fast"},
    "sparse": {-1: "Fault", 10: "Idle", 20: "Busy"},
    "valve": {0: "closed", 1: "open"},
}
VALUES = {"defined": 2, "typed": 1, "multi": 1, "sparse": -1, "valve": 1}


async def add_enumerations(server: Plant) -> None:
    """Add a variable of each way in which a server may say the words."""
    inner, index = server.server, server.index
    defined = await new_enum(inner, index, "Drive", [*STATES["defined"].values()])
    await server.add("defined", 2, varianttype=V.Int32, datatype=defined.nodeid)
    enumeration = inner.get_node(ua.NodeId.from_string("i=29"))
    typed = await enumeration.add_data_type(
        ua.NodeId.from_string(f"ns={index};s=type.Place"), "Place"
    )
    await typed.add_property(0, "EnumStrings", words(STATES["typed"]))
    await server.add("typed", 1, varianttype=V.Int32, datatype=typed.nodeid)
    multi = await server.add("multi", 1, varianttype=V.UInt32)
    await multi.add_property(0, "EnumStrings", words(STATES["multi"]))
    sparse = await server.add("sparse", -1, varianttype=V.Int32)
    values = [
        ua.EnumValueType(Value=value, DisplayName=ua.LocalizedText(word))
        for value, word in STATES["sparse"].items()
    ]
    await sparse.add_property(0, "EnumValues", values)
    valve = await server.add("valve", True)
    await valve.add_property(0, "FalseState", ua.LocalizedText("closed"))
    await valve.add_property(0, "TrueState", ua.LocalizedText("open"))
    await server.add("number", 1.0)


def words(states: dict[int, str]) -> list[ua.LocalizedText]:
    return [ua.LocalizedText(word) for word in states.values()]


async def test_a_value_is_read_with_its_word_and_stays_a_number(clock: Clock) -> None:
    async with plant() as server:
        await add_enumerations(server)
        tags = [tag(name) for name in (*VALUES, "number")]
        tags.append(tag("own", states={1: "on the way"}) | {"node": tags[2]["node"]})
        settings = server.settings(tags)
        asked = [parse_tag_id(each["id"]) for each in tags]
        found = await OpcuaProbe(settings, clock).probe(asked, deadline_s=WITHIN_S)
    said = {
        str(each.sample.tag).removeprefix("P-101/"): (each.sample.value, each.state)
        for each in found
    }
    expected = {name: (value, STATES[name][value]) for name, value in VALUES.items()}
    own = {"number": (1.0, ""), "own": (1.0, "on the way")}
    assert said == expected | own


async def test_discovery_writes_the_words_down(clock: Clock) -> None:
    async with plant() as server:
        await add_enumerations(server)
        explorer, parser = OpcuaExplorer(clock), ArgumentParser()
        explorer.add_arguments(parser)
        url = f"opc.tcp://{LOOPBACK}:{server.port}/"
        given = parser.parse_args([url, "--timeout", "30", "--source", "P"])
        found = await explorer.explore(given)
    config, problems = check_text(found.toml)
    assert config is not None, problems
    tags = {each.id: dict(each.states) for each in config.sources[0].tag_table()}
    assert {f"P/{name}": states for name, states in STATES.items()} | {
        "P/number": {}
    } == tags
    (source,) = tomllib.loads(found.toml)["sources"]
    assert source["tags"][0]["states"] == {"0": "Off", "1": "Starting", "2": "On"}
