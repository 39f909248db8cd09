"""Who we say we are to a server: our certificate, its name, and its renewal."""

from __future__ import annotations

import asyncio
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from cryptography.hazmat.primitives.serialization import Encoding

from appliance.cli import main
from appliance.domain.batch import Batch
from appliance.domain.sample import Quality
from appliance.runtime.clock import SystemClock
from appliance.runtime.pki.application import FORMER_URI
from appliance.runtime.pki.certificate import NS_PER_DAY
from appliance.runtime.pki.folder import PkiFolder
from connectors.opcua.connection import Connection
from connectors.opcua.reader import OpcuaReader
from connectors.opcua.security import RETRY_NEW_CERTIFICATE_S
from connectors.opcua.source import OpcuaSource
from tests.contract.secured import (
    OURS,
    TODAY,
    WITHIN_S,
    HastyClock,
    Secured,
    first_value,
    refusal_of,
    server_certificate,
    trust,
    value_of,
)
from tests.unit.runtime.certificates import make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import pytest

    from appliance.domain.ports import Clock
    from connectors.opcua.config import OpcuaSettings


# ------------------------------------------------------------------ whose it is


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


GATEWAY = "urn:wheeltapper:hall-3:gw-1"


def nameless(secured: Secured, **security: Any) -> OpcuaSettings:  # noqa: ANN401 - keys of a TOML table
    """Return settings that name no application, as the configuration loads them."""
    given = secured.settings(application_uri=None, **security)
    return given.of_gateway("hall-3", "gw-1")


def make_former(secured: Secured) -> str:
    """Make a certificate as an earlier version would have; return its thumbprint."""
    folder, now_ns = trust(secured), SystemClock().utc_ns()
    pair = folder.renew_own(FORMER_URI, ["gateway-1"], now_ns=now_ns, days=700)
    return pair.certificate.thumbprint


async def test_without_a_word_we_are_called_as_the_gateway(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve()
    folder = trust(secured)
    for _ in range(2):  # and still after a restart
        assert await first_value(nameless(secured), clock) == [85.5]
        assert secured.door.names[-1] == GATEWAY
    (pair,) = folder.own_pairs(GATEWAY)
    assert set(secured.door.seen) == {pair.certificate.thumbprint}


async def test_a_certificate_of_before_gateways_had_names_goes_on_to_count(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve()
    former = make_former(secured)
    secured.door.accepted = {former}
    assert await first_value(nameless(secured), clock) == [85.5]
    assert (secured.door.seen, secured.door.names) == ([former], [FORMER_URI])


async def test_a_new_name_counts_when_the_server_accepts_its_certificate(
    serve: Callable[..., Secured], clock: Clock
) -> None:
    secured = serve()
    former = make_former(secured)
    secured.door.accepted = {former}
    pki = str(secured.folder / "pki")
    words = ["pki", "renew", "--uri", GATEWAY, "--pki", pki]
    assert await asyncio.to_thread(main, words) == 0
    source = OpcuaSource(nameless(secured), clock)
    assert await value_of(source) == [85.5]
    assert (secured.door.seen[-1], secured.door.names[-1]) == (former, FORMER_URI)
    assert [each.key for each in source.diagnostics] == ["certificate"]
    secured.door.accepted = None
    source = OpcuaSource(nameless(secured), clock)
    assert await value_of(source) == [85.5]
    assert secured.door.names[-1] == GATEWAY
    assert source.diagnostics == ()


async def test_files_of_ours_say_what_we_are_called(
    secured: Secured, clock: Clock, tmp_path: Path
) -> None:
    certificate, key = make("ours", uri="urn:x", now=TODAY).write(tmp_path, "ours")
    settings = nameless(secured, certificate=certificate, private_key=key)
    assert await first_value(settings, clock) == [85.5]
    assert secured.door.names[-1] == "urn:x"


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
