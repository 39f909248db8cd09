"""`wheeltapper buffer status|verify|repair|encrypt`: is what is stored whole?"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.commands.common import add_json, add_places, ask, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_WELL, CommandError
from appliance.runtime.clock import SystemClock
from appliance.storage.cipher import KEY_VARIABLE, read_note
from appliance.storage.connection import StoreOpenError
from appliance.storage.encryption import encrypt
from appliance.storage.quarantine import wrecks
from appliance.storage.repair import salvage, verify

if TYPE_CHECKING:
    import argparse

_ENCRYPT = "encrypt a plain buffer, or change its key; the hub stopped"


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    status = acts.add_parser("status", help="counters of the running hub")
    check = acts.add_parser("verify", help="integrity, blocks, the conservation law")
    repair = acts.add_parser("repair", help="quarantine and salvage; the hub stopped")
    encryption = acts.add_parser("encrypt", help=_ENCRYPT)
    encryption.add_argument(
        "--key-file", required=True, metavar="FILE",
        help="64 hexadecimal digits, as `openssl rand -hex 32` makes them",
    )  # fmt: skip
    for each in (status, check, repair, encryption):
        add_json(each)
        add_places(each)
    for each in (check, repair):
        each.add_argument(
            "--key-file", metavar="FILE",
            help="of an encrypted buffer, where it is not where the hub has it"
            f" (or {KEY_VARIABLE})",
        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Do it."""
    path = args.state_dir / "buffer.db"
    if args.act in {"verify", "repair"} and args.key_file is not None:
        os.environ[KEY_VARIABLE] = str(Path(args.key_file).absolute())
    try:
        match args.act:
            case "status":
                return _status(ask(args.run_dir / "hub.sock", "status"), args, path)
            case "verify":
                return _verify(path, args)
            case "encrypt":
                return _encrypt(path, args)
            case _:
                return _repair(path, args)
    except StoreOpenError as error:
        raise CommandError(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"{path}: the disk refused: {error}") from error


def _verify(path: Path, args: argparse.Namespace) -> int:
    problems = verify(path)
    if args.json:
        say_json(list(problems))
    else:
        say("\n".join(problems) if problems else "well: whole and conserved")
        if problems:
            say("a running hub mends itself; otherwise stop it, and: buffer repair")
    return EXIT_FINDING if problems else EXIT_WELL


def _repair(path: Path, args: argparse.Namespace) -> int:
    try:
        done = salvage(path, now_ns=SystemClock().utc_ns())
    except StoreOpenError as error:
        raise CommandError(f"{error}; a repair needs the hub stopped") from error
    if args.json:
        say_json(asdict(done))
    else:
        say(f"the damaged file is kept as {done.quarantined}")
        say(table(("TABLE", "RECORDS SALVAGED"), done.copied.items()))
        say(f"{done.lost} records are lost, and declared as gaps")
        for problem in done.problems:
            say(f"  {problem}")
    return EXIT_FINDING if done.problems or done.lost else EXIT_WELL


def _encrypt(path: Path, args: argparse.Namespace) -> int:
    try:
        before = encrypt(path, args.key_file, now_ns=SystemClock().utc_ns())
    except StoreOpenError as error:
        raise CommandError(f"{error}; this needs the hub stopped") from error
    old = [before, *wrecks(path), *sorted(path.parent.glob(f"{path.name}.v*.bak"))]
    if args.json:
        say_json({"encrypted": str(path), "as_before": [str(each) for each in old]})
        return EXIT_WELL
    say(f'{path} is encrypted; set [storage] key_file = "{args.key_file}"')
    say("these are as they were; destroy them once the hub runs:")
    for each in old:
        say(f"  {each}")
    return EXIT_WELL


def _status(status: dict[str, Any], args: argparse.Namespace, path: Path) -> int:
    storage = dict(status["storage"])
    files = {
        "encrypted": read_note(path) is not None,
        "damaged_files_kept": [each.name for each in wrecks(path)]
        if path.parent.is_dir()
        else [],
    }
    if args.json:
        say_json({"counters": status["counters"], "storage": storage, **files})
        return EXIT_WELL
    say(table(("COUNTER", "VALUE"), sorted(status["counters"].items())))
    say("")
    say(table(("STORAGE", ""), [*sorted(storage.items()), *files.items()]))
    return EXIT_WELL
