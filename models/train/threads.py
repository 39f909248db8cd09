"""One thread at a time: fits as small as ours lose more by waiting than they gain."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from threadpoolctl import (  # type: ignore[import-untyped] # it has no types
    threadpool_limits,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and OpenMP use one thread within; a decorator, too."""
    with threadpool_limits(limits=1):
        yield
