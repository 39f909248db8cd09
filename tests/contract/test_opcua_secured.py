"""The OPC UA connector on servers that demand certificates and names."""

from __future__ import annotations

import asyncio
import re
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.cli import main
from appliance.domain.batch import Batch
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.clock import SystemClock
from appliance.runtime.pki.certificate import NS_PER_DAY
from appliance.runtime.pki.folder import PkiFolder
from connectors.opcua.connection import Connection
from connectors.opcua.output import OpcuaOutput
from connectors.opcua.reader import OpcuaReader
from connectors.opcua.security import RETRY_NEW_CERTIFICATE_S
from connectors.opcua.source import OpcuaSource
from tests.contract.secured import (
    OURS,
    SIGNED,
    TODAY,
    TYPES,
    URI,
    Door,
    Secured,
    server_certificate,
)
from tests.contract.wires import ServerLoop
from tests.unit.runtime.certificates import Made, crl, make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from appliance.domain.ports import Clock
    from connectors.opcua.config import OpcuaSettings

WITHIN_S = 60


class HastyClock(SystemClock):
    """The machine's clock, of which somebody may skip a part; no sleep is long."""

    def __init__(self) -> None:
        self.skipped_s = 0.0

    def utc_ns(self) -> int:
        return super().utc_ns() + round(self.skipped_s * 1e9)

    def now_s(self) -> float:
        return super().now_s() + self.skipped_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


def trust(secured: Secured) -> PkiFolder:
    folder = PkiFolder(secured.folder / "pki")
    folder.put(secured.made.certificate, "trusted")
    return folder


async def first_value(settings: OpcuaSettings, clock: Clock) -> list[float]:
    source = OpcuaSource(settings, clock)
    return await value_of(source)


async def value_of(source: OpcuaSource) -> list[float]:
    ((tag,),) = source.groups.values()
    async with asyncio.timeout(WITHIN_S), source.open({tag: 1}) as batches:
        async for batch in batches:
            assert isinstance(batch, Batch)
            if len(batch.value):
                values: list[float] = batch.value.tolist()
                return values
    raise AssertionError("the source ended without a value")


async def refusal_of(settings: OpcuaSettings, clock: Clock) -> str:
    with pytest.raises(SourceUnavailableError) as caught:
        await first_value(settings, clock)
    return str(caught.value)


@pytest.fixture(scope="module")
def secured(servers: ServerLoop, tmp_path_factory: pytest.TempPathFactory) -> Secured:
    """A server with every policy, which we trust."""
    built = Secured(tmp_path_factory.mktemp("secured"))
    servers.enter(built.serving())
    trust(built)
    return built


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Secured]]:
    """Start a server of one test's own."""
    with ServerLoop() as loop:

        def start(**given: Any) -> Secured:  # noqa: ANN401 - fields of Secured
            built = Secured(tmp_path, **given)
            loop.enter(built.serving())
            return built

        yield start


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


async def test_our_certificate_is_made_at_the_first_need(
    secured: Secured, clock: Clock
) -> None:
    await first_value(secured.settings(), clock)
    folder = PkiFolder(secured.folder / "pki")
    (pair,) = folder.own_pairs(OURS)
    key = folder.path / "own" / f"{pair.certificate.thumbprint}.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert pair.certificate.application_uris == (OURS,)
    assert "127.0.0.1" in pair.certificate.host_names
    assert secured.door.seen[-1] == pair.certificate.thumbprint


async def test_files_of_ours_are_used_where_they_are_named(
    secured: Secured, clock: Clock, tmp_path: Path
) -> None:
    certificate, key = make("ours", uri=OURS, now=TODAY).write(tmp_path, "ours")
    # PEM as well as DER, whatever the file is called.
    ours = make("ours", uri=OURS, now=TODAY)
    certificate.write_bytes(ours.certificate.x509.public_bytes(Encoding.PEM))
    settings = secured.settings(certificate=certificate, private_key=key)
    assert await first_value(settings, clock) == [85.5]
    assert secured.door.seen[-1] == ours.certificate.thumbprint


async def test_a_missing_key_file_is_unavailable(
    secured: Secured, clock: Clock, tmp_path: Path
) -> None:
    certificate, _ = make("ours", uri=OURS, now=TODAY).write(tmp_path, "ours")
    settings = secured.settings(
        certificate=certificate, private_key=tmp_path / "absent.pem"
    )
    assert "absent.pem" in await refusal_of(settings, clock)


async def test_a_certificate_of_ours_for_another_application_is_not_shown(
    secured: Secured, clock: Clock, tmp_path: Path
) -> None:
    certificate, key = make("ours", uri="urn:x", now=TODAY).write(tmp_path, "ours")
    settings = secured.settings(certificate=certificate, private_key=key)
    assert "it is for urn:x, and application_uri is" in await refusal_of(
        settings, clock
    )


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


# ------------------------------------------------------------------ expiry, renewal


async def test_certificates_that_end_within_a_month_are_told(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve(made=server_certificate(to_days=20))
    trust(secured)
    ours = make("ours", uri=OURS, now=TODAY, to_days=5)
    certificate, key = ours.write(secured.folder, "ours")
    source = OpcuaSource(
        secured.settings(certificate=certificate, private_key=key), clock
    )
    await value_of(source)
    found = {each.key: each for each in source.diagnostics}
    assert set(found) == {"certificate", "server certificate"}
    assert "in 20 days" in found["server certificate"].message
    assert found["server certificate"].priority == "medium"
    assert "in 5 days" in found["certificate"].message
    assert found["certificate"].priority == "high"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():
            await asyncio.sleep(0.01)


class Counted:
    """A source that reads a counter, and the numbers that it was given."""

    def __init__(self, secured: Secured, clock: Clock) -> None:
        self.source = OpcuaSource(secured.settings(node="count"), clock)
        self.numbers: list[int] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read(), name="test.read")
            yield
            reading.cancel()

    async def _read(self) -> None:
        ((tag,),) = self.source.groups.values()
        async with self.source.open({tag: 1}) as batches:
            async for batch in batches:
                assert isinstance(batch, Batch)
                self.numbers += [int(value) for value in batch.value]

    async def more(self, count: int = 20) -> None:
        wanted = len(self.numbers) + count
        await until(lambda: len(self.numbers) >= wanted)

    def assert_nothing_is_missing(self) -> None:
        first = self.numbers[0]
        assert self.numbers == list(range(first, first + len(self.numbers)))


