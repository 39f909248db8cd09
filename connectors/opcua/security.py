"""How a source enters its server: whom it trusts, and who it says it is.

Nothing that a server shows is believed before its certificate was judged; what was
judged is what the channel is then opened with.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from asyncua import ua

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.credentials import credential_path
from appliance.runtime.pki.certificate import Certificate, parse_certificates
from appliance.runtime.pki.judge import Expected, Reason, Refusal, Trust, refusals
from appliance.runtime.pki.own import OwnPair, is_due
from connectors.opcua.endpoints import endpoints_of, wanted_endpoint
from connectors.opcua.entry import (
    Entry,
    OwnCertificateRefusedError,
    is_about_certificate,
)
from connectors.opcua.own_certificates import (
    OwnCertificates,
    read_certificate,
    read_pair,
    uri_of,
)
from connectors.opcua.policies import MODES, POLICIES
from connectors.opcua.sign_in import (
    NotLetInError,
    is_about_identity,
    is_strong,
    token_policy,
    whom,
)
from connectors.opcua.standing import Standing, security_diagnostics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncua import Client

    from appliance.domain.diagnostic import Diagnostic
    from appliance.domain.ports import Clock
    from connectors.opcua.config import OpcuaSettings

log = logging.getLogger(__name__)

RETRY_NEW_CERTIFICATE_S = 600.0
"""So long after the server refused our new certificate it is asked again."""


class Security:
    """One source's way into its server, over all its connections.

    It reads files anew for each connection, so that what a person trusts or renews
    counts without a restart. `diagnostics` say what stands against it.
    """

    def __init__(self, settings: OpcuaSettings, clock: Clock) -> None:
        self._url = settings.url
        self._source = settings
        self._settings = settings.security
        self._timeout_s = settings.timeout_s
        self._clock = clock
        self._own = OwnCertificates(settings, clock)
        self._standing = Standing(makes_own=self._own.are_made_here)
        self._retry_s = clock.now_s()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What a person should know of the certificates now."""
        return security_diagnostics(self._standing, now_ns=self._clock.utc_ns())

    async def prepare(self) -> Entry:
        """Ask the server for its certificate, judge it, and read what is ours.

        Raises:
            SourceUnavailableError: The server is away, or its certificate does not
                hold; every reason is said, and the remedy.
        """
        try:
            with self.guarded():
                return await self._prepare()
        except SourceUnavailableError:
            self.postpone()
            raise

    async def own_pairs(self, here: str = "") -> tuple[OwnPair, ...]:
        """Return our certificates, newest first; make one where it is time.

        Raises:
            CertificateError: One is not what it should be.
            OSError: A file is missing, or the disk refused.
        """
        pairs = await asyncio.to_thread(self._own.pairs, here)
        self._standing = replace(self._standing, newest=pairs[0].certificate)
        return pairs

    def is_outdated(self, own: OwnPair | None) -> bool:
        """Whether it is worth looking for a newer certificate than this; cheap."""
        if own is None or self._clock.now_s() < self._retry_s:
            return False
        newest = self._standing.newest
        return (
            self._own.have_changed
            or (newest is not None and newest != own.certificate)
            or (self._standing.makes_own and is_due(own, now_ns=self._clock.utc_ns()))
        )

    def secure(self, client: Client, entry: Entry, own: OwnPair | None) -> None:
        """Let a client speak as we with the server that was judged, and no other."""
        if own is None or entry.server is None:
            return
        server = entry.server
        client.application_uri = uri_of(self._source, own)
        policy: Any = POLICIES[self._settings.policy](
            server.x509, own.certificate.x509, own.key, MODES[self._settings.mode]
        )
        client.security_policy = policy
        client.uaclient.set_security(policy)

        async def confirm(_: object, said: ua.ApplicationDescription) -> None:
            # What GetEndpoints said could be forged; this is signed.
            expected = Expected(said.ApplicationUri, pinned=server)
            chain = (server,)
            found = refusals(chain, Trust(), expected, now_ns=self._clock.utc_ns())
            self._refuse(found, server)

        client.certificate_validator = confirm

    def postpone(self) -> None:
        """Leave our newest certificate for a while: it cannot be taken into use."""
        self._retry_s = self._clock.now_s() + RETRY_NEW_CERTIFICATE_S

    @contextmanager
    def presenting(self, own: OwnPair | None) -> Iterator[None]:
        """Say so if the server refuses us for our certificate.

        Raises:
            OwnCertificateRefusedError: It does.
        """
        try:
            yield
        except (ua.UaStatusCodeError, ConnectionError) as error:
            if own is None or not is_about_certificate(error):
                raise
            self._standing = replace(
                self._standing, refused=own.certificate, why_refused=str(error)
            )
            self.postpone()
            thumbprint = own.certificate.thumbprint
            raise OwnCertificateRefusedError(
                f"{self._url}: the server does not accept our certificate "
                f"{own.certificate}: {error}; let it trust that one (wheeltapper pki "
                f"show {thumbprint} --out FILE)"
            ) from error

    async def activate(self, client: Client, entry: Entry) -> None:
        """Activate the session as whom the configuration names.

        Raises:
            SourceUnavailableError: The server will not have us, or not safely.
        """
        # Private: asyncua takes the first way of signing in, we the safest.
        offered = client._policy_ids  # noqa: SLF001
        channel = client.security_policy
        try:
            policy = token_policy(
                self._settings,
                offered,
                policy_uri=channel.URI,
                is_encrypted=channel.Mode == ua.MessageSecurityMode.SignAndEncrypt,
            )
        except NotLetInError as error:
            raise SourceUnavailableError(f"{self._url}: {error}") from error
        if policy is not None:
            client._policy_ids = [policy]  # noqa: SLF001
            if self._settings.user is not None and is_strong(policy, channel.URI):
                self._check_addressee(client, entry)
        user = None if entry.user is None else entry.user.certificate.x509
        client.user_private_key = None if entry.user is None else entry.user.key
        try:
            await client.activate_session(self._settings.user, entry.password, user)
        except ua.UaStatusCodeError as error:
            if not is_about_identity(error):
                raise
            raise SourceUnavailableError(
                f"{self._url}: the server refuses {whom(self._settings)}: {error}"
            ) from error
        finally:
            client._policy_ids = offered  # noqa: SLF001

    def entered(self, entry: Entry, own: OwnPair | None) -> None:
        """Take note that the server let us in."""
        certificate = None if own is None else own.certificate
        standing = replace(
            self._standing, server=entry.server, refusals=(), in_use=certificate
        )
        if certificate in {standing.refused, standing.newest}:
            standing = replace(standing, refused=None, why_refused="")
        self._standing = standing

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn whatever is raised inside into `SourceUnavailableError`."""
        try:
            yield
        except SourceUnavailableError:
            raise
        except Exception as error:
            # A malformed message makes asyncua's parser raise almost anything.
            reason = str(error) or type(error).__name__
            raise SourceUnavailableError(f"{self._url}: {reason}") from error

    async def _prepare(self) -> Entry:
        settings = self._settings
        entry = Entry()
        if settings.is_secured or settings.user is not None:
            entry = await asyncio.to_thread(self._read)
        if not settings.is_secured:
            return entry
        offered, here = await endpoints_of(self._url, timeout_s=self._timeout_s)
        endpoint = wanted_endpoint(offered, settings, url=self._url)
        chain = parse_certificates(endpoint.ServerCertificate or b"")
        expected = await self._expected(endpoint.Server.ApplicationUri or "")
        await self._judge(chain, entry.trust, expected)
        pairs = await self.own_pairs(here)
        return replace(entry, pairs=pairs, server=chain[0])

    def _read(self) -> Entry:
        settings = self._settings
        password = user = None
        if settings.password_file is not None:
            place = credential_path(settings.password_file)
            password = place.read_text("utf-8").rstrip("\r\n")
        if settings.user_certificate and settings.user_private_key:
            user = read_pair(settings.user_certificate, settings.user_private_key)
        return Entry(trust=self._own.folder.trust(), password=password, user=user)

    async def _expected(self, application_uri: str) -> Expected:
        settings = self._settings
        pinned = None
        if settings.server_certificate is not None:
            place = settings.server_certificate
            pinned = await asyncio.to_thread(read_certificate, place)
        host = urlsplit(self._url).hostname if settings.check_host_name else None
        return Expected(
            application_uri,
            host=host,
            pinned=pinned,
            allow_missing_crl=settings.allow_missing_crl,
        )

    async def _judge(
        self, chain: tuple[Certificate, ...], trust: Trust, expected: Expected
    ) -> None:
        found = refusals(chain, trust, expected, now_ns=self._clock.utc_ns())
        untrusted = any(each.reason is Reason.UNTRUSTED for each in found)
        if untrusted and expected.pinned is None:
            try:
                await asyncio.to_thread(self._own.folder.keep_rejected, chain[0])
            except OSError as error:
                log.warning("%s: cannot keep what was rejected: %s", self._url, error)
        self._refuse(found, chain[0])

    def _refuse(self, found: tuple[Refusal, ...], server: Certificate) -> None:
        self._standing = replace(self._standing, server=server, refusals=found)
        if found:
            reasons = "; ".join(each.message for each in found)
            remedies = "; ".join(dict.fromkeys(each.remedy for each in found))
            raise SourceUnavailableError(
                f"{self._url}: the server is refused: {reasons}. {remedies}"
            )

    def _check_addressee(self, client: Client, entry: Entry) -> None:
        """On an open channel: is the password encrypted for somebody we trust?"""
        if self._settings.is_secured or self._settings.allow_plain_password:
            return
        chain = parse_certificates(client.security_policy.peer_certificate or b"")
        pinned = None
        if self._settings.server_certificate is not None:
            pinned = read_certificate(self._settings.server_certificate)
        expected = Expected(pinned=pinned, allow_missing_crl=True)
        found = refusals(chain, entry.trust, expected, now_ns=self._clock.utc_ns())
        if found and pinned is None:
            self._own.folder.keep_rejected(chain[0])
        self._refuse(found, chain[0])
