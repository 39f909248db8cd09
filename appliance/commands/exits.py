"""How a command ends."""

from __future__ import annotations

EXIT_WELL = 0
EXIT_FINDING = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 69
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


class CommandError(Exception):
    """The command ends with this text and exit code."""

    def __init__(self, text: str, exit_code: int = EXIT_FINDING) -> None:
        self.exit_code = exit_code
        super().__init__(text)
