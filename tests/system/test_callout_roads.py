"""Mail and webhooks against real servers on loopback, kind and hostile."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from email.policy import SMTP
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.alarms.call_words import trial_letter
from appliance.config.callout import MailSettings, WebhookSettings
from appliance.sync.carrying import Carrying, DeliveryError, secret
from appliance.sync.mail import Mail, written
from appliance.sync.webhook import Webhook, signature
from tests.contract.certificates import self_signed
from tests.support.hook_sink import HookSink
from tests.support.ports import refusing_port
from tests.support.smtp_sink import SmtpSink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.system

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
LETTER = trial_letter("t-1", "shift", "plant-7/gw-1")
URGENT = {
    **LETTER,
    "subject": "[CRITICAL] Überdruck an P-101",
    "text": "1\n.\n.. dots\nWas tun: abschalten\n",
    "alarms": [{"priority": "critical"}],
}
WITHIN_S = 60.0


def mail(port: int, **more: object) -> Mail:
    return Mail(
        MailSettings.model_validate(
            {
                "name": "shift",
                "host": "127.0.0.1",
                "port": port,
                "security": "none",
                "sender": "gw@plant.example",
                "recipients": ["a@plant.example", "b@plant.example"],
                **more,
            }
        ),
        now=NOW,
    )


async def deliver(attempt: Mail | Webhook, letter: Mapping[str, Any] = LETTER) -> str:
    async with asyncio.timeout(WITHIN_S):
        return await asyncio.to_thread(attempt.deliver, letter)


async def why_not(attempt: Mail | Webhook) -> str:
    with pytest.raises(DeliveryError) as refused:
        await deliver(attempt)
    said = str(refused.value)
    assert said.splitlines() == [said]
    return said


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """Return who vouches for the server, and the server's own context."""
    certificate, key = self_signed(tmp_path_factory.mktemp("tls"), "sink")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return certificate, context


# ------------------------------------------------------------------ mail
async def test_a_mail_arrives_as_it_was_written() -> None:
    async with SmtpSink().listening() as sink:
        assert await deliver(mail(sink.port), URGENT) == "250 2.0.0 queued as 4711"
    (got,) = sink.took
    assert got.sender == "gw@plant.example"
    assert got.recipients == ("a@plant.example", "b@plant.example")
    assert got.mail["Subject"] == "[CRITICAL] Überdruck an P-101"
    assert got.mail["Importance"] == "high"
    assert got.mail["Auto-Submitted"] == "auto-generated"
    assert got.mail["Message-ID"] == "<t-1@plant.example>"
    assert got.text.replace("\r\n", "\n") == URGENT["text"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_password_travels_in_secret(
    keys: tuple[Path, ssl.SSLContext], tmp_path: Path, security: str
) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    sink = SmtpSink(tls=keys[1], at_once=security == "tls", login="s3cret")
    async with sink.listening():
        attempt = mail(
            sink.port,
            security=security,
            ca_file=str(keys[0]),
            username="gw",
            password_file=str(tmp_path / "password"),
        )
        assert await deliver(attempt) == "250 2.0.0 queued as 4711"
    assert len(sink.took) == 1


async def test_a_wrong_password_is_told_and_not_shown(
    keys: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("wr0ng\n")
    async with SmtpSink(tls=keys[1], login="s3cret").listening() as sink:
        attempt = mail(
            sink.port,
            security="starttls",
            ca_file=str(keys[0]),
            username="gw",
            password_file=str(tmp_path / "password"),
        )
        said = await why_not(attempt)
    assert said == "535 5.7.8 wrong password"
    assert not sink.took


async def test_a_server_without_starttls_gets_nothing() -> None:
    async with SmtpSink().listening() as sink:
        said = await why_not(mail(sink.port, security="starttls"))
    assert said == "127.0.0.1 offers no STARTTLS"
    assert "MAIL" not in sink.heard


async def test_a_server_that_nobody_vouches_for_gets_nothing(
    keys: tuple[Path, ssl.SSLContext],
) -> None:
    async with SmtpSink(tls=keys[1]).listening() as sink:
        said = await why_not(mail(sink.port, security="starttls"))
    assert "certificate verify failed" in said
    assert "MAIL" not in sink.heard


async def test_one_recipient_is_enough_and_the_other_is_named() -> None:
    async with SmtpSink(refuses=("b@plant.example",)).listening() as sink:
        said = await deliver(mail(sink.port))
    assert said == (
        "250 2.0.0 queued as 4711; not b@plant.example: 550 5.1.1 nobody of that name"
    )
    assert sink.took[0].recipients == ("a@plant.example",)


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        (SmtpSink(says={"CONNECT": "554 go away"}), "554 go away"),
        (SmtpSink(says={"MAIL": "451 later"}), "451 later"),
        (SmtpSink(says={"DATA": "554 no"}), "554 no"),
        (SmtpSink(says={"DATA.": "552 too much"}), "552 too much"),
        (SmtpSink(says={"EHLO": "nonsense"}), "that is no mail server"),
        (SmtpSink(refuses=("a@plant.example", "b@plant.example")), "a@plant.example:"),
    ],
)
async def test_what_a_server_refuses_is_its_own_words(
    sink: SmtpSink, said: str
) -> None:
    async with sink.listening():
        assert (await why_not(mail(sink.port))).startswith(said)
    assert not sink.took


