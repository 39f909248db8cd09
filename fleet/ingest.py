"""From messages to the lake to acknowledgements. No network here."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.wire.messages import WireError
from appliance.wire.outbox import ACK, Ack, encode_ack, topic
from fleet.delivery import open_delivery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fleet.delivery import StreamKey
    from fleet.writer import LakeWriter

log = logging.getLogger(__name__)

COMPLAINTS_MAX = 100
"""Broken payloads that are logged one by one; then only their number."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What to publish, and where."""

    topic: str
    content: bytes


class Ingest:
    """Takes what arrives, whatever it is; acknowledges what is durable.

    A row that is there already is dropped and acknowledged again: its sender had not
    heard. Beyond a hole nothing is acknowledged, until it is filled, declared by a gap
    row, or settled by its sender; the rows beyond it are kept all the same.
    """

    def __init__(self, lake: LakeWriter) -> None:
        self._lake = lake
        self._touched: dict[StreamKey, None] = {}
        self._counts = {"payloads": 0, "payloads_broken": 0, "acks": 0}

    @property
    def counters(self) -> Mapping[str, int]:
        """Payloads, broken ones, acknowledgements, and what the lake counts."""
        return {**self._counts, **self._lake.counters}

    def take(self, topic_name: str, content: bytes) -> None:
        """Take a message into the next commit; what is not ours is counted, logged."""
        self._counts["payloads"] += 1
        try:
            delivery = open_delivery(topic_name, content)
        except WireError as error:
            self._counts["payloads_broken"] += 1
            self._complain(topic_name, error)
            return
        self._touched.update(dict.fromkeys(self._lake.add(delivery)))

    def commit(self) -> tuple[Acknowledgement, ...]:
        """Make it durable; return what to tell the gateways.

        Raises:
            LakeError: The disk refused; nobody is told anything.
        """
        self._lake.commit()
        told = []
        for key in self._touched:
            through = self._lake.through(key)
            if through > 0:
                told.append(_acknowledgement(key, through))
        self._touched.clear()
        self._counts["acks"] += len(told)
        return tuple(told)

    def _complain(self, topic_name: str, error: WireError) -> None:
        broken = self._counts["payloads_broken"]
        if broken <= COMPLAINTS_MAX:
            log.warning("a message on %r is dropped: %s", topic_name[:200], error)
        if broken == COMPLAINTS_MAX:
            log.warning("further broken messages are only counted")


def _acknowledgement(key: StreamKey, through: int) -> Acknowledgement:
    ack = Ack(epoch=key.epoch, stream=key.stream, through=through)
    return Acknowledgement(topic(key.site, key.gateway, ACK), encode_ack(ack))
