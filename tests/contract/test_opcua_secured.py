"""The OPC UA connector on servers that demand certificates and names."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import ua
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.cli import main
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.pki.folder import PkiFolder
from connectors.opcua.output import OpcuaOutput
from connectors.opcua.reader import OpcuaReader
from connectors.opcua.source import OpcuaSource
from tests.contract.secured import (
    OURS,
    SIGNED,
    TODAY,
    TYPES,
    URI,
    WITHIN_S,
    Door,
    Secured,
    first_value,
    refusal_of,
    server_certificate,
    trust,
    value_of,
)
from tests.unit.runtime.certificates import Made, crl, make

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.domain.ports import Clock
    from connectors.opcua.config import OpcuaSettings
    from tests.contract.wires import ServerLoop


# ------------------------------------------------------------------ the channel


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
@pytest.mark.parametrize(
    "policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
)
async def test_every_policy_and_mode_connects_and_delivers(
    secured: Secured, clock: Clock, policy: str, mode: str
) -> None:
    settings = secured.settings(policy=policy, mode=mode)
    assert await first_value(settings, clock) == [85.5]


async def test_what_the_server_does_not_offer_is_named_with_what_it_does(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve(policies=(TYPES.Basic256Sha256_Sign,))
    trust(secured)
    said = await refusal_of(secured.settings(), clock)
    assert "does not offer Basic256Sha256 SignAndEncrypt" in said
    assert "it offers Basic256Sha256 Sign" in said


async def test_an_open_door_is_not_taken_where_security_is_demanded(
    secured: Secured, clock: Clock
) -> None:
    settings = secured.settings(policy="none", allow_insecure=True)
    await refusal_of(settings, clock)


# ------------------------------------------------------------------ the server


async def test_an_unknown_server_is_refused_kept_and_after_trust_let_in(
    serve: Callable[..., Secured], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    secured = serve()
    source = OpcuaSource(secured.settings(), clock)
    with pytest.raises(SourceUnavailableError, match="is not trusted") as caught:
        await value_of(source)
    thumbprint = secured.made.certificate.thumbprint
    assert f"wheeltapper pki trust {thumbprint}" in str(caught.value)
    (found,) = source.diagnostics
    assert (found.key, found.priority) == ("server certificate", "high")
    pki = str(secured.folder / "pki")
    code = await asyncio.to_thread(main, ["pki", "trust", thumbprint[:8], "--pki", pki])
    assert code == 0
    assert thumbprint in capsys.readouterr().out
    assert await value_of(source) == [85.5]
    assert source.diagnostics == ()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"from_days": -30, "to_days": -1}, "it ended on"),
    "not yet valid": ({"from_days": 2}, "it is valid from"),
    "wrong application uri": (
        {"uri": "urn:somebody:else"},
        f"for the application urn:somebody:else, and the server calls itself {URI}",
    ),
    "wrong host name": ({"hosts": ("plc-7",)}, "it is for plc-7, and we called"),
    "short key": ({"bits": 1024}, "its key has 1024 bits"),
    "no server": ({"server": False}, "serverAuth is missing"),
    "no signing": ({"signs": False}, "not for signing and encrypting"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_trusted_server_is_refused_for_each_reason_by_name(
    serve: Callable[..., Secured], clock: Clock, case: str
) -> None:
    different, reason = REFUSED[case]
    secured = serve(made=server_certificate(**different))
    trust(secured)
    said = await refusal_of(secured.settings(), clock)
    assert reason in said
    assert "not trusted" not in said


async def test_another_host_name_can_be_accepted_in_words(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve(made=server_certificate(hosts=("plc-7",)))
    trust(secured)
    settings = secured.settings(check_host_name=False)
    assert await first_value(settings, clock) == [85.5]


@pytest.fixture
def authority(serve: Callable[..., Secured]) -> tuple[Made, Secured]:
    """A server whose certificate a trusted authority has issued."""
    ca = make("authority", uri="urn:ca", now=TODAY, ca=True)
    secured = serve(made=server_certificate(issuer=ca))
    PkiFolder(secured.folder / "pki").put(ca.certificate, "trusted")
    return ca, secured


def put_list(secured: Secured, ca: Made, *revoked: Made) -> None:
    issuers = secured.folder / "pki" / "issuers"
    issuers.mkdir(parents=True, exist_ok=True)
    content = crl(ca, *revoked, now=TODAY).public_bytes(Encoding.DER)
    (issuers / "authority.crl").write_bytes(content)


async def test_what_a_trusted_authority_issued_is_trusted_until_it_is_revoked(
    authority: tuple[Made, Secured], clock: Clock
) -> None:
    ca, secured = authority
    assert "there is no list" in await refusal_of(secured.settings(), clock)
    accepted = secured.settings(allow_missing_crl=True)
    assert await first_value(accepted, clock) == [85.5]
    put_list(secured, ca)
    assert await first_value(secured.settings(), clock) == [85.5]
    put_list(secured, ca, secured.made)
    assert "CN=authority has revoked it" in await refusal_of(accepted, clock)


async def test_the_pinned_server_is_let_in_and_no_other(
    serve: Callable[..., Secured], clock: Clock, tmp_path: Path
) -> None:
    secured = serve(made=server_certificate(hosts=("plc-7",)))
    pinned, _ = secured.made.write(tmp_path, "pinned")
    settings = secured.settings(server_certificate=pinned)
    assert await first_value(settings, clock) == [85.5]
    other, _ = server_certificate().write(tmp_path, "other")
    said = await refusal_of(secured.settings(server_certificate=other), clock)
    assert "is another than server_certificate" in said
    assert not (secured.folder / "pki" / "rejected").exists()


# ------------------------------------------------------------------ who we are


@pytest.fixture(scope="module")
def guarded(servers: ServerLoop, tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """A server that lets in one user by password and one by certificate."""
    user = make("user", uri="urn:user", now=TODAY)
    folder = tmp_path_factory.mktemp("guarded")
    user.write(folder, "user")
    make("stranger", uri="urn:user", now=TODAY).write(folder, "stranger")
    (folder / "right").write_text("s3cret\n", encoding="utf-8")
    (folder / "wrong").write_text("guess", encoding="utf-8")
    door = Door(anonymous=False, users={user.certificate.der})
    built = Secured(folder, door=door)
    servers.enter(built.serving())
    trust(built)
    return built


@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256_Sha256_RsaPss"])
async def test_a_user_with_the_right_password_is_let_in(
    guarded: Secured, clock: Clock, policy: str, mode: str
) -> None:
    settings = guarded.settings(
        user="op", password_file=guarded.folder / "right", policy=policy, mode=mode
    )
    assert await first_value(settings, clock) == [85.5]


async def test_a_wrong_password_is_named_as_that(
    guarded: Secured, clock: Clock
) -> None:
    settings = guarded.settings(user="op", password_file=guarded.folder / "wrong")
    said = await refusal_of(settings, clock)
    assert "refuses user 'op' with the password of password_file" in said
    assert "guess" not in said


async def test_an_anonymous_session_is_refused_and_named(
    guarded: Secured, clock: Clock
) -> None:
    said = await refusal_of(guarded.settings(), clock)
    assert "refuses nobody in particular (anonymous)" in said


async def test_where_nobody_may_be_anonymous_we_say_what_the_server_wants(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve(tokens=(ua.UserNameIdentityToken,))
    trust(secured)
    said = await refusal_of(secured.settings(), clock)
    assert "does not let in nobody in particular" in said
    assert "it wants UserName" in said


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256_Sha256_RsaPss"])
async def test_a_user_certificate_is_proven_and_a_strangers_refused(
    guarded: Secured, clock: Clock, policy: str
) -> None:
    folder = guarded.folder

    def named(who: str) -> OpcuaSettings:
        return guarded.settings(
            policy=policy,
            user_certificate=folder / f"{who}.der",
            user_private_key=folder / f"{who}.pem",
        )

    assert await first_value(named("user"), clock) == [85.5]
    said = await refusal_of(named("stranger"), clock)
    assert re.search(r"refuses the user of .*stranger\.der", said)


PASSWORD: dict[str, Any] = {"policy": "none", "allow_insecure": True, "user": "op"}


async def test_a_password_does_not_go_where_everybody_can_read_it(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve(policies=(TYPES.NoSecurity,))
    password = secured.folder / "password"
    password.write_text("s3cret", encoding="utf-8")
    given = PASSWORD | {"password_file": password}
    said = await refusal_of(secured.settings(**given), clock)
    assert "allow_plain_password = true" in said
    settings = secured.settings(**given, allow_plain_password=True)
    assert await first_value(settings, clock) == [85.5]


async def test_on_an_open_channel_a_password_is_encrypted_for_a_trusted_server_alone(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve(policies=(TYPES.NoSecurity, *SIGNED))
    password = secured.folder / "password"
    password.write_text("s3cret", encoding="utf-8")
    settings = secured.settings(**PASSWORD, password_file=password)
    assert "is not trusted" in await refusal_of(settings, clock)
    thumbprint = secured.made.certificate.thumbprint
    folder = PkiFolder(secured.folder / "pki")
    folder.move(folder.find(thumbprint, "rejected"), "trusted")
    assert await first_value(settings, clock) == [85.5]
    pinned = secured.folder / "server.der"
    settings = secured.settings(
        **PASSWORD, password_file=password, server_certificate=pinned
    )
    assert await first_value(settings, clock) == [85.5]


async def test_a_server_that_does_not_accept_our_certificate_is_told_apart(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve(door=Door(accepted=set()))
    folder = trust(secured)
    source = OpcuaSource(secured.settings(), clock)
    with pytest.raises(SourceUnavailableError, match="does not accept our certif"):
        await value_of(source)
    (pair,) = folder.own_pairs(OURS)
    (found,) = source.diagnostics
    assert (found.key, found.priority) == ("certificate", "high")
    assert f"pki show {pair.certificate.thumbprint}" in found.remedy
    secured.door.accepted = None
    assert await value_of(source) == [85.5]
    assert source.diagnostics == ()


# ------------------------------------------------------------------ safety


async def test_safety_reads_and_writes_over_the_same_security(
    secured: Secured, clock: Clock
) -> None:
    reader = OpcuaReader(secured.settings(), clock)
    output = OpcuaOutput(secured.settings(), clock)
    async with reader.open(), output.open():
        (sample,) = await reader.read(WITHIN_S)
        assert (sample.value, sample.quality) == (85.5, Quality.GOOD)
        await output.write("count", 4.0, deadline_s=WITHIN_S)