async def test_nobody_listens() -> None:
    with refusing_port() as port:
        assert "refused" in await why_not(mail(port))


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "RCPT"])
async def test_a_server_that_hangs_is_left_when_we_say_so(verb: str) -> None:
    async with SmtpSink(hangs=verb).listening() as sink, asyncio.TaskGroup() as group:
        attempt = mail(sink.port)
        task = group.create_task(why_not(attempt), name="attempt")
        async with asyncio.timeout(WITHIN_S):
            while verb != "CONNECT" and verb not in sink.heard:
                await asyncio.sleep(0.01)
        attempt.abort()
        assert await task


async def test_an_attempt_that_is_over_does_not_begin() -> None:
    async with SmtpSink().listening() as sink:
        attempt = mail(sink.port)
        attempt.abort()
        assert "given up" in await why_not(attempt)


@settings(max_examples=40, deadline=None)
@given(
    text=st.text(
        st.one_of(
            st.sampled_from("\r\n\0\x0b\x0c\u2028:"),
            st.characters(exclude_categories=[]),
        ),
        max_size=80,
    )
)
def test_no_subject_can_bring_a_header_of_its_own(text: str) -> None:
    given_settings = mail(25)._settings
    made = written(given_settings, {**LETTER, "subject": text, "text": text}, now=NOW)
    head = made.as_bytes(policy=SMTP).partition(b"\r\n\r\n")[0].decode("ascii")
    names = [line.split(":")[0] for line in head.split("\r\n") if line[0] not in " \t"]
    assert sorted(set(names)) == sorted(names)
    assert set(names) <= {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip


# ------------------------------------------------------------------ webhooks
def hook(port: int, scheme: str = "http", **more: object) -> Webhook:
    given_settings = WebhookSettings.model_validate(
        {"name": "pager", "url": f"{scheme}://127.0.0.1:{port}/v1?room=7", **more}
    )
    return Webhook(given_settings, now=NOW, sender={"site": "s", "gateway": "g"})


async def test_a_webhook_is_signed_and_carries_its_token(
    keys: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("k3y\n")
    (tmp_path / "token").write_text("t0ken\n")
    with HookSink().listening(keys[1]) as sink:
        attempt = hook(
            sink.port,
            "https",
            ca_file=str(keys[0]),
            secret_file=str(tmp_path / "secret"),
            bearer_file=str(tmp_path / "token"),
        )
        assert await deliver(attempt) == "202 Accepted accepted"
    (post,) = sink.took
    assert post.path == "/v1?room=7"
    assert post.headers["Authorization"] == "Bearer t0ken"
    assert post.headers["Idempotency-Key"] == "t-1"
    at = str(int(NOW.timestamp()))
    signed = signature("k3y", at, post.body)
    assert post.headers["X-Wheeltapper-Signature"] == f"t={at},sha256={signed}"
    assert post.json["subject"] == LETTER["subject"]
    assert (post.json["schema"], post.json["site"], post.json["gateway"]) == (
        1,
        "s",
        "g",
    )


@pytest.mark.parametrize("status", [302, 400, 401, 500])
async def test_what_a_service_refuses_is_its_own_words(status: int) -> None:
    with HookSink(status=status, says="not\nso").listening() as sink:
        said = await why_not(hook(sink.port))
    assert said.startswith(f"{status} ")
    assert said.endswith("not so")
    assert len(sink.took) == 1


async def test_a_service_that_nobody_vouches_for_gets_nothing(
    keys: tuple[Path, ssl.SSLContext],
) -> None:
    with HookSink().listening(keys[1]) as sink:
        assert "certificate verify failed" in await why_not(hook(sink.port, "https"))
    assert not sink.took


async def test_a_service_that_never_answers_is_left_when_we_say_so() -> None:
    met = asyncio.Event()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        met.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server, asyncio.TaskGroup() as group:
        attempt = hook(server.sockets[0].getsockname()[1])
        task = group.create_task(why_not(attempt), name="attempt")
        async with asyncio.timeout(WITHIN_S):
            await met.wait()
        attempt.abort()
        assert await task


# ------------------------------------------------------------------ secrets
def test_a_secret_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    place = tmp_path / "secret"
    place.write_text(" k3y \nnot this\n")
    assert secret(str(place)) == "k3y"
    place.write_text("\n")
    with pytest.raises(DeliveryError, match="is empty"):
        secret(str(place))
    with pytest.raises(DeliveryError, match="cannot be read"):
        secret(str(tmp_path / "absent"))


def test_who_vouches_must_be_readable(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no certificate")
    for name in ("ca", "absent"):
        with pytest.raises(DeliveryError, match="ca_file cannot be used"):
            mail(25, security="tls", ca_file=str(tmp_path / name)).deliver(LETTER)


def test_to_end_what_has_not_begun_is_no_error() -> None:
    Carrying().abort()
