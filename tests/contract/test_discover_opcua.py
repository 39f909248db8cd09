"""Discovery of OPC UA servers, real ones: what is found, bounded, and refused."""

from __future__ import annotations

import asyncio
import tomllib
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import ua

from appliance.config.load import check_text
from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.clock import SystemClock
from appliance.runtime.listening import stop_listening
from appliance.runtime.pki.certificate import parse_certificates
from appliance.runtime.pki.folder import PkiFolder
from connectors.opcua.explorer import OpcuaExplorer
from tests.contract.opcua_plant import URI, plant
from tests.contract.secured import SIGNED, Door, Secured
from tests.contract.wires import LOOPBACK, free_port, settle

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.domain.commissioning import Exploration
    from tests.contract.opcua_plant import Plant


async def explored(port: int, *words: str) -> Exploration:
    explorer, parser = OpcuaExplorer(SystemClock()), ArgumentParser()
    explorer.add_arguments(parser)
    url = f"opc.tcp://{LOOPBACK}:{port}/"
    found = await explorer.explore(parser.parse_args([url, "--timeout", "30", *words]))
    _, problems = check_text(found.toml)
    assert not problems, (problems, found.toml)
    return found


def tags_of(found: Exploration) -> dict[str, dict[str, Any]]:
    (source,) = tomllib.loads(found.toml)["sources"]
    return {tag["id"]: tag for tag in source.get("tags", ())}


def node_id(here: Plant, name: str) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={here.index};s={name}")


def notes_of(found: Exploration) -> str:
    return "\n".join(found.notes)


async def test_names_are_kept_literally_and_made_unique() -> None:
    async with plant() as here:
        objects = here.server.nodes.objects
        for number, name in enumerate(
            ["[P-101]", "泵-1", "a+b#c", "tab\there", 'quo"te\\', "\x7fdel", "[P-101]"]
        ):
            asset = await objects.add_object(
                node_id(here, f"o{number}"), f"{here.index}:{name}"
            )
            await asset.add_variable(
                node_id(here, f"v;{number}=%"), f"{here.index}:flow", 1.5
            )
        await here.add("alone", 2.5)
        found = await explored(here.port, "--source", "skid")
        tags = tags_of(found)
        assert set(tags) == {
            "[P-101]/flow",
            "[P-101]/flow_2",
            "泵-1/flow",
            "a_b_c/flow",
            "tab_here/flow",
            'quo"te\\/flow',
            "_del/flow",
            "skid/alone",
        }
        assert tags["泵-1/flow"]["node"] == f"nsu={URI};s=v;1=%"
        assert found.tag_count == len(tags)


async def test_globs_choose_and_brackets_are_letters() -> None:
    async with plant() as here:
        objects = here.server.nodes.objects
        for name in ("[P-101]", "P-102"):
            asset = await objects.add_object(here.index, name)
            await asset.add_variable(here.index, "flow", 1.5)
            await asset.add_variable(here.index, "speed", 1.5)
        found = await explored(here.port, "--match", "[P-101]/*")
        assert set(tags_of(found)) == {"[P-101]/flow", "[P-101]/speed"}
        found = await explored(here.port, "--match", "*/speed", "--match", "P-102/*")
        assert len(tags_of(found)) == 3
        nothing = await explored(here.port, "--match", "P-999/*")
        assert nothing.tag_count == 0
        assert "no variables that match" in notes_of(nothing)


async def test_a_tangled_graph_is_walked_once() -> None:
    async with plant() as here:
        objects = here.server.nodes.objects
        first = await objects.add_object(here.index, "first")
        second = await first.add_object(here.index, "second")
        await second.add_reference(first, ua.ObjectIds.Organizes)
        await second.add_reference(objects, ua.ObjectIds.Organizes)
        value = await second.add_variable(here.index, "level", 1.0)
        await objects.add_reference(value, ua.ObjectIds.Organizes)
        found = await explored(here.port)
        assert set(tags_of(found)) == {"plant/level"}


async def test_a_server_without_variables_says_so() -> None:
    async with plant() as here:
        found = await explored(here.port)
        assert found.tag_count == 0
        assert "no variables" in notes_of(found)


async def test_depth_and_count_are_bounded_and_said() -> None:
    async with plant() as here:
        node = here.server.nodes.objects
        for level in range(5):
            node = await node.add_object(here.index, f"level{level}")
            await node.add_variable(here.index, "x", 1.0)
        assert (await explored(here.port)).tag_count == 5
        shallow = await explored(here.port, "--max-depth", "3")
        assert shallow.tag_count == 2
        assert "deeper than 3 levels" in notes_of(shallow)
        few = await explored(here.port, "--max-nodes", "2")
        assert few.tag_count == 2
        assert "stopped at 2 variables" in notes_of(few)


async def test_thousands_of_nodes_are_found_or_a_few_of_them_quickly() -> None:
    async with plant() as here:
        objects = here.server.nodes.objects
        for fifty in range(50):
            folder = await objects.add_folder(here.index, f"many-{fifty}")
            for number in range(50):
                await folder.add_variable(here.index, f"v{number}", 1.0)
        some = await explored(here.port, "--max-nodes", "50")
        assert some.tag_count == 50
        everything = await explored(here.port)
        assert everything.tag_count == 2_500


