"""The OPC UA connector on a server that demands certificates and a password."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import Server, ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.plugins import load_connector
from tests.contract.wires import LOOPBACK, ServerLoop, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock

URI = "urn:wheeltapper:secured"
OURS = "urn:wheeltapper:gateway"


class Users(UserManager):
    """Lets one user in."""

    def get_user(
        self,
        _server: object,
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,
    ) -> User | None:
        del certificate
        known = (username, password) == ("op", "s3cret")
        return User(role=UserRole.User, name=username) if known else None


async def make_certificates(folder: Path) -> None:
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    for name, uri in (("server", URI), ("ours", OURS), ("other", URI)):
        key, certificate = folder / f"{name}.pem", folder / f"{name}.der"
        await setup_self_signed_certificate(
            key, certificate, uri, "localhost", both, {}
        )


@asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[int]:
    await make_certificates(folder)
    port = free_port()
    server = Server(user_manager=Users())
    await server.init()
    await server.set_application_uri(URI)
    server.set_endpoint(f"opc.tcp://{LOOPBACK}:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.set_identity_tokens([ua.UserNameIdentityToken])
    await server.load_certificate(folder / "server.der")
    await server.load_private_key(folder / "server.pem")
    index = await server.register_namespace(URI)
    node = ua.NodeId.from_string(f"ns={index};s=level")
    await server.nodes.objects.add_variable(node, "level", 85.5)
    async with server:
        yield port


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="module")
def port(pki: Path) -> Iterator[int]:
    with ServerLoop() as servers:
        yield servers.enter(secured(pki))


async def first_batch(pki: Path, port: int, clock: Clock, **security: Any) -> Batch:  # noqa: ANN401 - keys of a TOML table
    password = pki / "password"
    password.write_text("s3cret\n", encoding="utf-8")
    ours = {
        "certificate": pki / "ours.der",
        "private_key": pki / "ours.pem",
        "server_certificate": pki / "server.der",
        "user": "op",
        "password_file": password,
    }
    card = load_connector("opcua")
    settings = card.settings.model_validate(
        {
            "name": "secured",
            "connector": "opcua",
            "url": f"opc.tcp://{LOOPBACK}:{port}/",
            "security": ours | security,
            "publishing_interval_s": 0.05,
            "keep_alive_s": 0.2,
            "tags": [{"id": "rig/level", "node": f"nsu={URI};s=level"}],
        }
    )
    source = card.source(settings, clock)
    ((tag,),) = source.groups.values()
    async with source.open({tag: 1}) as batches:
        return await anext(batches)


async def test_certificates_and_password_let_us_in(
    pki: Path, port: int, clock: Clock
) -> None:
    batch = await first_batch(pki, port, clock)
    assert batch.value.tolist() == [85.5]


async def test_a_wrong_password_is_unavailable(
    pki: Path, port: int, clock: Clock, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess", encoding="utf-8")
    with pytest.raises(SourceUnavailableError):
        await first_batch(pki, port, clock, password_file=wrong)


async def test_another_server_than_the_pinned_one_is_unavailable(
    pki: Path, port: int, clock: Clock
) -> None:
    with pytest.raises(SourceUnavailableError):
        await first_batch(pki, port, clock, server_certificate=pki / "other.der")


async def test_an_open_door_is_not_taken_where_security_is_demanded(
    pki: Path, port: int, clock: Clock
) -> None:
    nothing = dict.fromkeys(("certificate", "private_key", "server_certificate"))
    with pytest.raises(SourceUnavailableError):
        await first_batch(
            pki, port, clock, policy="none", allow_insecure=True, **nothing
        )


async def test_a_missing_key_file_is_unavailable(
    pki: Path, port: int, clock: Clock
) -> None:
    with pytest.raises(SourceUnavailableError, match=r"absent\.pem"):
        await first_batch(pki, port, clock, private_key=pki / "absent.pem")
