"""A mail server that keeps what it is given: the part of RFC 5321 that a sender meets.

It answers in order or with 503, undoes dot-stuffing, and speaks STARTTLS (RFC 3207) and
AUTH PLAIN (RFC 4954) where a test gives it keys and a password.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

from appliance.runtime.listening import stop_listening

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from email.message import EmailMessage

LINE_MAX = 65_536


@dataclass
class Mailbox:
    """What arrived: sender, recipients, and the mail."""

    sender: str
    recipients: tuple[str, ...]
    mail: EmailMessage

    @property
    def text(self) -> str:
        return str(self.mail.get_content())


@dataclass
class SmtpSink:
    """`refuses` names recipients it does not know; `hangs` stops before a command.

    `login` is the password that it wants, and `says` replaces the reply to a command
    (`DATA.` is the end of the text).
    """

    tls: ssl.SSLContext | None = None
    at_once: bool = False
    login: str | None = None
    refuses: tuple[str, ...] = ()
    hangs: str = ""
    says: dict[str, str] = field(default_factory=dict)
    port: int = 0
    took: list[Mailbox] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[SmtpSink]:
        """Serve on loopback; end every conversation at the end."""
        async with asyncio.TaskGroup() as group:
            talks: set[asyncio.Task[None]] = set()

            def meet(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                task = group.create_task(self._talk(reader, writer), name="smtp.talk")
                talks.add(task)

            server = await asyncio.start_server(
                meet,
                "127.0.0.1",
                self.port,
                ssl=self.tls if self.at_once else None,
                limit=LINE_MAX,
            )
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                await stop_listening(server)
                for task in talks:
                    task.cancel()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await _Conversation(self, reader, writer).run()
        except OSError:
            pass
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


class _Conversation:
    def __init__(
        self,
        sink: SmtpSink,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._sink = sink
        self._reader = reader
        self._writer = writer
        self._secured = sink.at_once
        self._greeted = False
        self._trusted = sink.login is None
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._done = False

    async def run(self) -> None:
        await self._hang("CONNECT")
        await self._say("CONNECT", "220 sink ready")
        while not self._done and (line := await self._reader.readline()):
            text = line.decode().rstrip("\r\n")
            self._sink.heard.append(text.split(" ")[0].upper())
            await self._obey(text)

    async def _obey(self, text: str) -> None:
        verb, _, rest = text.partition(" ")
        verb = verb.upper()
        await self._hang(verb)
        acts: dict[str, Callable[[str], str]] = {
            "EHLO": self._ehlo,
            "HELO": self._ehlo,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "NOOP": lambda _: "250 well",
            "RSET": lambda _: self._reset(),
            "QUIT": self._quit,
        }
        if verb == "STARTTLS":
            await self._starttls()
        elif verb == "DATA":
            await self._data()
        elif act := acts.get(verb):
            await self._say(verb, act(rest))
        else:
            await self._say(verb, "500 what?")

    def _ehlo(self, _name: str) -> str:
        self._greeted = True
        self._reset()
        words = ["sink", "8BITMIME"]
        if self._sink.tls is not None and not self._secured:
            words.append("STARTTLS")
        if self._sink.login is not None and self._secured:
            words.append("AUTH PLAIN")
        *first, last = words
        return "\r\n".join([*(f"250-{word}" for word in first), f"250 {last}"])

    def _auth(self, rest: str) -> str:
        how, _, proof = rest.partition(" ")
        if how.upper() != "PLAIN" or not self._secured:
            return "504 not so"
        _, _, given = base64.b64decode(proof).decode().split("\0")
        self._trusted = given == self._sink.login
        return "235 welcome" if self._trusted else "535 5.7.8 wrong password"

    def _mail(self, rest: str) -> str:
        if not self._greeted or self._sender is not None:
            return "503 not now"
        if not self._trusted:
            return "530 5.7.0 who are you?"
        self._sender = _address(rest)
        return "250 go on"

    def _rcpt(self, rest: str) -> str:
        if self._sender is None:
            return "503 not now"
        address = _address(rest)
        if address in self._sink.refuses:
            return "550 5.1.1 nobody of that name"
        self._recipients.append(address)
        return "250 known"

    def _reset(self) -> str:
        self._sender, self._recipients = None, []
        return "250 forgotten"

    def _quit(self, _rest: str) -> str:
        self._done = True
        return "221 bye"

    async def _starttls(self) -> None:
        if self._sink.tls is None or self._secured:
            await self._say("STARTTLS", "502 not here")
            return
        await self._say("STARTTLS", "220 go ahead")
        await self._writer.start_tls(self._sink.tls)
        self._secured, self._greeted = True, False

    async def _data(self) -> None:
        if refusal := self._sink.says.get("DATA"):
            await self._say("DATA", refusal)
            return
        if self._sender is None or not self._recipients:
            await self._say("DATA", "503 not now")
            return
        await self._say("DATA", "354 end with a dot")
        lines = []
        while (line := await self._reader.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        reply = self._sink.says.get("DATA.", "250 2.0.0 queued as 4711")
        if reply.startswith("2"):
            mail = message_from_bytes(b"".join(lines), policy=default)
            recipients = tuple(self._recipients)
            self._sink.took.append(Mailbox(self._sender, recipients, mail))
            self._sink.arrived.set()
        self._reset()
        await self._say("DATA.", reply)

    async def _hang(self, verb: str) -> None:
        if self._sink.hangs == verb:
            await asyncio.Event().wait()

    async def _say(self, verb: str, reply: str) -> None:
        self._writer.write(f"{self._sink.says.get(verb, reply)}\r\n".encode())
        await self._writer.drain()


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
