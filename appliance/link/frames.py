"""Frames on an asyncio stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.wire.messages import LENGTH_BYTES, decode_body, frame_length

if TYPE_CHECKING:
    from appliance.wire.messages import Message


async def read_frame(reader: asyncio.StreamReader) -> Message | None:
    """Return the next message, or None when the peer has closed.

    Raises:
        WireError: Too long, or not a message of ours.
    """
    try:
        head = await reader.readexactly(LENGTH_BYTES)
        body = await reader.readexactly(frame_length(head))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return decode_body(body)
