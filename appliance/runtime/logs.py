"""Logging for journald and for people: one line, level first."""

from __future__ import annotations

import logging
import os
import sys

_PRIORITY = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}

_NOISY = ("asyncua", "paho", "amqtt", "transitions")
_SILENT = ("pymodbus",)
"""It logs each failed attempt and dumps frames; what matters it raises as well."""


class JournalFormatter(logging.Formatter):
    """Prefix `<N>`, by which journald knows the level (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line with its prefix."""
        return f"<{_PRIORITY.get(record.levelno, 6)}>{super().format(record)}"


def configure(process: str, level: int = logging.INFO) -> None:
    """Send all logs to standard error; the libraries' chatter only from warnings up."""
    journal = "JOURNAL_STREAM" in os.environ
    line = f"{process}: %(name)s: %(message)s"
    formatter = (
        JournalFormatter(line)
        if journal
        else logging.Formatter(f"%(asctime)s %(levelname)s {line}")
    )
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def silence() -> None:
    """Log nothing: a command says what matters itself, once."""
    logging.getLogger().handlers[:] = [logging.NullHandler()]
    logging.getLogger().setLevel(logging.CRITICAL)
    for name in (*_NOISY, *_SILENT):
        logging.getLogger(name).setLevel(logging.CRITICAL)
