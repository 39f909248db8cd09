"""Hands a letter to a mail server (RFC 5321), and says what the server said."""

from __future__ import annotations

import contextlib
import smtplib
import socket
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from appliance.sync.carrying import Carrying, DeliveryError, secret, tls_trusting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from datetime import datetime

    from appliance.config.callout import MailSettings

STEP_WITHIN_S = 15.0
_WELL = 2
_HUNDRED = 100


class Mail:
    """One attempt. `deliver` blocks: it belongs on a thread, and `abort` ends it."""

    def __init__(self, settings: MailSettings, *, now: datetime) -> None:
        self._settings = settings
        self._now = now
        self._carrying = Carrying()

    def abort(self) -> None:
        """End the conversation from another thread."""
        self._carrying.abort()

    def deliver(self, letter: Mapping[str, Any]) -> str:
        """Send a letter; return the server's last word.

        Raises:
            DeliveryError: Nobody got it.
        """
        settings = self._settings
        message = written(settings, letter, now=self._now)
        try:
            server = self._dial()
            try:
                return self._converse(server, message)
            finally:
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(said(error.smtp_code, error.smtp_error)) from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise DeliveryError(f"{settings.host}: {error}") from error

    def _dial(self) -> smtplib.SMTP:
        settings = self._settings
        place = settings.host, settings.dialled_port
        server: smtplib.SMTP
        if settings.security == "tls":
            server = _SMTPS(self._carrying, tls_trusting(settings.ca_file), *place)
        else:
            server = _SMTP(self._carrying, *place)
        try:
            return self._greet(server)
        except BaseException:
            server.close()
            raise

    def _greet(self, server: smtplib.SMTP) -> smtplib.SMTP:
        settings = self._settings
        _expect(*server.ehlo())
        if settings.security == "starttls":
            if not server.has_extn("starttls"):
                raise DeliveryError(f"{settings.host} offers no STARTTLS")
            _expect(*server.starttls(context=tls_trusting(settings.ca_file)))
            if server.sock is not None:
                self._carrying.take(server.sock)
            _expect(*server.ehlo())
        if settings.username is not None and settings.password_file is not None:
            _expect(*server.login(settings.username, secret(settings.password_file)))
        return server

    def _converse(self, server: smtplib.SMTP, message: EmailMessage) -> str:
        """Offer the letter to every recipient; one that takes it is enough."""
        settings = self._settings
        _expect(*server.mail(settings.sender))
        refused = {}
        for each in settings.recipients:
            code, word = server.rcpt(each)
            if code // _HUNDRED != _WELL:
                refused[each] = said(code, word)
        if len(refused) == len(settings.recipients):
            raise DeliveryError("; ".join(f"{a}: {w}" for a, w in refused.items()))
        code, word = server.data(message.as_bytes(policy=SMTP))
        _expect(code, word)
        missed = "".join(f"; not {a}: {w}" for a, w in refused.items())
        return said(code, word) + missed


class _SMTP(smtplib.SMTP):
    """Lends its socket, so that somebody else can end the conversation.

    Raises:
        SMTPConnectError: The server does not want to talk.
    """

    def __init__(self, carrying: Carrying, host: str, port: int) -> None:
        self._carrying = carrying
        own = socket.gethostname()  # its own choice would ask a name server, and wait
        super().__init__(host, port, own, timeout=STEP_WITHIN_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._carrying.take(socket.create_connection((host, port), timeout))


class _SMTPS(_SMTP):
    """The same, in TLS from the first byte."""

    def __init__(
        self, carrying: Carrying, context: ssl.SSLContext, host: str, port: int
    ) -> None:
        self._context = context
        super().__init__(carrying, host, port)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = super()._get_socket(host, port, timeout)
        return self._carrying.take(
            self._context.wrap_socket(plain, server_hostname=host)
        )


def written(
    settings: MailSettings, letter: Mapping[str, Any], *, now: datetime
) -> EmailMessage:
    """Return the letter as a mail; nothing in its subject can end a header."""
    mail = EmailMessage()
    host = settings.sender.partition("@")[2]
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.recipients)
    mail["Subject"] = _one_line(str(letter["subject"]))
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{_one_line(str(letter['id']))}@{host}>"
    mail["Auto-Submitted"] = "auto-generated"
    if any(row.get("priority") == "critical" for row in letter["alarms"]):
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail.set_content(str(letter["text"]).encode("utf-8", "replace").decode())
    return mail


def said(code: int, word: bytes | str) -> str:
    """Return a reply of the server on one line."""
    text = word.decode("utf-8", "replace") if isinstance(word, bytes) else word
    shown = " ".join(text.split())
    return f"{code} {shown}" if code > 0 else f"that is no mail server: {shown!r}"


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _expect(code: int, word: bytes) -> None:
    if code // _HUNDRED != _WELL:
        raise DeliveryError(said(code, word))
