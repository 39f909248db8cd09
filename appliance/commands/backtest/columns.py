"""One column of an export on its way to numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from appliance.commands.backtest.numbers import MISSING, column, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.features.asset import FloatColumn

_WORDY = 0.5  # of the cells that hold something: then it is a column of words
_SAMPLE = 2000


class Column:
    """Numbers of one column, taken portion by portion; words are counted."""

    def __init__(self, name: str, *, comma: bool, as_text: bool = False) -> None:
        self.name = name
        self.words = 0
        self._comma = comma
        self._first_word: tuple[str, int] = ("", 0)
        self._taken: list[FloatColumn] = []
        self.as_text = as_text
        self.texts: list[str] = []

    def looks_numeric(self, cells: Sequence[str]) -> bool:
        """Say whether most cells that hold something hold numbers."""
        given = [c for c in cells[:_SAMPLE] if c.strip().lower() not in MISSING]
        numbers = sum(number(cell, comma=self._comma) is not None for cell in given)
        return numbers >= _WORDY * len(given)

    def example(self, cells: Sequence[str]) -> str:
        """Return a word that stands in it."""
        words = (c for c in cells if c.strip() and number(c, comma=self._comma) is None)
        return next(words, "")[:40]

    def take(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Read further cells, which stand in these lines."""
        if self.as_text:
            self.texts += cells
            return
        read = column(cells, comma=self._comma)
        if read.words and not self.words:
            at = read.words[0]
            self._first_word = (cells[at].strip()[:40], lines[at])
        self.words += len(read.words)
        self._taken.append(np.array(read.values))

    def values(self) -> FloatColumn:
        """Return all numbers, NaN where one is missing."""
        if len(self._taken) > 1:
            self._taken = [np.concatenate(self._taken)]
        return self._taken[0]

    def refusal(self) -> str:
        """Return why it is no sensor; nothing if it may be one."""
        known = int(np.isfinite(self.values()).sum())
        if self.words > known:
            return f"text, such as {self._first_word[0]!r}"
        return "" if known else "empty"

    def remarks(self) -> list[str]:
        """Return what is worth knowing of it."""
        values = self.values()
        found = []
        if self.words:
            word, line = self._first_word
            found.append(
                f"column {self.name!r}: {self.words} cells are no numbers (first "
                f"{word!r} in line {line}) and count as missing"
            )
        missing = int(np.isnan(values).sum()) - self.words
        if missing:
            part = missing / len(values)
            found.append(f"column {self.name!r}: {missing} values missing ({part:.1%})")
        known = values[np.isfinite(values)]
        if len(known) > 1 and (known == known[0]).all():
            found.append(f"column {self.name!r}: constant at {known[0]:g}")
        return found
