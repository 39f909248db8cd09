"""Encryption at rest: the key, where it is kept, and connections that use it.

Every page and the write-ahead log are AES-256 with an HMAC (SQLCipher). The key is 32
random bytes, so none is derived from a password. Beside an encrypted buffer lies
`NAME.cipher`: where its key was, and a fingerprint by which a wrong key is told from
a damaged file. Neither gives the key away.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.runtime.credentials import credential_path
from appliance.runtime.files import write_whole
from appliance.storage.connection import StoreOpenError, connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY_VARIABLE = "WHEELTAPPER_BUFFER_KEY_FILE"
"""Where commands look for the key, if not where the hub found it."""
_KEY_BYTES = 32
_MAGIC = b"SQLite format 3\x00"
_MAKE = "make one with: openssl rand -hex 32 > FILE"


@dataclass(frozen=True, slots=True)
class Key:
    """What opens an encrypted buffer."""

    hexadecimal: str = field(repr=False)
    file: str = ""

    @property
    def fingerprint(self) -> str:
        """What may be known of the key by anyone."""
        told = f"wheeltapper buffer {self.hexadecimal}".encode()
        return hashlib.sha256(told).hexdigest()[:16]


class Note(msgspec.Struct, frozen=True):
    """The file beside an encrypted buffer."""

    key_file: str
    fingerprint: str
    before: str = ""
    """Fingerprint of the key that is being replaced, while it is."""


def load_key(name: str) -> Key:
    """Return the key in a file or systemd credential: 64 hexadecimal digits.

    Raises:
        StoreOpenError: It cannot be read, or is no key.
    """
    place = credential_path(name)
    try:
        text = place.read_text("ascii").strip().lower()
        content = bytes.fromhex(text)
    except OSError as error:
        raise StoreOpenError(f"key {place}: {error.strerror}; {_MAKE}") from error
    except ValueError as error:
        raise StoreOpenError(f"key {place}: not hexadecimal; {_MAKE}") from error
    if len(content) != _KEY_BYTES:
        raise StoreOpenError(
            f"key {place}: {len(content)} bytes, {_KEY_BYTES} are needed; {_MAKE}"
        )
    return Key(content.hex(), str(place.absolute()))


def key_to_write(path: Path, key_file: str | None) -> Key | None:
    """Return the key for the hub's buffer, or None for a plain one.

    A new encrypted buffer gets its note here, before there is anything to lose.

    Raises:
        StoreOpenError: The key is missing, wrong, or the buffer is not encrypted;
            nothing was changed.
    """
    note = read_note(path)
    if key_file is None:
        if note is not None:
            raise StoreOpenError(
                f"{path} is encrypted; name its key in [storage] key_file"
                f" (it was {note.key_file})"
            )
        return None
    key = load_key(key_file)
    require_library()
    if is_plain(path):
        raise StoreOpenError(
            f"{path} is not encrypted; stop the hub and run"
            f" `wheeltapper buffer encrypt --key-file {key_file}`"
        )
    _check(path, note, key)
    if note is None or note.before:
        if path.exists():
            _try(path, key)
        write_note(path, key)
    return key


def connecting(
    path: Path, key_file: str | None
) -> Callable[[Path], sqlite3.Connection]:
    """Return how the hub's buffer, its backups and its wrecks are opened.

    Raises:
        StoreOpenError: See `key_to_write`.
    """
    key = key_to_write(path, key_file)
    if key is None:
        return connect
    return lambda place: connect_keyed(str(place), key)


def key_to_read(path: Path) -> Key | None:
    """Return the key of a buffer that is there; None where it needs none.

    Raises:
        StoreOpenError: It is encrypted, and its key is not to be had here.
    """
    note = read_note(path)
    if note is None or is_plain(path):
        return None
    require_library()
    key = load_key(os.environ.get(KEY_VARIABLE, note.key_file))
    _check(path, note, key)
    return key


def read_note(path: Path) -> Note | None:
    """Return what lies beside an encrypted buffer; None of a plain one.

    Raises:
        StoreOpenError: It cannot be read.
    """
    place = note_of(path)
    try:
        return msgspec.json.decode(place.read_bytes(), type=Note)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StoreOpenError(f"{place}: {error}") from error


def write_note(path: Path, key: Key, before: Key | None = None) -> None:
    """Say that the buffer is encrypted, durably; until then with a key `before`."""
    note = Note(key.file, key.fingerprint, "" if before is None else before.fingerprint)
    write_whole(note_of(path), msgspec.json.encode(note))


def note_of(path: Path) -> Path:
    """Return where the note of a buffer lies; its copies and wrecks share it."""
    stem = path.name.lstrip(".").partition(".db")[0]
    return path.with_name(f"{stem}.db.cipher")


def is_plain(path: Path) -> bool:
    """Whether a file begins like a database that anyone can read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def require_library() -> None:
    """Raise StoreOpenError where the extra is not installed."""
    try:
        import sqlcipher3  # noqa: F401, PLC0415 - an extra: most gateways have none
    except ImportError as error:
        raise StoreOpenError(
            "encryption needs the extra: pip install wheeltapper[encryption]"
        ) from error


def connect_keyed(
    place: str, key: Key | None, *, shared: bool = False
) -> sqlite3.Connection:
    """Open a file or `file:` URI with SQLCipher; errors are those of sqlite3."""
    from appliance.storage.cipher_connection import (  # noqa: PLC0415 - an extra
        CipherConnection,
    )

    connection: Any = CipherConnection(
        place,
        uri=place.startswith("file:"),
        isolation_level=None,
        check_same_thread=not shared,
    )
    if key is not None:
        connection.execute(f"PRAGMA key = \"x'{key.hexadecimal}'\"")
    found: sqlite3.Connection = connection  # of the same shape, not of the same class
    return found


def _check(path: Path, note: Note | None, key: Key) -> None:
    known = () if note is None else (note.fingerprint, note.before)
    if note is not None and key.fingerprint not in known:
        raise StoreOpenError(
            f"{path}: {key.file} is not its key (that has the fingerprint"
            f" {note.fingerprint}); nothing was changed"
        )


def _try(path: Path, key: Key) -> None:
    """A buffer whose note is lost: is it its key?"""
    try:
        connection = connect_keyed(str(path), key)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        connection.close()
    except sqlite3.Error as error:
        raise StoreOpenError(
            f"{path}: {key.file} is not its key, or it is damaged ({error});"
            " nothing was changed"
        ) from error
