"""One session with one server: the only module that knows how asyncua connects.

Numpy-free, because safety uses it. asyncua's own reconnection, watchdogs and publish
loop are left out: a loss is an exception here, and who opened connects anew.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from asyncua import ua

from appliance.domain.ports import SourceUnavailableError
from connectors.opcua.entrance import client_of
from connectors.opcua.entry import Entry, OwnCertificateRefusedError
from connectors.opcua.handover import (
    TransferRefusedError,
    leave_behind,
    transfer,
)
from connectors.opcua.nodes import node_id_of
from connectors.opcua.security import Security
from connectors.opcua.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.domain.ports import Clock
    from appliance.runtime.pki.own import OwnPair
    from connectors.opcua.config import OpcuaSettings

log = logging.getLogger(__name__)

_NAMESPACE_ARRAY = f"i={ua.ObjectIds.Server_NamespaceArray}"

_LOOK_AT_CERTIFICATES_EVERY_S = 30.0


class Connection(Session):
    """An activated session, until it fails; then it stays failed: connect anew.

    `session` offers the services of OPC UA Part 4; use it inside `guarded`.
    `node_ids` are those of the nodes given to `connect`, None where the server does
    not know the namespace. `resumed` says that the session is the one of before.
    """

    @classmethod
    async def connect(
        cls,
        settings: OpcuaSettings,
        clock: Clock,
        *,
        nodes: Sequence[str] = (),
        keep_session: bool = False,
        resume: Self | None = None,
        security: Security | None = None,
    ) -> Self:
        """Connect and find the nodes.

        `security` belongs to the source and outlives its connections. Where the
        server does not accept our newest certificate, the one before is shown.

        With `keep_session` a loss leaves the session to the server, so that the next
        connection can take it up: `resume` names the lost one. Otherwise the server is
        asked to forget it.

        Raises:
            SourceUnavailableError: Nobody answers, or we are not let in.
        """
        security = security or Security(settings, clock)
        entry = await security.prepare()
        refusal: OwnCertificateRefusedError | None = None
        for own in _ours(entry, resume):
            connection = cls(
                client_of(settings), settings, clock, security=security, own=own
            )
            try:
                await connection._open(entry, nodes=nodes, resume=resume)
            except OwnCertificateRefusedError as error:
                refusal = error
            else:
                security.entered(entry, own)
                connection._keeps_session = keep_session
                return connection
        assert refusal is not None, "there is always a certificate, or none is needed"
        raise refusal

    @property
    def certificate_is_outdated(self) -> bool:
        """Whether it is worth connecting anew with a newer certificate of ours; cheap.

        What cannot be moved (a `Lifeline`'s reader) connects anew beside this one.
        """
        return not self._lost and self._security.is_outdated(self._own)

    async def keep_certificate_current(self) -> None:
        """Take our new certificate into use when there is one, and lose nothing.

        Runs beside the publishing until cancelled or lost.
        """
        while not self._lost:
            await self._clock.sleep(_LOOK_AT_CERTIFICATES_EVERY_S)
            if not self.certificate_is_outdated:
                continue
            try:
                await self._move_over()
            except SourceUnavailableError as error:
                log.warning(
                    "source %s: still with the certificate of before: %s",
                    self._settings.name,
                    error,
                )

    async def _move_over(self) -> None:
        """Open a session with our newest certificate, and go on in that one.

        Raises:
            SourceUnavailableError: It cannot be had; this connection is as before,
                unless it says that it is lost.
        """
        security = self._security
        with security.guarded():
            (newest, *_) = await security.own_pairs()
        if self._own is None or newest.certificate == self._own.certificate:
            return
        entry = await security.prepare()
        successor = type(self)(
            client_of(self._settings),
            self._settings,
            self._clock,
            security=security,
            own=newest,
        )
        await successor._open(entry)  # noqa: SLF001 - one of us
        try:
            await self._go_on_as(successor, entry)
        except TransferRefusedError as refusal:
            security.postpone()
            raise SourceUnavailableError(
                f"{self._settings.url}: the server does not move subscriptions "
                f"({refusal}); the new certificate counts from the next connection"
            ) from refusal
        finally:
            if successor.session is not self.session:
                await successor.leave()
        security.entered(entry, newest)
        log.info("source %s: now with %s", self._settings.name, newest.certificate)

    async def _go_on_as(self, successor: Self, entry: Entry) -> None:
        """Move all that we have in the server to another session of ours."""
        within_s = self._settings.timeout_s
        # Private: asyncua knows what we subscribed to, and tells only its own loops.
        callbacks = dict(self.session._subscription_callbacks)  # noqa: SLF001
        client, session = self._client, self.session
        if callbacks:
            # asyncua's own server publishes what was transferred on the channel of
            # before until the session is activated on another; others do not mind.
            with successor.guarded():
                channel = await successor._another_channel(entry)
        self._bridge.hold()
        try:
            if callbacks:
                await self._bridge.heard_out(self._clock)
                with self._unless_refused():
                    ids = list(callbacks)
                    await transfer(successor.session, ids, within_s=within_s)
                with self.guarded():
                    await successor._change_to(channel, entry)
            self._client, self.session = successor._client, successor.session
            self._own, self._renewed_s = successor._own, successor._renewed_s
            self.session._subscription_callbacks.update(callbacks)  # noqa: SLF001
        finally:
            self._bridge.release(self._client)
            if callbacks and channel is not successor:
                channel.close()
        await leave_behind(client, session, clock=self._clock, within_s=within_s)

    async def _another_channel(self, entry: Entry) -> Self:
        """Open a channel like ours, with no session in it yet."""
        other = type(self)(
            client_of(self._settings),
            self._settings,
            self._clock,
            security=self._security,
            own=self._own,
        )
        try:
            await other._open_channel(entry)  # noqa: SLF001 - one of us
        except BaseException:
            other.close()
            raise
        return other

    async def _change_to(self, other: Self, entry: Entry) -> None:
        """Activate our session on another channel, and leave the one before."""
        if not await other._take_up(self, entry):
            raise ConnectionError("the server has forgotten the session")
        self._client, other._client = other._client, self._client
        self.session, other.session = other.session, self.session
        self._renewed_s = other._renewed_s

    @contextmanager
    def _unless_refused(self) -> Iterator[None]:
        """Being refused is no loss; not to know where the subscriptions are is one."""
        refused: TransferRefusedError | None = None
        with self.guarded():
            try:
                yield
            except TransferRefusedError as refusal:
                refused = refusal
        if refused is not None:
            raise refused

    async def _open(
        self,
        entry: Entry,
        *,
        nodes: Sequence[str] = (),
        resume: Connection | None = None,
    ) -> None:
        try:
            with self.guarded():
                await self._open_channel(entry)
                await self._enter(entry, resume)
                await self._find(nodes)
        except BaseException:
            self.close()
            raise

    async def _find(self, nodes: Sequence[str]) -> None:
        (value,) = await self.read([ua.NodeId.from_string(_NAMESPACE_ARRAY)])
        uris: list[str] = [] if value.Value is None else value.Value.Value or []
        self.node_ids = [node_id_of(text, uris) for text in nodes]


def _ours(entry: Entry, resume: Connection | None) -> Sequence[OwnPair | None]:
    """Return our certificates in the order to show them.

    A session that can be taken up needs the certificate that it was made with; the
    newer one follows without a gap.
    """
    if resume is None or resume._own not in entry.pairs:  # noqa: SLF001 - one of us
        return entry.pairs
    rest = [pair for pair in entry.pairs if pair != resume._own]  # noqa: SLF001
    return [resume._own, *rest]  # noqa: SLF001 - same
