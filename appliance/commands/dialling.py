"""What `read` and `write` share: the sources of a configuration, dialled directly."""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from appliance.commands.exits import EXIT_USAGE, CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.config import Config
    from appliance.runtime.plugins import SourceSettings

_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Owned:
    """A source of the configuration, and the process that it belongs to."""

    settings: SourceSettings
    owner: Literal["hub", "safety"]
    place: str


def owned_sources(config: Config) -> tuple[Owned, ...]:
    """Return every source, the hub's first."""
    return (
        *(Owned(each, "hub", f"sources.{each.name}") for each in config.sources),
        *(
            Owned(each, "safety", f"safety.sources.{each.name}")
            for each in config.safety_sources
        ),
    )


def answers(run_dir: Path, process: str) -> bool:
    """Say whether a process of this machine listens on its socket."""
    path = run_dir / f"{process}.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as link:
        link.settimeout(_PATIENCE_S)
        try:
            link.connect(str(path))
        except OSError:
            return False
        return True


def refuse_a_second_connection(owned: Owned, run_dir: Path) -> None:
    """Leave a device alone that bears one connection, if it has that already.

    Raises:
        CommandError: It has; the text says who holds it and what to do.
    """
    only = owned.settings.only_connection()
    if only is None or not answers(run_dir, owned.owner):
        return
    raise CommandError(
        f"source {owned.settings.name}: {only} bears one connection, and the running "
        f"{owned.owner} holds it; look at its values with wheeltapper trend or the "
        f"dashboard, or stop it first (systemctl stop wheeltapper-{owned.owner})"
    )


def lost_words(owned: Owned, error: Exception, run_dir: Path) -> str:
    """Return why a source was not reached, and who may be in the way."""
    hint = ""
    if answers(run_dir, owned.owner):
        hint = (
            f"; the running {owned.owner} is connected to it too: a device that bears "
            "one connection only must say so (modbus: accepts = 1)"
        )
    return f"source {owned.settings.name}: {error}{hint}"


def usage(text: str) -> CommandError:
    """Return an error of usage."""
    return CommandError(text, EXIT_USAGE)
