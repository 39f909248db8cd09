"""A bundle as one file: the same bytes every time, and nothing but the bundle."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from models import archive as archive_module
from models.archive import FILES, ArchiveError, pack, unpack
from models.bundle import read_bundle, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from models.bundle import Bundle


@pytest.fixture
def folder(tmp_path: Path, bundle: Bundle) -> Path:
    return write_bundle(tmp_path, bundle)


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as made:
        for member, content in members:
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return zstandard.compress(plain.getvalue())


def whole() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tarfile.TarInfo(name), name.encode()) for name in FILES]


def test_a_bundle_comes_out_as_it_went_in(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, content in unpack(pack(folder)).items():
        (out / name).write_bytes(content)
    assert read_bundle(out).manifest == read_bundle(folder).manifest


def test_the_same_bundle_is_the_same_archive(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in reversed(FILES):
        (copy / name).write_bytes((folder / name).read_bytes())
        (copy / name).chmod(0o600)
    (copy / "more").write_text("not of the bundle")
    assert pack(copy) == pack(folder)


@pytest.mark.parametrize(
    "name",
    ["../model.onnx", "/etc/passwd", "sub/model.onnx", "./model.onnx", "x", "\0"],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ArchiveError, match="no file of a bundle"):
        unpack(tar(*whole(), (tarfile.TarInfo(name), b"evil")))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE]
)
def test_what_is_no_plain_file_is_refused(kind: bytes) -> None:
    link = tarfile.TarInfo(FILES[0])
    link.type, link.linkname = kind, "/etc/passwd"
    with pytest.raises(ArchiveError, match="no file of a bundle"):
        unpack(tar((link, b"")))


def test_a_file_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ArchiveError, match="there twice"):
        unpack(tar(*whole(), *whole()))


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(ArchiveError, match=r"card\.md is missing"):
        unpack(tar(*whole()[:-1]))


def test_a_bomb_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archive_module, "PLAIN_MAX_BYTES", 1000)
    with pytest.raises(ArchiveError, match="not accepted"):
        unpack(tar(*whole()))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(9999))
    with pytest.raises(ArchiveError):
        unpack(unsized)


def test_an_archive_cut_short_is_refused() -> None:
    plain = zstandard.decompress(tar(*whole()))
    for length in (100, 600, 1100):
        with pytest.raises(ArchiveError):
            unpack(zstandard.compress(plain[:length]))


@given(st.binary(max_size=2000))
def test_rubbish_is_refused_by_name(content: bytes) -> None:
    for each in (content, zstandard.compress(content)):
        with pytest.raises(ArchiveError):
            unpack(each)
