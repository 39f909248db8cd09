"""What workers tell the application. Only its `@on` methods change the state."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from appliance.dashboard.shelf import Shelf
    from appliance.link.client import News
    from appliance.wire.messages import Hello


class LinkUp(Message):
    """A process has said hello."""

    def __init__(self, process: str, hello: Hello) -> None:
        self.process = process
        self.hello = hello
        super().__init__()


class LinkDown(Message):
    """A process does not answer, or does not any more."""

    def __init__(self, process: str, reason: str) -> None:
        self.process = process
        self.reason = reason
        super().__init__()


class NewsArrived(Message):
    """Values or an event. Whoever takes it sets `taken`: nobody is flooded."""

    def __init__(self, process: str, news: News) -> None:
        self.process = process
        self.news = news
        self.taken = asyncio.Event()
        super().__init__()


class Answered(Message):
    """The answer to a question that is asked regularly."""

    def __init__(self, process: str, op: str, result: Any) -> None:  # noqa: ANN401 - msgpack
        self.process = process
        self.op = op
        self.result = result
        super().__init__()


class HistoryArrived(Message):
    """The past of a tag, between two moments."""

    def __init__(self, tag: str, result: Any, span_ns: tuple[int, int]) -> None:  # noqa: ANN401 - msgpack
        self.tag = tag
        self.result = result
        self.span_ns = span_ns
        super().__init__()


class GapsArrived(Message):
    """What is declared as missing in the time that a tag is looked at."""

    def __init__(self, tag: str, result: Any) -> None:  # noqa: ANN401 - msgpack
        self.tag = tag
        self.result = result
        super().__init__()


class ShelfRead(Message):
    """The versions of models, as they lie on the disk."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        super().__init__()


class Said(Message):
    """What became of a person's act: done (and on disk), or refused with a reason."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        self.text = text
        self.refused = refused
        super().__init__()
