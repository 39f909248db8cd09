"""Delivers the hub's calls: mail and webhooks, each target on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.sync.carrying import DeliveryError
from appliance.sync.mail import Mail
from appliance.sync.webhook import Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.config import CalloutSettings, SiteSettings
    from appliance.domain.ports import Clock
    from appliance.link.client import LinkClient

log = logging.getLogger(__name__)

ASK_S = 1.0
ANSWER_WITHIN_S = 30.0
DELIVER_WITHIN_S = 60.0
REMEMBERED = 1000
"""Calls that were delivered and are not delivered again, should the hub ask."""


class Attempt(Protocol):
    """One conversation with one target."""

    def deliver(self, letter: Mapping[str, Any]) -> str:
        """Block until it is taken; return what was said, or raise DeliveryError."""
        ...

    def abort(self) -> None:
        """End it from another thread."""
        ...


class _Letter(msgspec.Struct, frozen=True):
    id: str
    target: str
    subject: str
    text: str
    alarms: list[dict[str, Any]]
    over: list[dict[str, str]]
    calls: list[str]
    flood: bool = False
    test: bool = False


class Deliveries:
    """Asks the hub for letters, delivers them, and tells the hub how it went."""

    def __init__(
        self,
        settings: CalloutSettings,
        site: SiteSettings,
        hub_socket: Path,
        *,
        clock: Clock,
    ) -> None:
        self._mail = {each.name: each for each in settings.mail}
        self._webhooks = {each.name: each for each in settings.webhook}
        self._sender = {"site": site.id, "gateway": site.gateway}
        self._hub_socket = hub_socket
        self._clock = clock
        self._busy: set[str] = set()
        self._answers: dict[str, tuple[bool, str]] = {}
        self._delivered: dict[tuple[str, str], None] = {}
        self._lost = False

    async def run(self) -> None:
        """Deliver until cancelled; the hub may come and go, a delivery goes on."""
        threads = max(1, len(self._mail) + len(self._webhooks))
        pool = ThreadPoolExecutor(threads, thread_name_prefix="callout")
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._once(tasks, pool)
                    await self._clock.sleep(ASK_S)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    async def _once(self, tasks: asyncio.TaskGroup, pool: ThreadPoolExecutor) -> None:
        try:
            async with connect(self._hub_socket, process="sync") as link:
                while True:
                    await self._move(link, tasks, pool)
                    await self._clock.sleep(ASK_S)
        except (LinkLostError, LinkRefusedError, TimeoutError) as error:
            if not self._lost:
                log.warning("calls cannot be fetched from the hub: %r", error)
            self._lost = True

    async def _move(
        self, link: LinkClient, tasks: asyncio.TaskGroup, pool: ThreadPoolExecutor
    ) -> None:
        for message_id, (sent, said) in tuple(self._answers.items()):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await link.request("calls.done", id=message_id, sent=sent, said=said)
            del self._answers[message_id]
        for letter in await self._take(link):
            if letter.id not in self._busy and letter.id not in self._answers:
                self._busy.add(letter.id)
                work = self._deliver(letter, pool)
                tasks.create_task(work, name=f"sync.call.{letter.target}")
        if self._lost:
            log.info("calls are fetched from the hub again")
        self._lost = False

    async def _take(self, link: LinkClient) -> list[_Letter]:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            answer = await link.request("calls.take")
        try:
            return msgspec.convert(answer, list[_Letter])
        except msgspec.ValidationError as error:
            raise LinkLostError(f"a broken answer about calls: {error}") from error

    async def _deliver(self, letter: _Letter, pool: ThreadPoolExecutor) -> None:
        answer = False, "a mistake in our own program: see the log of sync"
        try:
            answer = await self._attempt(letter, pool)
        except Exception:
            log.exception("%s could not be called", letter.target)
        finally:
            self._busy.discard(letter.id)
        log.info("%s: %s", letter.target, answer[1])
        self._answers[letter.id] = answer

    async def _attempt(
        self, letter: _Letter, pool: ThreadPoolExecutor
    ) -> tuple[bool, str]:
        """Deliver it, unless that was done already and only the hub does not know."""
        keys = [(letter.target, call) for call in letter.calls]
        if keys and all(key in self._delivered for key in keys):
            return True, "delivered before"
        attempt = self._road(letter.target)
        if attempt is None:
            return False, "sync's configuration has no such target; restart it"
        content = msgspec.to_builtins(letter)
        work = asyncio.get_running_loop().run_in_executor(
            pool, attempt.deliver, content
        )
        try:
            async with asyncio.timeout(DELIVER_WITHIN_S):
                said = await work
        except TimeoutError:
            return False, f"no end within {DELIVER_WITHIN_S:g} s"
        except DeliveryError as error:
            return False, str(error)
        finally:
            attempt.abort()
        self._delivered.update(dict.fromkeys(keys))
        for key in list(self._delivered)[:-REMEMBERED]:
            del self._delivered[key]
        return True, said

    def _road(self, target: str) -> Attempt | None:
        now = datetime.fromtimestamp(self._clock.utc_ns() * 1e-9, UTC)
        if settings := self._mail.get(target):
            return Mail(settings, now=now)
        if webhook := self._webhooks.get(target):
            return Webhook(webhook, now=now, sender=self._sender)
        return None