def renew(secured: Secured) -> str:
    """Renew our certificate by the command; return its thumbprint."""
    pki = secured.folder / "pki"
    assert main(["pki", "renew", "--pki", str(pki)]) == 0
    newest, *_ = PkiFolder(pki).own_pairs(OURS)
    return newest.certificate.thumbprint


async def test_our_certificate_is_renewed_with_overlap_and_no_value_is_lost(
    serve: Callable[..., Secured],
) -> None:
    secured = serve(counting_s=0.01)
    trust(secured)
    counted = Counted(secured, HastyClock())
    async with counted.running():
        await counted.more()
        before = secured.door.seen[-1]
        after = await asyncio.to_thread(renew, secured)
        assert after != before
        await until(lambda: secured.door.seen[-1] == after)
        await until(lambda: secured.sessions == 1)
        await counted.more()
    counted.assert_nothing_is_missing()
    assert counted.source.diagnostics == ()


async def test_the_old_certificate_serves_until_the_server_accepts_the_new_one(
    serve: Callable[..., Secured],
) -> None:
    secured, clock = serve(counting_s=0.01), HastyClock()
    trust(secured)
    counted = Counted(secured, clock)
    async with counted.running():
        await counted.more()
        before = secured.door.seen[-1]
        secured.door.accepted = {before}
        after = await asyncio.to_thread(renew, secured)
        await until(lambda: bool(counted.source.diagnostics))
        (found,) = counted.source.diagnostics
        assert after in found.message
        assert found.priority == "medium"
        await counted.more()
        secured.door.accepted = {before, after}
        clock.skipped_s += RETRY_NEW_CERTIFICATE_S
        await until(lambda: not counted.source.diagnostics)
        await until(lambda: secured.sessions == 1)
        await counted.more()
    counted.assert_nothing_is_missing()
    assert secured.door.seen[-1] == after


async def test_after_a_loss_the_certificate_that_the_server_accepts_is_shown(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve()
    trust(secured)
    assert await first_value(secured.settings(), clock) == [85.5]
    secured.door.accepted = {secured.door.seen[-1]}
    await asyncio.to_thread(renew, secured)
    source = OpcuaSource(secured.settings(), clock)
    assert await value_of(source) == [85.5]
    assert [each.key for each in source.diagnostics] == ["certificate"]


async def test_a_certificate_is_renewed_by_itself_before_it_ends(
    serve: Callable[..., Secured],
) -> None:
    secured, clock = serve(counting_s=0.01), HastyClock()
    folder = trust(secured)
    folder.renew_own(OURS, ["here"], now_ns=clock.utc_ns(), days=61)
    counted = Counted(secured, clock)
    async with counted.running():
        await counted.more()
        before = secured.door.seen[-1]
        clock.skipped_s += 2 * NS_PER_DAY / 1e9
        await until(lambda: secured.door.seen[-1] != before)
        await until(lambda: secured.sessions == 1)
        await counted.more()
    counted.assert_nothing_is_missing()
    assert len(folder.own_pairs(OURS)) == 2


async def test_a_server_that_moves_no_subscription_keeps_the_session_it_has(
    serve: Callable[..., Secured], monkeypatch: pytest.MonkeyPatch
) -> None:
    secured, clock = serve(counting_s=0.01), HastyClock()
    trust(secured)
    assert secured.server is not None
    service = secured.server.iserver.subscription_service

    async def refuse(*_: object) -> list[ua.TransferResult]:
        raise ServiceError(ua.StatusCodes.BadServiceUnsupported)

    monkeypatch.setattr(service, "transfer_subscriptions", refuse)
    counted = Counted(secured, clock)
    async with counted.running():
        await counted.more()
        after = await asyncio.to_thread(renew, secured)
        await until(lambda: after in secured.door.seen)
        await until(lambda: secured.sessions == 1)
        await counted.more()
    counted.assert_nothing_is_missing()


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


async def test_safety_takes_the_new_certificate_without_a_bad_scan(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve()
    trust(secured)
    reader = OpcuaReader(secured.settings(), clock)
    async with reader.open():
        (sample,) = await reader.read(WITHIN_S)
        after = await asyncio.to_thread(renew, secured)
        scans = 0
        async with asyncio.timeout(WITHIN_S):
            while secured.door.seen[-1] != after or secured.sessions > 1:
                (sample,) = await reader.read(1.0)
                assert sample.quality is Quality.GOOD
                scans += 1
                await asyncio.sleep(0.01)
        for _ in range(5):
            (sample,) = await reader.read(1.0)
            assert sample.quality is Quality.GOOD
    assert scans


async def test_a_connection_says_whether_its_certificate_is_of_yesterday(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve()
    trust(secured)
    connection = await Connection.connect(secured.settings(), clock)
    said = [connection.certificate_is_outdated]
    await asyncio.to_thread(renew, secured)
    said.append(connection.certificate_is_outdated)
    await connection.leave()
    said.append(connection.certificate_is_outdated)
    assert said == [False, True, False]
