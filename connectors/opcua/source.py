"""An OPC UA server as a source: it tells us what changes."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
from asyncua import ua

from appliance.domain.batch import batch_of, keep_alive
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.tasks import companions
from connectors.opcua.connection import Connection
from connectors.opcua.inbox import Inbox
from connectors.opcua.notification import decode, overflows
from connectors.opcua.subscription import subscribe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.subscription import Subscription

log = logging.getLogger(__name__)


class OpcuaSource:
    """Subscribes to every tag and yields one batch per notification message.

    A message without changes is the server's keep-alive: it confirms all tags.
    """

    def __init__(self, settings: OpcuaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lost_before = 0
        self._inbox: Inbox | None = None

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._settings.name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """All tags in one group, `source.subscription`."""
        return {self._group: [tag.tag().id for tag in self._settings.tags]}

    @property
    def lost(self) -> int:
        """Samples known to be lost on the way here, since the start."""
        return self._lost_before + (0 if self._inbox is None else self._inbox.lost)

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Connect, and yield batches until the connection is lost.

        Raises:
            SourceUnavailableError: The connection failed or was lost.
        """
        nodes = [tag.node for tag in self._settings.tags]
        connection = await Connection.connect(self._settings, self._clock, nodes=nodes)
        try:
            subscription = await subscribe(connection, self._settings, numbers)
            inbox = self._new_inbox()
            if subscription.refused:
                inbox.put(self._refused(subscription.refused, numbers))
            async with companions() as tasks:
                listening = self._listen(connection, subscription, inbox)
                tasks.start(listening, name=f"source.{self.name}.publish")
                yield inbox
        finally:
            await connection.leave()

    async def _listen(
        self, connection: Connection, subscription: Subscription, inbox: Inbox
    ) -> None:
        """Ask for notification after notification until the connection is lost."""
        acknowledge: list[ua.SubscriptionAcknowledgement] = []
        try:
            while True:
                answer = await connection.publish(
                    acknowledge, within_s=subscription.silence_s
                )
                message = answer.Parameters.NotificationMessage
                acknowledge = []
                if message.NotificationData:
                    acknowledge = [
                        ua.SubscriptionAcknowledgement(
                            subscription.id, message.SequenceNumber
                        )
                    ]
                inbox.put(self._batch(message, subscription, inbox))
        except SourceUnavailableError as error:
            inbox.fail(error)

    def _batch(
        self, message: ua.NotificationMessage, subscription: Subscription, inbox: Inbox
    ) -> Batch:
        """Return the batch of a message.

        Raises:
            SourceUnavailableError: The server has ended the subscription.
        """
        receive_ns = self._clock.utc_ns()
        changes: list[ua.MonitoredItemNotification] = []
        for part in message.NotificationData or ():
            match part:
                case ua.DataChangeNotification():
                    changes.extend(part.MonitoredItems or ())
                case ua.StatusChangeNotification():
                    reason = part.Status.name
                    raise SourceUnavailableError(f"the server ended it: {reason}")
        if not changes:
            return keep_alive(self._group, receive_ns)
        inbox.count_lost(overflows(changes))
        return decode(
            changes, subscription.items, group=self._group, receive_ns=receive_ns
        )

    def _refused(
        self, refused: Mapping[TagId, int], numbers: Mapping[TagId, int]
    ) -> Batch:
        now_ns = self._clock.utc_ns()
        return batch_of(
            [numbers[tag] for tag in refused],
            np.full(len(refused), np.nan),
            source_time_ns=now_ns,
            receive_time_ns=now_ns,
            quality=Quality.BAD,
            status=list(refused.values()),
            group=self._group,
            confirms=False,
        )

    def _new_inbox(self) -> Inbox:
        self._lost_before = self.lost
        self._inbox = Inbox(self.name, self._settings.queue_messages)
        return self._inbox

    @property
    def _group(self) -> str:
        return f"{self.name}.subscription"
