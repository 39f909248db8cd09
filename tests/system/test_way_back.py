"""The way back: lake → train → release → gateway → in force → back again.

Real processes and files throughout: the ingest's writer, the commands, the hub with
inference and sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import http.server
import ipaddress
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.domain.event import EventKind
from appliance.link.client import LinkLostError, connect
from appliance.runtime.clock import SystemClock
from appliance.wire.messages import EventMessage
from appliance.wire.outbox import (
    HealthRow,
    Stream,
    SummaryRow,
    encode_payload,
    encode_row,
    topic,
)
from fleet.ingest import Ingest
from fleet.release import ReleaseTree
from fleet.signing import Keys
from fleet.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.link.client import LinkClient

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "how-to" / "release-a-model.md"
NS = 1_000_000_000
AT_NS = 1_790_000_040 * NS
TAGS = {"P-101/flow": (60.0, 0.3), "P-101/motor/speed": (1480.0, 1.0)}

TOML = """\
config_version = 1
[site]
id = "plant-1"
gateway = "gw-1"
[[sources]]
name = "plant"
connector = "example"
file = "{folder}/plant.txt"
period_s = 0.2
[[sources.tags]]
id = "P-101/flow"
key = "flow"
[[sources.tags]]
id = "P-101/motor/speed"
key = "speed"
[[sources.tags]]
id = "P-101/hours_run"
key = "hours"
[[assets]]
id = "P-101"
hour_meter = "P-101/hours_run"
running = {{ tag = "P-101/motor/speed", above = 1000.0 }}
[updates]
tree = "{tree}"
root_file = "{folder}/root.json"
period_s = 5.0
"""


def fill_lake(lake: Path, periods: int = 60) -> None:
    """Put an hour of a healthy pump into a lake, as a gateway tells it."""
    rng = np.random.default_rng(7)
    rows: list[SummaryRow] = []
    for period in range(periods):
        start_ns = AT_NS + period * 60 * NS
        for tag, (mean, std) in TAGS.items():
            at, spread = mean + std * rng.normal() / 5, std * (1 + rng.normal() / 10)
            low, high = at - 3 * spread, at + 3 * spread
            rows.append(
                SummaryRow(tag, start_ns, 60.0, 300, 0, low, high, at, spread, at)
            )
        hours = 100.0 + period / 60
        rows.append(SummaryRow("P-101/hours_run", start_ns, 60.0, 300, 0, *[hours] * 5))
    health = [
        HealthRow(
            "P-101", AT_NS + n * 60 * NS, 0.4, 1.0, 1.0 - n / 1000, False,
            None, None, None, "", "v0",
        )
        for n in range(periods)
    ]  # fmt: skip
    with open_writer(lake) as writer:
        ingest = Ingest(writer)
        for stream, found in ((Stream.SUMMARY, rows), (Stream.HEALTH, health)):
            payload = encode_payload(
                epoch="e",
                stream=stream,
                first_seq=1,
                rows=[encode_row(r) for r in found],
            )
            ingest.take(topic("plant-1", "gw-1", stream), payload)
        ingest.commit()
        assert ingest.counters["payloads_broken"] == 0


@dataclass
class Site:
    """A publisher and a gateway beside each other, in folders."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        places = {
            name: str(self.folder / name.lower())
            for name in ("LAKE", "TREE", "KEYS", "BUNDLES", "GATEWAY")
        }
        return {
            **os.environ,
            **places,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WHEELTAPPER_STATE_DIR": str(self.folder / "gateway" / "state"),
            "WHEELTAPPER_RUN_DIR": str(self.folder / "gateway" / "run"),
        }

    def sh(self, text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euc", text],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=170,
        )

    def well(self, text: str) -> str:
        done = self.sh(text)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fetch(self) -> subprocess.CompletedProcess[str]:
        return self.sh('wheeltapper updates fetch -c "$GATEWAY/wheeltapper.toml"')

    def configure(self, tree: str | None = None) -> None:
        gateway = self.folder / "gateway"
        tree = tree or (self.folder / "tree").as_uri()
        text = TOML.format(folder=gateway, tree=tree)
        (gateway / "wheeltapper.toml").write_text(text)

    def learn(self, name: str, *words: str) -> str:
        """Learn from a part of the lake; return the version."""
        said = self.well(
            "wheeltapper fleet train --lake $LAKE --asset P-101 --json"
            f" --running P-101/motor/speed:1000 --out $BUNDLES/{name} {' '.join(words)}"
        )
        return str(json.loads(said)["version"])

    def release(self, name: str) -> str:
        """Release what was learned by a name; return the version."""
        (bundle,) = (self.folder / "bundles" / name).glob("P-101/*-*")
        self.well(f"wheeltapper fleet release add {bundle} --tree $TREE --keys $KEYS")
        return bundle.name

    def models(self) -> dict[str, str]:
        listed = json.loads(self.well("wheeltapper models list --json"))
        return {each["state"]: each["version"] for each in listed}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Have a site with a lake; the gateway knows the tree's root. To be copied."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("gateway/state", "gateway/run"):
        (folder / name).mkdir(parents=True)
    (folder / "gateway" / "plant.txt").write_text("flow 60\nspeed 1480\nhours 101\n")
    fill_lake(folder / "lake")
    return Site(folder)


