"""What inference noticed of an asset and calls nobody for: it behaves otherwise now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.domain.event import Event, EventKind
from appliance.link.roles import Role
from appliance.link.server import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.domain.ports import Clock
    from appliance.hub.assets import Assets
    from appliance.link.server import LinkServer, Peer

CHANGEPOINT = "changepoint"
SENTENCE_MAX = 600


def offer_changes(
    server: LinkServer, assets: Assets, hear: Callable[[Event], None], *, clock: Clock
) -> None:
    """Register `asset.changed`: `{asset, at_ns, mode, tags, sentence}` → an event.

    It is information: no alarm, no priority. Inference bounds how often it comes.
    """

    async def changed(args: Mapping[str, Any], _peer: Peer) -> None:
        asset, said = str(args["asset"]), str(args["sentence"])[:SENTENCE_MAX]
        if not assets.knows(asset):
            raise RefusedError(f"there is no asset {asset!r}")
        details: dict[str, str | int | float | bool | None] = {
            "at_ns": int(args["at_ns"]),
            "mode": str(args["mode"])[:SENTENCE_MAX],
            "tags": str(args["tags"])[:SENTENCE_MAX],
        }
        hear(
            Event(
                kind=EventKind.MODEL,
                name=CHANGEPOINT,
                time_ns=clock.utc_ns(),
                message=f"{asset} began to behave otherwise: {said}",
                asset=asset,
                details=details,
            )
        )

    server.operation(
        "asset.changed", changed, role=Role.OPERATOR, processes=("inference",)
    )
