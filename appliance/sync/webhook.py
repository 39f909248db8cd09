"""Posts a letter as JSON to a service, signed; says what the service said.

The header `X-Wheeltapper-Signature` is `t=SECONDS,sha256=HEX`: the HMAC-SHA256 of
`SECONDS.` and the body, with the secret that both sides know. A receiver refuses what
is old, and takes one `Idempotency-Key` once.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from appliance.sync.carrying import Carrying, DeliveryError, secret, tls_trusting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from appliance.config.callout import WebhookSettings

STEP_WITHIN_S = 15.0
SCHEMA = 1
_ANSWER_MAX = 2000
_WELL = range(200, 300)


class Webhook:
    """One attempt. `deliver` blocks: it belongs on a thread, and `abort` ends it."""

    def __init__(
        self, settings: WebhookSettings, *, now: datetime, sender: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._now = now
        self._sender = sender
        self._carrying = Carrying()

    def abort(self) -> None:
        """End the conversation from another thread."""
        self._carrying.abort()

    def deliver(self, letter: Mapping[str, Any]) -> str:
        """Post a letter; return the status and what stands in the answer.

        Raises:
            DeliveryError: It was not taken; a redirection is not followed.
        """
        body = json.dumps(
            {"schema": SCHEMA, **self._sender, **letter}, ensure_ascii=False
        ).encode()
        parts = urlsplit(self._settings.url)
        path = parts.path or "/"
        target = f"{path}?{parts.query}" if parts.query else path
        headers = self._headers(str(letter["id"]), body)
        connection = self._connection(parts.hostname or "", parts.port)
        try:
            connection.connect()
            self._carrying.take(connection.sock)
            connection.request("POST", target, body, headers)
            answer = connection.getresponse()
            text = answer.read(_ANSWER_MAX).decode("utf-8", "replace")
        except (http.client.HTTPException, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise DeliveryError(f"{parts.hostname}: {reason}") from error
        finally:
            connection.close()
        said = " ".join(f"{answer.status} {answer.reason} {text}".split())
        if answer.status not in _WELL:
            raise DeliveryError(said)
        return said

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        settings = self._settings
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "wheeltapper",
            "Idempotency-Key": message_id,
        }
        if settings.secret_file is not None:
            at = str(int(self._now.timestamp()))
            signed = signature(secret(settings.secret_file), at, body)
            headers["X-Wheeltapper-Signature"] = f"t={at},sha256={signed}"
        if settings.bearer_file is not None:
            headers["Authorization"] = f"Bearer {secret(settings.bearer_file)}"
        return headers

    def _connection(self, host: str, port: int | None) -> http.client.HTTPConnection:
        settings = self._settings
        if settings.url.startswith("https://"):
            context = tls_trusting(settings.ca_file)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=STEP_WITHIN_S, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=STEP_WITHIN_S)
        return connection


def signature(key: str, at: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of the time and the body, in hexadecimal digits."""
    return hmac.new(key.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
