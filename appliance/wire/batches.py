"""`Batch` ↔ `BatchMessage`, column by column, without a loop over rows."""

from __future__ import annotations

import numpy as np

from appliance.domain.batch import Batch, Text, Waveform
from appliance.domain.sample import Quality
from appliance.wire.messages import BatchMessage, TextPart, WaveformPart, WireError


def message_of(batch: Batch) -> BatchMessage:
    """Return the batch as a message."""
    server = batch.server_time_ns
    return BatchMessage(
        tag=batch.tag.astype("<u4", copy=False).tobytes(),
        source_time_ns=batch.source_time_ns.astype("<i8", copy=False).tobytes(),
        value=batch.value.astype("<f8", copy=False).tobytes(),
        quality=batch.quality.tobytes(),
        status=batch.status.astype("<u4", copy=False).tobytes(),
        receive_time_ns=batch.receive_time_ns,
        historical=batch.historical,
        group=batch.group,
        confirms=batch.confirms,
        waveforms=tuple(_waveform_part(each) for each in batch.waveforms),
        texts=tuple(
            TextPart(
                each.tag, each.source_time_ns, each.content, each.quality, each.status
            )
            for each in batch.texts
        ),
        server_time_ns=(
            b"" if server is None else server.astype("<i8", copy=False).tobytes()
        ),
    )


def batch_of_message(message: BatchMessage) -> Batch:
    """Return the message as a batch.

    Raises:
        WireError: Columns of differing or broken length, or an unknown quality.
    """
    try:
        return Batch(
            tag=np.frombuffer(message.tag, "<u4"),
            source_time_ns=np.frombuffer(message.source_time_ns, "<i8"),
            value=np.frombuffer(message.value, "<f8"),
            quality=np.frombuffer(message.quality, "u1"),
            status=np.frombuffer(message.status, "<u4"),
            receive_time_ns=message.receive_time_ns,
            historical=message.historical,
            group=message.group,
            confirms=message.confirms,
            waveforms=tuple(_waveform(each) for each in message.waveforms),
            texts=tuple(_text(each) for each in message.texts),
            server_time_ns=(
                np.frombuffer(message.server_time_ns, "<i8")
                if message.server_time_ns
                else None
            ),
        )
    except ValueError as error:
        raise WireError(f"a broken batch: {error}") from error


def _waveform_part(waveform: Waveform) -> WaveformPart:
    return WaveformPart(
        tag=waveform.tag,
        start_ns=waveform.start_ns,
        sample_rate_hz=waveform.sample_rate_hz,
        points=waveform.points.astype("<f4", copy=False).tobytes(),
        quality=waveform.quality,
        status=waveform.status,
    )


def _waveform(part: WaveformPart) -> Waveform:
    return Waveform(
        tag=part.tag,
        start_ns=part.start_ns,
        sample_rate_hz=part.sample_rate_hz,
        points=np.frombuffer(part.points, "<f4"),
        quality=Quality(part.quality),
        status=part.status,
    )


def _text(part: TextPart) -> Text:
    return Text(
        part.tag, part.source_time_ns, part.content, Quality(part.quality), part.status
    )
