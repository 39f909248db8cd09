"""What a person may do to a machine's record and to its models."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from appliance.dashboard.screens.form import Field, needed
from appliance.link.client import LinkLostError, LinkRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.dashboard.app import Dashboard
    from appliance.dashboard.asking import Asking
    from appliance.dashboard.shelf import Version

_WITHIN_S = 60.0
_MAINTAINED = (
    "Its remaining life begins anew, the history so far is labelled with these words,"
    " and its normal should be learned again."
)


class UpkeepActs:
    """Maintenance done; a version of a model brought into force, or taken back."""

    def __init__(self, app: Dashboard, asking: Asking) -> None:
        self._app = app
        self._asking = asking

    def maintained(self) -> None:
        """Say that the machine of the screen was maintained."""
        app, seen = self._app, self._app.seen
        asset = None if seen is None else seen.chosen_asset(app.plant, app.now)
        if asset is None:
            self._asking.refuse("there is no asset")
            return

        def go_on(answer: Mapping[str, Any]) -> None:
            self._asking.ask(
                f"{asset.id} was maintained: {answer['what']}?", [_MAINTAINED],
                grave=False, feed=app.hub, op="asset.maintained",
                said=f"{asset.id}: maintenance is on record", asset=asset.id,
                what=answer["what"],
            )  # fmt: skip

        what = Field("what", "what was done (required)", needed("say what was done"))
        self._asking.fill_in(f"{asset.id}: which maintenance is done?", (what,), go_on)

    def activate(self) -> None:
        """Bring the version under the cursor into force."""
        version = self._version()
        if version is None:
            return
        if version.state == "active":
            self._asking.refuse(f"{version.version} of {version.asset} judges already")
            return
        self._asking.ask_to(
            f"Let {version.version} judge {version.asset}?",
            ["The version that judges now is kept: p goes back to it."],
            send=partial(self._bring, "activate", version.asset, version.version),
            name="model.activate",
        )

    def roll_back(self) -> None:
        """Go back to the version that judged before."""
        version = self._version()
        if version is None:
            return
        self._asking.ask_to(
            f"Go back to the previous model of {version.asset}?",
            ["The version that judges now is kept on the shelf."],
            send=partial(self._bring, "rollback", version.asset),
            name="model.rollback",
        )

    def _version(self) -> Version | None:
        seen = self._app.seen
        version = None if seen is None else seen.chosen_version(self._app.plant)
        if version is None:
            self._asking.refuse("there is no version of a model")
        return version

    async def _bring(self, act: str, *words: str) -> str:
        """Run `wheeltapper models`: it asks the hub, verifies, and writes it down.

        Raises:
            LinkRefusedError: The hub, the bundle or the disk says no.
            LinkLostError: It did not end in time.
        """
        app = self._app
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance", "models", act, *words,
            "--state-dir", str(app.state_dir), "--run-dir", str(app.run_dir),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_WITHIN_S):
                said, complaint = await child.communicate()
        except TimeoutError as error:
            raise LinkLostError("it takes too long") from error
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode:
            raise LinkRefusedError(_last_line(complaint) or "it failed")
        app.past.read_shelf()
        return _last_line(said)


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
