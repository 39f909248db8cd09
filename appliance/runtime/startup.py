"""Why a process cannot start."""

from __future__ import annotations


class CannotStartError(Exception):
    """A person must act first; the text says what is wrong and where."""
