"""Columns indexed by tag number, which grow when a tag is added."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Kind = TypeVar("_Kind", bound=np.generic)


def grown(column: NDArray[_Kind], size: int, fill: float) -> NDArray[_Kind]:
    """Return the column with at least `size` places, the new ones filled."""
    more = np.full(max(0, size - len(column)), fill, dtype=column.dtype)
    return np.concatenate((column, more))
