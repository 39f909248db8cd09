"""Secured OPC UA servers on loopback, each with the certificate it is given."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager

from appliance.domain.batch import Batch
from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.clock import SystemClock
from appliance.runtime.pki.certificate import Certificate
from appliance.runtime.pki.folder import PkiFolder
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.source import OpcuaSource
from tests.contract.wires import LOOPBACK, free_port
from tests.unit.runtime.certificates import Made, make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cryptography import x509

    from appliance.domain.ports import Clock

WITHIN_S = 60
URI = "urn:wheeltapper:secured"
OURS = "urn:wheeltapper:gateway"
TODAY = datetime.now(UTC)
TYPES = ua.SecurityPolicyType
SIGNED = (
    TYPES.Basic256Sha256_Sign,
    TYPES.Basic256Sha256_SignAndEncrypt,
    TYPES.Aes128Sha256RsaOaep_Sign,
    TYPES.Aes128Sha256RsaOaep_SignAndEncrypt,
    TYPES.Aes256Sha256RsaPss_Sign,
    TYPES.Aes256Sha256RsaPss_SignAndEncrypt,
)


def server_certificate(**different: Any) -> Made:  # noqa: ANN401 - what `make` takes
    given: dict[str, Any] = {"uri": URI, "now": TODAY} | different
    return make("server", **given)


@dataclass
class Door(UserManager):
    """Whom the server lets in, and whose certificate it accepts (None: anybody's)."""

    anonymous: bool = True
    users: set[bytes] = field(default_factory=set)
    accepted: set[str] | None = None
    seen: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def get_user(
        self,
        iserver: object,
        username: str | None = None,
        password: str | None = None,
        certificate: bytes | None = None,
    ) -> User | None:
        del iserver
        if username is not None:
            known = (username, password) == ("op", "s3cret")
        else:
            known = self.anonymous or certificate in self.users
        return User(role=UserRole.User, name=username) if known else None

    async def validate(
        self, certificate: x509.Certificate, said: ua.ApplicationDescription
    ) -> None:
        self.names.append(str(said.ApplicationUri))
        thumbprint = Certificate(certificate).thumbprint
        self.seen.append(thumbprint)
        if self.accepted is not None and thumbprint not in self.accepted:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


@dataclass
class Secured:
    """A server, what it holds, and who may enter."""

    folder: Path
    made: Made = field(default_factory=server_certificate)
    policies: tuple[ua.SecurityPolicyType, ...] = SIGNED
    tokens: tuple[type, ...] = (
        ua.AnonymousIdentityToken,
        ua.UserNameIdentityToken,
        ua.X509IdentityToken,
    )
    door: Door = field(default_factory=Door)
    port: int = 0
    server: Server | None = None
    counting_s: float | None = None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        self.port = free_port()
        certificate, key = self.made.write(self.folder, "server")
        server = self.server = Server(user_manager=self.door)
        await server.init()
        await server.set_application_uri(URI)
        server.set_endpoint(f"opc.tcp://{LOOPBACK}:{self.port}/")
        server.set_security_policy(list(self.policies))
        server.set_identity_tokens(list(self.tokens))
        server.set_certificate_validator(self.door.validate)
        await server.load_certificate(certificate)
        await server.load_private_key(key)
        index = await server.register_namespace(URI)
        objects = server.nodes.objects
        node = ua.NodeId.from_string(f"ns={index};s=level")
        await objects.add_variable(node, "level", 85.5)
        node = ua.NodeId.from_string(f"ns={index};s=count")
        count = await objects.add_variable(node, "count", 0.0)
        await count.set_writable()
        async with server:
            if self.counting_s is None:
                yield self.port
                return
            async with asyncio.TaskGroup() as group:
                counting = group.create_task(self._count(server, node), name="count")
                yield self.port
                counting.cancel()

    async def _count(self, server: Server, node: ua.NodeId) -> None:
        assert self.counting_s is not None
        number = 0
        while True:
            number += 1
            now = ua.DateTime.now(UTC)
            value = ua.Variant(float(number), ua.VariantType.Double)
            await server.write_attribute_value(
                node, ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now)
            )
            await asyncio.sleep(self.counting_s)

    @property
    def sessions(self) -> int:
        """Sessions that others have here now."""
        assert self.server is not None
        return len(self.server.iserver._external_sessions)

    def settings(
        self,
        node: str = "level",
        application_uri: str | None = OURS,
        **security: Any,  # noqa: ANN401 - keys of a TOML table
    ) -> OpcuaSettings:
        given = {"pki": self.folder / "pki", "allow_anonymous": True} | security
        return OpcuaSettings.model_validate(
            {
                "name": "secured",
                "connector": "opcua",
                "url": f"opc.tcp://{LOOPBACK}:{self.port}/",
                "security": given,
                "application_uri": application_uri,
                "publishing_interval_s": 0.05,
                "sampling_interval_s": 0.0,
                "keep_alive_s": 1.0,
                "timeout_s": 20.0,  # a busy machine is no silent server
                "tags": [{"id": "rig/level", "node": f"nsu={URI};s={node}"}],
                "points": [
                    {"name": "count", "node": f"nsu={URI};s=count", "type": "Double"}
                ],
            }
        )


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
