"""What would be sent next, made by the code that would make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from appliance.sync.drain import HELD, LIVE, PRIORITY
from appliance.sync.parcel import Packer
from appliance.sync.policy import Policy
from appliance.wire.outbox import SnippetRow
from appliance.wire.payload import open_payload

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.config import UplinkSettings
    from appliance.wire.outbox import Row, Stream


class PayloadShown(msgspec.Struct, frozen=True):
    """One MQTT message: its numbers and length, its rows as the fleet reads them."""

    topic: str
    first: int
    last: int
    bytes: int
    rows: tuple[dict[str, Any], ...]


class Preview(msgspec.Struct, frozen=True):
    """A stream; `why` says whether it goes now, and what of it stays here."""

    stream: str
    pending: int
    pending_bytes: int
    why: str
    payloads: tuple[PayloadShown, ...]


def preview(
    settings: UplinkSettings,
    sync: Mapping[str, Any],
    outbox: Mapping[str, Mapping[str, Any]],
    *,
    read: Mapping[Stream, Mapping[str, Any]],
) -> tuple[Preview, ...]:
    """Return what would be sent next of every stream, in the order of priority.

    `sync` is its own status, `outbox` the answer to `outbox.status`, `read` those to
    `outbox.read`.
    """
    policy = Policy(settings.sends, settings.tags)
    link: Mapping[str, Any] = sync.get("link", {})
    most = min(
        settings.max_payload_bytes,
        int(link.get("payload_max_bytes", settings.max_payload_bytes)),
    )
    found = []
    for stream in PRIORITY:
        rows: Sequence[tuple[int, bytes]] = read[stream]["rows"]
        waiting = outbox[str(stream)]
        found.append(
            Preview(
                stream=str(stream),
                pending=int(waiting["pending"]),
                pending_bytes=int(waiting["pending_bytes"]),
                why=_why(stream, settings, sync),
                payloads=_payloads(
                    stream, rows, policy, epoch=read[stream]["epoch"], most=most
                ),
            )
        )
    return tuple(found)


def _payloads(
    stream: Stream,
    rows: Sequence[tuple[int, bytes]],
    policy: Policy,
    *,
    epoch: str,
    most: int,
) -> tuple[PayloadShown, ...]:
    if not rows:
        return ()
    first = rows[0][0]
    parcels = Packer(stream, policy).pack(
        [content for _, content in rows],
        epoch=epoch,
        first=first,
        settled=first - 1,
        max_bytes=most,
    )
    return tuple(
        PayloadShown(
            topic=f"…/{stream}",
            first=parcel.first,
            last=parcel.last,
            bytes=parcel.size_bytes,
            rows=tuple(map(_shown, open_payload(parcel.payload).rows)),
        )
        for parcel in parcels
    )


def _shown(row: Row) -> dict[str, Any]:
    told = msgspec.structs.asdict(row)
    if isinstance(row, SnippetRow):
        told["content"] = f"{len(row.content)} bytes"
    return told


def _why(stream: Stream, settings: UplinkSettings, sync: Mapping[str, Any]) -> str:
    if not sync:
        return "sync is not running"
    state = str(sync.get("uplink", ""))
    waits = str(sync.get("link", {}).get("waits_for", ""))
    said = "goes at once"
    if stream in HELD and settings.hold_s > 0:
        said = f"goes within {settings.hold_s:g} s, in company"
    if waits:
        urgent = "alarms, trips and anomalies go at once; the rest: "
        said = (urgent if stream in LIVE else "") + waits
    elif state != "connected":
        said = state
    period_s = float(sync.get("merging_to_s", 0.0))
    if stream == "summary" and period_s > 0.0:
        said += f"; merged to {period_s:g} s, for the backlog is long"
    return "; ".join((said, *_stays(stream, settings)))


def _stays(stream: Stream, settings: UplinkSettings) -> list[str]:
    """Return what the policy keeps here."""
    if stream == "gap":
        return []
    if str(stream) not in settings.sends:
        empty = "rows go empty" if stream == "event" else "none are made"
        return [f"not in [uplink] sends: {empty}"]
    if "*" not in settings.tags and stream != "health":
        return [f"of tags like {', '.join(settings.tags)} alone"]
    return []
