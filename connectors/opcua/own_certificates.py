"""Our certificates for one source: made and renewed here, or files of somebody's."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, TypeAlias

from appliance.runtime.credentials import credential_path
from appliance.runtime.pki.application import application_uri, host_uri
from appliance.runtime.pki.certificate import (
    Certificate,
    CertificateError,
    parse_certificates,
)
from appliance.runtime.pki.folder import PkiFolder, default_pki
from appliance.runtime.pki.own import OwnPair, load_key, pair_of

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.domain.ports import Clock
    from connectors.opcua.config import OpcuaSettings


Stamp: TypeAlias = "tuple[int, int, frozenset[str]] | None"
_LOOKS = 3
"""Who writes all the time is looked at again the next time."""


class OwnCertificates:
    """Reads files anew at each call, so that what a person renews counts at once."""

    def __init__(self, settings: OpcuaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._seen: Stamp | None = None

    @property
    def folder(self) -> PkiFolder:
        """Where they lie that are made here, and whom we trust."""
        return PkiFolder(self._settings.security.pki or default_pki())

    @property
    def are_made_here(self) -> bool:
        """Whether they are not files of somebody's."""
        return self._settings.security.certificate is None

    @property
    def have_changed(self) -> bool:
        """Whether something was written since `pairs` was called; cheap."""
        return self._stamp() != self._seen

    def pairs(self, here: str = "") -> tuple[OwnPair, ...]:
        """Return ours, newest first; make one where it is time.

        `here` is the address by which we reach the server. Where the configuration
        names no application, one that was made for another name of ours follows
        those for today's: a server may know no other.

        Raises:
            CertificateError: One is not what it should be.
            OSError: A file is missing, or the disk refused.
        """
        for _ in range(_LOOKS):
            seen = self._stamp()
            pairs = self._made_here(here) if self.are_made_here else (self._given(),)
            self._seen = seen
            if not self.have_changed:  # by us, who made one, or by somebody meanwhile
                break
        return pairs

    def _made_here(self, here: str) -> tuple[OwnPair, ...]:
        folder, now_ns = self.folder, self._clock.utc_ns()
        host = socket.gethostname()
        hosts = [each for each in (host, here) if each]
        named = self._settings.application_uri
        if named is not None:
            return folder.need_own(named, hosts, now_ns=now_ns)
        own = [each.certificate for each in folder.kept("own")]
        gateway = self._settings.gateway_uri
        uri = application_uri(gateway, own, host=host, now_ns=now_ns)
        pairs = folder.need_own(uri, hosts, now_ns=now_ns)
        others = [each for each in own if uri not in each.application_uris]
        other = application_uri(None, others, host=host, now_ns=now_ns)
        before = folder.own_pairs(other) if other != uri else ()
        return pairs + tuple(p for p in before if p.certificate.is_valid_at(now_ns))

    def _given(self) -> OwnPair:
        settings, uri = self._settings.security, self._settings.application_uri
        assert settings.certificate is not None, "or it would be made here"
        assert settings.private_key is not None, "they go together"
        own = read_pair(settings.certificate, settings.private_key)
        uris = own.certificate.application_uris
        if uri is not None and uri not in uris:
            raise CertificateError(
                f"{settings.certificate}: it is for {', '.join(uris) or 'no one'}, "
                f"and application_uri is {uri}; they must be the same"
            )
        if not uris:
            raise CertificateError(
                f"{settings.certificate}: it is for no application: no URI in it"
            )
        return own

    def _stamp(self) -> Stamp:
        """Return what differs once our certificates were changed.

        The names count, too: two changes may fall into one tick of the disk's clock.
        """
        place = self._settings.security.certificate
        path = self.folder.path / "own" if place is None else credential_path(place)
        try:
            found = path.stat()
            inside = path.iterdir() if place is None else ()
            names = frozenset(each.name for each in inside)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, names


def uri_of(settings: OpcuaSettings, own: OwnPair | None) -> str:
    """Return what we call ourselves with this certificate, or with none."""
    if settings.application_uri is not None:
        return settings.application_uri
    if own is not None:
        return own.certificate.application_uri
    return settings.gateway_uri or host_uri(socket.gethostname())


def read_certificate(place: Path) -> Certificate:
    """Return the first certificate of a file or credential.

    Raises:
        CertificateError: There is none in it.
        OSError: It cannot be read.
    """
    try:
        return parse_certificates(credential_path(place).read_bytes())[0]
    except CertificateError as error:
        raise CertificateError(f"{place}: {error}") from error


def read_pair(certificate: Path, private_key: Path) -> OwnPair:
    """Return a certificate with its key, from files or credentials.

    Raises:
        CertificateError: They are not what they should be, or no pair.
        OSError: One cannot be read.
    """
    found = read_certificate(certificate)
    try:
        key = load_key(credential_path(private_key).read_bytes())
        return pair_of(found, key)
    except CertificateError as error:
        raise CertificateError(f"{private_key}: {error}") from error