async def test_shapes_units_and_access_are_told_and_doubts_stay_comments() -> None:
    async with plant() as here:
        flow = await here.add("P/flow", 55.0)
        await flow.add_property(0, "EURange", ua.Range(0.0, 120.0))
        unit = ua.EUInformation(
            "http://www.opcfoundation.org/UA/units/un/cefact",
            5066696,
            ua.LocalizedText("m3/h"),
            ua.LocalizedText("cubic metre per hour"),
        )
        await flow.add_property(0, "EngineeringUnits", unit)
        beyond = await here.add("P/beyond", 500.0)
        await beyond.add_property(0, "EURange", ua.Range(0.0, 100.0))
        burst = await here.add("P/burst", [1.0, 2.0, 3.0])
        await burst.add_property(0, "SampleRate", 1000.0)
        await here.add("P/list", [1.0, 2.0])
        await here.add("P/name", "pump\nno. 1")
        hidden = await here.add("P/hidden", 1.0)
        await hidden.unset_attr_bit(ua.AttributeIds.UserAccessLevel, 0)
        permit = await here.add("P/permit", True)
        await permit.set_writable()
        found = await explored(here.port, "--source", "P")
        tags = tags_of(found)
        assert tags["P/flow"] == {
            "id": "P/flow",
            "node": f"nsu={URI};s=P/flow",
            "type": "Double",
            "engineering_units": "m3/h",
            "range_low": 0.0,
            "range_high": 120.0,
        }
        assert "range_low" not in tags["P/beyond"]
        assert tags["P/burst"]["waveform"] is True
        assert "P/list" not in tags
        assert "P/hidden" not in tags
        assert "element = 0" in found.toml
        assert '# name = "permit"' in found.toml
        rows = {row["tag"]: row for row in found.rows if "tag" in row}
        assert rows["P/permit"]["access"] == "read, write"
        assert rows["P/hidden"]["access"] == "none"
        assert rows["P/name"]["value"] == "pump no. 1"


async def test_a_root_is_a_node_of_the_server() -> None:
    async with plant() as here:
        asset = await here.server.nodes.objects.add_object(
            node_id(here, "P"), f"{here.index}:P"
        )
        await asset.add_variable(here.index, "x", 1.0)
        await here.add("other", 1.0)
        found = await explored(here.port, "--root", f"nsu={URI};s=P")
        assert set(tags_of(found)) == {"plant/x"}
        found = await explored(here.port, "--root", "nsu=urn:no;s=P")
        assert "no such namespace" in notes_of(found)


async def test_an_untrusted_server_shows_its_endpoints_and_the_remedy(
    tmp_path: Path,
) -> None:
    pki = PkiFolder(tmp_path / "pki")
    server = Secured(tmp_path, policies=SIGNED)
    async with server.serving() as port:
        given = ("--pki", str(pki.path))
        found = await explored(port, *given)
        (thumbprint,) = {row["certificate"] for row in found.rows}
        assert {row["trusted"] for row in found.rows} == {"no"}
        assert found.tag_count == 0
        assert f"wheeltapper pki trust {thumbprint}" in notes_of(found)
        (kept,) = pki.kept("rejected")
        assert kept.certificate.thumbprint == thumbprint
        pki.move(kept, "trusted")
        found = await explored(port, *given, "--source", "skid")
        assert {row["trusted"] for row in found.rows if "trusted" in row} == {"yes"}
        assert "skid/level" in tags_of(found)
        security = tomllib.loads(found.toml)["sources"][0]["security"]
        assert security["policy"] == "Aes256_Sha256_RsaPss"
        assert security["mode"] == "SignAndEncrypt"
        assert security["allow_anonymous"] is True


async def test_who_must_name_himself_is_told_and_let_in(tmp_path: Path) -> None:
    pki = PkiFolder(tmp_path / "pki")
    server = Secured(
        tmp_path, tokens=(ua.UserNameIdentityToken,), door=Door(anonymous=False)
    )
    async with server.serving() as port:
        certificate = (tmp_path / "server.der").read_bytes()
        for each in parse_certificates(certificate):
            pki.put(each, "trusted")
        given = ("--pki", str(pki.path), "--source", "skid")
        found = await explored(port, *given)
        assert found.tag_count == 0
        assert "--user NAME --password-file FILE" in notes_of(found)
        password = tmp_path / "password"
        password.write_text("s3cret\n")
        user = ("--user", "op", "--password-file", str(password))
        found = await explored(port, *given, *user)
        assert "skid/level" in tags_of(found)
        assert "s3cret" not in found.toml


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP server answers there, not OPC UA"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "speaks TLS, not OPC UA"),
        (b"", "hangs up at once"),
        (None, "says nothing"),
    ],
)
async def test_others_than_opcua_are_told_apart(
    greeting: bytes | None, words: str
) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(64)
        if greeting is None:
            await over.wait()
        else:
            writer.write(greeting)
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(SourceUnavailableError, match=words) as raised:
            await explored(port, *(("--timeout", "0.3") if greeting is None else ()))
        assert "\n" not in str(raised.value)
    finally:
        over.set()
        await stop_listening(server)
        await settle()


async def test_nobody_and_no_such_host_are_told_apart() -> None:
    with pytest.raises(SourceUnavailableError, match="nothing listens on port"):
        await explored(free_port())
    explorer, parser = OpcuaExplorer(SystemClock()), ArgumentParser()
    explorer.add_arguments(parser)
    with pytest.raises(ValueError, match=r"write opc\.tcp://"):
        await explorer.explore(parser.parse_args(["http://127.0.0.1/"]))
