"""Rows of a text table from disk, piece by piece, whatever its encoding."""

from __future__ import annotations

import codecs
import gzip
import zlib
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TextIO, cast

from appliance.commands.backtest.export import ExportError
from appliance.commands.backtest.shape import SAMPLE_LINES, cells_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.commands.backtest.shape import Shape

PORTION = 20_000
"""Rows that are held as text at once."""

_LOOK_BYTES = 1 << 16
_LONGEST_LINE = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MANY = 0.1  # of the bytes: then it is no text, or not of one byte per letter
_ODD = bytes(set(range(32)) - {9, 10, 12, 13})


class Portion(NamedTuple):
    """Some rows, and the line each begins in."""

    lines: list[int]
    rows: list[list[str]]


class TextTable:
    """A table in a text file: CSV with any separator, or columns apart by blanks.

    Raises:
        ExportError: Not a text table; the remedy is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoding = _encoding_of(path)
        self.shape: Shape = self._shape()

    def portions(self) -> Iterator[Portion]:
        """Yield the rows from the beginning.

        Raises:
            ExportError: It cannot be read on.
        """
        with self._open() as file:
            skipped = self.shape.first_line - 1
            body = islice(_bounded(file), skipped, None)
            rows = cells_of(body, self.shape.separator, first_line=skipped + 1)
            while taken := list(islice(rows, PORTION)):
                yield Portion([line for line, _ in taken], [row for _, row in taken])

    def _shape(self) -> Shape:
        with self._open() as file:
            lines = list(islice(_bounded(file), SAMPLE_LINES))
        return shape_of(lines)

    @contextmanager
    def _open(self) -> Iterator[TextIO]:
        try:
            if _is_gzip(self.path):
                with gzip.open(
                    self.path, "rt", encoding=self.encoding, newline=""
                ) as file:
                    yield file
            else:
                with self.path.open(encoding=self.encoding, newline="") as file:
                    yield file
        except UnicodeError as error:
            raise ExportError(f"not {self.encoding}: {error}") from error
        except (OSError, EOFError, zlib.error) as error:
            raise ExportError(_reason(error)) from error


def _encoding_of(path: Path) -> str:
    """Return the encoding; what is not UTF-8 is taken for Windows' Latin letters."""
    try:
        begin = _beginning(path)
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(_reason(error)) from error
    if not begin.strip():
        raise ExportError("the file is empty")
    if begin.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ExportError("a workbook or archive; save the sheet as CSV")
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            return encoding
    zeros = (begin[0::2].count(0), begin[1::2].count(0))
    if max(zeros) > _MANY * len(begin) and min(zeros) == 0:
        return "utf-16-be" if zeros[0] else "utf-16-le"
    if len(begin) - len(begin.translate(None, _ODD)) > _MANY * len(begin):
        raise ExportError("not a text file; export it as CSV")
    return "utf-8" if _is_utf8(path) else "latin-1"


def _beginning(path: Path) -> bytes:
    with _bytes_of(path) as file:
        return file.read(_LOOK_BYTES)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with _bytes_of(path) as file:
            while piece := file.read(_LOOK_BYTES):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except (OSError, EOFError, zlib.error) as error:
        raise ExportError(_reason(error)) from error
    return True


def _bytes_of(path: Path) -> BinaryIO:
    if _is_gzip(path):
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _bounded(file: TextIO) -> Iterator[str]:
    """Yield the lines, and never hold more of one than is believable."""
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise ExportError("a line is longer than a million letters: not a table")
        yield line


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