@pytest.fixture(scope="module")
def tree(lake: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Have a site on which the release `first` is in force, and `second` is learned.

    To be copied: to learn and to sign takes seconds.
    """
    made = copied(lake, tmp_path_factory.mktemp("tree") / "site")
    made.well("wheeltapper fleet release init --tree $TREE --keys $KEYS")
    shutil.copy(
        made.folder / "tree/metadata/1.root.json", made.folder / "gateway/root.json"
    )
    made.learn("first", "--to", "2026-09-21T15:00:00+00:00")
    made.learn("second")
    made.release("first")
    assert made.fetch().returncode == 0
    return made


def copied(site: Site, folder: Path) -> Site:
    """Return the same site at another place."""
    shutil.copytree(site.folder, folder, symlinks=True, dirs_exist_ok=True)
    made = Site(folder)
    made.configure()
    return made


@pytest.fixture
def site(lake: Site, tmp_path: Path) -> Site:
    """Return a site of one's own."""
    return copied(lake, tmp_path)


@pytest.fixture
def published(tree: Site, tmp_path: Path) -> Site:
    """Return a site of one's own on which the release `first` is in force."""
    return copied(tree, tmp_path)


def sections(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_the_commands_of_the_how_to_work_in_their_order(site: Site) -> None:
    said = ""
    blocks = sections(DOC.read_text())
    assert len(blocks) >= 9
    for block in blocks:
        if "models rollback" in block:  # one model before, to go back to
            local = json.loads(
                site.well(
                    "wheeltapper fleet train --lake $LAKE --asset P-101 --json"
                    " --to 2026-09-21T15:00:00+00:00 --out $BUNDLES/../local"
                )
            )
            newest = site.models()["active"]
            site.well(f"wheeltapper models import {local['path']}")
            for version in (local["version"], newest):
                site.well(f"wheeltapper models activate P-101 {version}")
        said += site.well(block)
    assert "plant-1/gw-1 P-101" in said
    assert "answers its golden vectors" in said
    assert re.search(r"^P-101 \S+ is active", said, re.MULTILINE)
    assert re.search(r"rollback +P-101", said)
    assert site.models()["active"] == local["version"]


def test_a_good_release_is_in_force_within_the_cycle_and_rollback_returns(
    published: Site,
) -> None:
    first = published.models()["active"]
    second = published.release("second")
    assert second != first
    done = published.fetch()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"P-101 {second} is active" in done.stdout
    assert published.models() == {"active": second, "previous": first}
    published.well("wheeltapper models rollback P-101")
    assert published.models() == {"active": first, "previous": second}
    assert "was taken in before" in published.fetch().stdout
    assert published.models()["active"] == first
    acts = json.loads(published.well("wheeltapper models log --json"))
    assert [(act["act"], act["version"]) for act in acts] == [
        ("release", first),
        ("release", second),
        ("rollback", first),
    ]


def test_a_tampered_release_is_refused_by_name(published: Site) -> None:
    first = published.models()["active"]
    second = published.release("second")
    (archive,) = (published.folder / "tree").rglob(f"*.{second}.tar.zst")
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    done = published.fetch()
    assert done.returncode == 1
    assert "tampered: " in done.stdout
    assert published.models()["active"] == first
    status = json.loads(published.well("wheeltapper updates status --json"))
    assert status["last"]["outcomes"][0]["refusal"] == "tampered"


def test_a_downgraded_release_is_refused_by_name(published: Site) -> None:
    shutil.copytree(published.folder / "tree", published.folder / "old")
    second = published.release("second")
    published.fetch()
    published.configure((published.folder / "old").as_uri())
    done = published.fetch()
    assert done.returncode == 1
    assert "downgraded: " in done.stdout
    assert published.models()["active"] == second


def test_an_expired_release_is_refused_by_name_and_what_runs_stays(
    published: Site,
) -> None:
    first = published.models()["active"]
    second = published.release("second")
    tree, keys = published.folder / "tree", Keys(published.folder / "keys")
    ReleaseTree(tree, keys, clock=LongAgo()).refresh()
    done = published.fetch()
    assert done.returncode == 1
    assert "expired: " in done.stdout
    assert published.models()["active"] == first
    published.well("wheeltapper fleet release refresh --tree $TREE --keys $KEYS")
    assert published.fetch().returncode == 0
    assert published.models() == {"active": second, "previous": first}


class LongAgo(SystemClock):
    """A publisher who has not been there for three weeks."""

    def utc_ns(self) -> int:
        return super().utc_ns() - 21 * 86_400 * NS


def test_a_tree_that_cannot_be_reached_is_exit_code_69(published: Site) -> None:
    published.configure((published.folder / "not-mounted").as_uri())
    done = published.fetch()
    assert (done.returncode, "unreachable: " in done.stdout) == (69, True)


def test_a_model_of_tags_this_gateway_has_not_is_refused(published: Site) -> None:
    config = published.folder / "gateway/wheeltapper.toml"
    first = published.models()["active"]
    published.release("second")
    config.write_text(config.read_text().replace("P-101/flow", "P-101/other"))
    done = published.fetch()
    assert done.returncode == 1
    assert "unsuitable: the model looks at P-101/flow:mean" in done.stdout
    assert published.models()["active"] == first


def test_the_same_tree_is_carried_by_https(published: Site) -> None:
    second = published.release("second")
    with serving_https(published.folder) as port:
        published.configure(f"https://127.0.0.1:{port}/tree")
        refused = published.fetch()
        assert refused.returncode == 69, "the system does not know our authority"
        config = published.folder / "gateway/wheeltapper.toml"
        ca = published.folder / "server.pem"
        config.write_text(f'{config.read_text()}ca_file = "{ca}"\n')
        done = published.fetch()
    assert done.returncode == 0, done.stdout + done.stderr
    assert published.models()["active"] == second


@contextlib.contextmanager
def serving_https(folder: Path) -> Iterator[int]:
    """Serve a folder on loopback with a certificate of our own making."""
    write_certificate(folder / "server.pem", folder / "server.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    kind = functools.partial(QuietFiles, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        del format, args


def write_certificate(certificate: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "releases")])
    now = dt.datetime.now(dt.UTC)
    alternative = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


async def test_with_all_processes_up_a_release_judges_by_itself_and_is_on_record(
    published: Site,
) -> None:
    """Hub, inference and sync run; nobody types anything on the gateway."""
    first = published.models()["active"]
    hub = published.folder / "gateway/run/hub.sock"
    with running(published, "hub", "inference", "sync"):
        await until_judged_by(hub, first)
        second = await asyncio.to_thread(published.release, "second")
        events = await until_judged_by(hub, second)
        assert [(e.name, e.details["version"]) for e in events] == [
            ("activate", second)
        ]
        said = await asyncio.to_thread(
            published.well, "wheeltapper models rollback P-101"
        )
        assert f"P-101 {first} is active" in said
        await until_judged_by(hub, first)


@contextlib.contextmanager
def running(site: Site, *names: str) -> Iterator[None]:
    """Keep our processes running; end them in order."""
    processes = []
    config = str(site.folder / "gateway/wheeltapper.toml")
    try:
        for name in names:
            log = (site.folder / f"{name}.log").open("wb")
            with log:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "appliance", name, "-c", config],
                        env=site.environment,
                        cwd=ROOT,
                        stdout=log,
                        stderr=log,
                    )
                )
        yield
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(60) for process in processes]
    assert codes == [0] * len(names), [
        (site.folder / f"{name}.log").read_text()[-2000:] for name in names
    ]


async def until_judged_by(
    hub: Path, version: str, within_s: float = 60
) -> list[EventMessage]:
    """Wait until inference says which model judges; return the events of models."""
    events: list[EventMessage] = []
    async with asyncio.timeout(within_s):
        while True:
            with contextlib.suppress(LinkLostError):
                async with connect(hub, process="test", subscribe=("events",)) as link:
                    async with asyncio.TaskGroup() as tasks:
                        hearing = tasks.create_task(hear(link, events), name="t.hear")
                        await judged_by(link, version)
                        hearing.cancel()
                    return events
            await asyncio.sleep(0.1)


async def judged_by(link: LinkClient, version: str) -> None:
    while True:
        status = await link.request("status")
        inference = status["processes"].get("inference", {})
        if inference.get("models", {}).get("P-101") == version:
            return
        await asyncio.sleep(0.2)


async def hear(link: LinkClient, events: list[EventMessage]) -> None:
    with contextlib.suppress(LinkLostError):
        async for news in link.messages():
            match news:
                case EventMessage(kind=EventKind.MODEL, pending=False):
                    events.append(news)
