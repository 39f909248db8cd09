"""Certificates on disk: `own/`, `trusted/`, `rejected/`, `issuers/`.

Every file is read anew when it is asked for: what a person moves counts from the next
connection, without a restart. Blocking: call it through `asyncio.to_thread`.
"""

from __future__ import annotations

import fcntl
import logging
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cryptography import x509

from appliance.runtime.files import write_whole
from appliance.runtime.pki.certificate import (
    Certificate,
    CertificateError,
    parse_certificates,
)
from appliance.runtime.pki.judge import Trust
from appliance.runtime.pki.own import (
    VALID_DAYS,
    OwnPair,
    is_due,
    load_key,
    make_pair,
    pair_of,
)
from appliance.runtime.places import state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

Place = Literal["own", "trusted", "rejected", "issuers"]
PLACES: Final[tuple[Place, ...]] = ("own", "trusted", "rejected", "issuers")
MOST_REJECTED: Final = 32
MOST_OWN: Final = 4
"""Generations of one application that may be valid at once."""
_LARGEST_FILE_BYTES: Final = 1_000_000
_SECRET: Final = 0o600
_CRL_PEM: Final = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate, and where it lies."""

    place: Place
    certificate: Certificate
    path: Path


def default_pki() -> Path:
    """Return the folder of this process: `pki` below its state."""
    return state_dir() / "pki"


class PkiFolder:
    """A folder of certificates, made when something is first written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def kept(self, *places: Place) -> tuple[Kept, ...]:
        """Return what lies in these places (default: all), by place and name."""
        return tuple(each for place in places or PLACES for each in self._kept(place))

    def find(self, thumbprint: str, *places: Place) -> Kept:
        """Return the one certificate whose thumbprint begins so.

        Raises:
            CertificateError: None does, or several.
        """
        wanted = thumbprint.replace(":", "").replace(" ", "").lower()
        where = " or ".join(f"{self.path / place}" for place in places or PLACES)
        found = {
            each.certificate.thumbprint: each
            for each in reversed(self.kept(*places))
            if wanted and each.certificate.thumbprint.startswith(wanted)
        }
        if not found:
            raise CertificateError(f"no certificate {thumbprint!r} in {where}")
        if len(found) > 1:
            raise CertificateError(
                f"{thumbprint!r} is the beginning of {' and '.join(sorted(found))}; "
                "give more of it"
            )
        return next(iter(found.values()))

    def trust(self) -> Trust:
        """Return what is trusted now. A file that cannot be read counts for nothing."""
        crls = [crl for place in ("trusted", "issuers") for crl in self._crls(place)]
        return Trust(
            trusted=tuple(each.certificate for each in self._kept("trusted")),
            issuers=tuple(each.certificate for each in self._kept("issuers")),
            crls=tuple(crls),
        )

    def put(self, certificate: Certificate, place: Place) -> Path:
        """Write a certificate; return its file.

        Raises:
            OSError: The disk refused.
        """
        folder = self._folder(place)
        path = folder / f"{certificate.thumbprint}.der"
        write_whole(path, certificate.der)
        self._give_to_owner(path)
        return path

    def move(self, kept: Kept, place: Place) -> Path:
        """Put a certificate elsewhere, and take it from where it was.

        Raises:
            OSError: The disk refused.
        """
        path = self.put(kept.certificate, place)
        for each in self._kept(kept.place):
            if each.certificate == kept.certificate:
                each.path.unlink(missing_ok=True)
        return path

    def keep_rejected(self, certificate: Certificate) -> None:
        """Keep what was refused, so that a person can look at it and trust it.

        At most `MOST_REJECTED`; the oldest goes.

        Raises:
            OSError: The disk refused.
        """
        folder = self._folder("rejected")
        if (folder / f"{certificate.thumbprint}.der").exists():
            return
        self.put(certificate, "rejected")
        files = sorted(folder.glob("*.der"), key=lambda path: path.stat().st_mtime_ns)
        for path in files[:-MOST_REJECTED]:
            path.unlink(missing_ok=True)

    def own_pairs(self, application_uri: str) -> tuple[OwnPair, ...]:
        """Return our certificates for an application, the newest first."""
        pairs: list[tuple[int, int, OwnPair]] = []
        for each in self._kept("own"):
            if application_uri in each.certificate.application_uris:
                with _skipping(each.path):
                    key = load_key(each.path.with_suffix(".pem").read_bytes())
                    pair = pair_of(each.certificate, key)
                    # A certificate knows seconds only; its file knows better.
                    made_ns = each.path.stat().st_mtime_ns
                    pairs.append((each.certificate.begins_ns, made_ns, pair))
        newest_first = sorted(pairs, key=lambda found: found[:2], reverse=True)
        return tuple(pair for _, _, pair in newest_first)

    def need_own(
        self, application_uri: str, hosts: Sequence[str], *, now_ns: int
    ) -> tuple[OwnPair, ...]:
        """Return our valid certificates, newest first; make one if it is time.

        Raises:
            CertificateError: The clock is not set.
            OSError: The disk refused.
        """
        valid = self._valid(application_uri, now_ns)
        if not is_due(valid[0] if valid else None, now_ns=now_ns):
            return valid
        with self._alone():
            valid = self._valid(application_uri, now_ns)  # another may have made it
            if is_due(valid[0] if valid else None, now_ns=now_ns):
                self._make_own(application_uri, hosts, now_ns, VALID_DAYS)
        return self._valid(application_uri, now_ns)

    def renew_own(
        self,
        application_uri: str,
        hosts: Sequence[str],
        *,
        now_ns: int,
        days: float = VALID_DAYS,
    ) -> OwnPair:
        """Make a new certificate beside the ones that are; they stay valid.

        Raises:
            CertificateError: Too many are valid already, or the clock is not set.
            OSError: The disk refused.
        """
        with self._alone():
            valid = self._valid(application_uri, now_ns)
            if len(valid) >= MOST_OWN:
                raise CertificateError(
                    f"{self.path / 'own'}: {len(valid)} certificates of "
                    f"{application_uri} are valid already; let the servers trust the "
                    f"newest, {valid[0].certificate.thumbprint}"
                )
            return self._make_own(application_uri, hosts, now_ns, days)

    def _make_own(
        self, application_uri: str, hosts: Sequence[str], now_ns: int, days: float
    ) -> OwnPair:
        pair = make_pair(application_uri, hosts, now_ns=now_ns, days=days)
        folder = self._folder("own")
        key = folder / f"{pair.certificate.thumbprint}.pem"
        # The key first: a certificate without its key would be taken for ours.
        write_whole(key, pair.key_pem, mode=_SECRET)
        self._give_to_owner(key)
        self.put(pair.certificate, "own")
        for old in self._kept("own"):
            if old.certificate.ends_ns < now_ns:
                old.path.unlink(missing_ok=True)
                old.path.with_suffix(".pem").unlink(missing_ok=True)
        log.info("made our certificate %s for %s", pair.certificate, application_uri)
        return pair

    def _valid(self, application_uri: str, now_ns: int) -> tuple[OwnPair, ...]:
        pairs = self.own_pairs(application_uri)
        return tuple(pair for pair in pairs if pair.certificate.is_valid_at(now_ns))

    def _kept(self, place: Place) -> Iterator[Kept]:
        for path, content in self._files(place):
            if path.suffix in {".pem", ".lock"} and place == "own":
                continue  # keys
            if _is_crl(path, content):
                continue
            with _skipping(path):
                for certificate in parse_certificates(content):
                    yield Kept(place, certificate, path)

    def _crls(self, place: str) -> Iterator[x509.CertificateRevocationList]:
        for path, content in self._files(place):
            if _is_crl(path, content):
                with _skipping(path):
                    is_pem = _CRL_PEM in content
                    load = x509.load_pem_x509_crl if is_pem else x509.load_der_x509_crl
                    yield load(content)

    def _files(self, place: str) -> Iterator[tuple[Path, bytes]]:
        folder = self.path / place
        if not folder.is_dir():
            return
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            with _skipping(path):
                if path.is_file() and path.stat().st_size <= _LARGEST_FILE_BYTES:
                    yield path, path.read_bytes()

    def _folder(self, place: Place) -> Path:
        folder = self.path / place
        for each, mode in ((self.path, 0o750), (folder, 0o700)):
            if not each.is_dir():
                each.mkdir(mode=mode, parents=True, exist_ok=True)
                self._give_to_owner(each)
        return folder

    def _give_to_owner(self, path: Path) -> None:
        """What root writes here belongs to the process that reads it."""
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process make a certificate meanwhile."""
        lock = self._folder("own") / ".lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, _SECRET)
        try:
            with suppress(OSError):
                self._give_to_owner(lock)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_crl(path: Path, content: bytes) -> bool:
    return path.suffix == ".crl" or _CRL_PEM in content


@contextmanager
def _skipping(path: Path) -> Iterator[None]:
    """Say what cannot be used, and go on without it."""
    try:
        yield
    except (CertificateError, OSError, ValueError) as error:
        log.warning("%s counts for nothing: %s", path, error)
