"""`wheeltapper updates fetch|status`: released models, verified, into force.

`sync` runs `fetch` every `period_s` as a short-lived child; a person may, too.
"""

from __future__ import annotations

import fcntl
import json
import os
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.commands.children import python
from appliance.commands.common import (
    add_config,
    add_json,
    add_places,
    configuration,
    say,
    say_json,
    table,
)
from appliance.commands.exits import (
    EXIT_CONFIG,
    EXIT_FINDING,
    EXIT_UNREACHABLE,
    EXIT_WELL,
    CommandError,
)
from appliance.commands.models import announce, record, shelf_of
from appliance.inference.asset import asset_model
from appliance.runtime.clock import SystemClock
from appliance.runtime.credentials import credential_path
from appliance.runtime.files import write_whole
from appliance.updates.carrier import TreeCarrier
from appliance.updates.fetch import REFUSED, Cycle, Gateway
from appliance.updates.floors import Floors
from appliance.updates.refusals import (
    UnreachableError,
    UnsuitableError,
    UpdateError,
)
from appliance.updates.trust import Trust
from models.features import feature_names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.config import Config, UpdatesSettings

PROVE_WITHIN_S = 60.0
FOLDER, FLOORS, LAST = "trust", "floors.json", "last.json"


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    fetch = acts.add_parser("fetch", help="look for releases once, now")
    add_config(fetch)
    fetch.add_argument("--nice", type=int, default=0, help="be nicer by this much")
    status = acts.add_parser("status", help="what was taken in, and the last look")
    for each in (fetch, status):
        add_places(each)
        add_json(each)


def run(args: argparse.Namespace) -> int:
    """Fetch, or tell."""
    if args.act == "status":
        return _status(args.state_dir / FOLDER, as_json=args.json)
    if args.nice > 0:
        os.nice(args.nice)
    config = configuration(args.config)
    if config.updates is None:
        raise CommandError("no [updates] in the configuration", EXIT_CONFIG)
    try:
        with _alone(args.state_dir / FOLDER) as folder:
            cycle = _cycle(args, config, config.updates, folder)
            found = _look(cycle)
            _keep(folder / LAST, found)
    except OSError as error:
        raise CommandError(f"unreachable: our disk refuses: {error}") from error
    if args.json:
        say_json(found)
    else:
        for each in found["outcomes"]:
            say(each["said"])
        if found["said"]:
            say(found["said"])
    return int(found["exit_code"])


def _look(cycle: Cycle) -> dict[str, Any]:
    """Run the cycle; return all that is to be told of it."""
    found: dict[str, Any] = {
        "utc_ns": cycle.clock.utc_ns(),
        "refusal": "",
        "said": "",
        "outcomes": [],
        "exit_code": EXIT_WELL,
    }
    try:
        outcomes = cycle.run()
    except UpdateError as error:
        absent = isinstance(error, UnreachableError)
        found["exit_code"] = EXIT_UNREACHABLE if absent else EXIT_FINDING
        return found | {"refusal": error.name, "said": str(error)}
    if any(each.result == REFUSED for each in outcomes):
        found["exit_code"] = EXIT_FINDING
    return found | {"outcomes": [asdict(each) for each in outcomes]}


def _cycle(
    args: argparse.Namespace, config: Config, settings: UpdatesSettings, folder: Path
) -> Cycle:
    try:
        root = credential_path(settings.root_file).read_bytes()
        ca_file = settings.ca_file and credential_path(settings.ca_file)
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        problem = f"[updates] names a file that cannot be read: {error}"
        raise CommandError(problem, EXIT_CONFIG) from error
    clock = SystemClock()
    return Cycle(
        trust=Trust(
            folder, settings.tree, root=root, carrier=TreeCarrier(clock, context)
        ),
        shelf=shelf_of(args.state_dir),
        floors=Floors(folder / FLOORS),
        gateway=Gateway(
            config.site.id,
            config.site.gateway,
            tuple(asset.id for asset in config.assets),
        ),
        workspace=folder / "workspace",
        prove=_Prove(config),
        in_force=_InForce(args.state_dir, args.run_dir),
        clock=clock,
        automatic=settings.activate == "automatic",
    )


class _InForce:
    """Writes an activation down and tells the hub; it counts either way."""

    def __init__(self, state_dir: Path, run_dir: Path) -> None:
        self._state_dir = state_dir
        self._run_dir = run_dir

    def __call__(self, asset: str, version: str, before: str) -> str:
        """Return what came of it as a sentence."""
        record(self._state_dir, "release", asset, version, before=before)
        try:
            return announce(self._run_dir, asset, version)
        except CommandError as error:
            return f"{asset} {version} is active from the next start ({error})"


class _Prove:
    """Runs the golden vectors in a process of its own, bounded in time.

    What it runs is genuine by then; it may still not suit this machine.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    def __call__(self, folder: Path) -> tuple[str, str]:
        """Return the bundle's asset and version, or raise UnsuitableError."""
        words = ("-m", "appliance", "models", "verify", str(folder), "--json")
        try:
            done = subprocess.run(  # noqa: S603 - our own module
                python(*words),
                capture_output=True,
                text=True,
                check=False,
                timeout=PROVE_WITHIN_S,
            )
            found = json.loads(done.stdout)
        except subprocess.TimeoutExpired as error:
            raise UnsuitableError("its golden vectors take too long here") from error
        except json.JSONDecodeError as error:
            problem = f"its golden vectors cannot be run here: {done.stderr.strip()}"
            raise UnsuitableError(problem) from error
        if not found["ok"]:
            raise UnsuitableError(f"the bundle does not prove itself: {found['said']}")
        self._check_features(found["asset"], found["features"])
        return found["asset"], found["version"]

    def _check_features(self, name: str, features: list[str]) -> None:
        """Raise unless this gateway can compute all that the model looks at."""
        for asset in self._config.assets:
            if asset.id == name:
                known = set(feature_names(asset_model(self._config, asset)))
                unknown = [each for each in features if each not in known]
                if unknown:
                    raise UnsuitableError(
                        f"the model looks at {', '.join(unknown)}, which {name} does"
                        " not have here"
                    )


def _status(folder: Path, *, as_json: bool) -> int:
    try:
        counters = Floors(folder / FLOORS).read().counters
    except UpdateError as error:
        raise CommandError(str(error)) from error
    last: dict[str, Any] = {}
    if (folder / LAST).is_file():
        last = json.loads((folder / LAST).read_bytes())
    if as_json:
        say_json({"counters": counters, "last": last})
        return EXIT_WELL
    if not last:
        say("no release tree was looked at yet")
        return EXIT_WELL
    rows = (
        (each["asset"], counters.get(each["asset"], 0), each["result"], each["said"])
        for each in last["outcomes"]
    )
    if last["said"]:
        say(last["said"])
    else:
        say(table(("ASSET", "COUNTER", "LAST", ""), rows))
    return EXIT_WELL


def _keep(path: Path, found: dict[str, Any]) -> None:
    write_whole(path, json.dumps(found, ensure_ascii=False).encode())


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """Yield the folder of what is trusted, which one process at a time may use."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CommandError("another fetch is at work; try again") from error
        yield folder
    finally:
        os.close(descriptor)
