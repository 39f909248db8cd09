"""`python -m fleet ingest`: take, commit, acknowledge, for as long as it is wanted."""

from __future__ import annotations

import json
import logging
import queue
import random
import signal
import sys
import threading
from typing import TYPE_CHECKING

from fleet.ingest import Ingest
from fleet.subscriber import UNANSWERED_MAX, Subscriber
from fleet.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.domain.ports import Clock
    from fleet.subscriber import Broker, Message

log = logging.getLogger(__name__)

COMMIT_WITHIN_S = 0.5
COMMIT_MESSAGES = 10
"""So many do not wait for more: brokers give 20 before they want an answer."""
_LOOK_S = 0.25


def run_ingest(lake: Path, broker: Broker, *, clock: Clock) -> None:
    """Ingest until SIGTERM or SIGINT. Says on standard output when it is ready.

    Raises:
        LakeError: The lake cannot be written. What was not acknowledged comes again.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_writer(lake) as writer:
        ingest = Ingest(writer)
        subscriber = Subscriber(broker, ready=_teller(lake), spread=random.random)
        subscriber.start()
        try:
            while not stop.is_set():
                messages = gather(subscriber.inbox, clock)
                if messages:
                    serve(ingest, subscriber, messages)
        finally:
            subscriber.stop()
    log.info("ended: %s", json.dumps(dict(ingest.counters)))


def gather(inbox: queue.Queue[Message], clock: Clock) -> list[Message]:
    """Return messages worth a commit: what is there, or a few within `COMMIT_WITHIN_S`.

    None after `_LOOK_S` without any, so that the caller can look around.
    """
    messages: list[Message] = []
    wait_s = _LOOK_S
    due_s = 0.0
    while len(messages) < UNANSWERED_MAX:
        try:
            messages.append(inbox.get(timeout=max(wait_s, 0.0)))
        except queue.Empty:
            break
        if len(messages) == 1:
            due_s = clock.now_s() + COMMIT_WITHIN_S
        enough = len(messages) >= COMMIT_MESSAGES
        wait_s = 0.0 if enough else due_s - clock.now_s()
    return messages


def serve(ingest: Ingest, subscriber: Subscriber, messages: list[Message]) -> None:
    """Commit messages, tell the gateways, let the broker forget; in this order.

    Raises:
        LakeError: The disk refused; nobody is told anything.
    """
    for message in messages:
        ingest.take(message.topic, message.content)
    subscriber.publish(ingest.commit())
    subscriber.done(messages)


def _teller(lake: Path) -> Callable[[int], None]:
    """Return what prints the line of readiness, once."""
    told = threading.Event()

    def tell(protocol: int) -> None:
        if told.is_set():
            return
        told.set()
        line = {"ready": True, "lake": str(lake), "mqtt": protocol}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    return tell
