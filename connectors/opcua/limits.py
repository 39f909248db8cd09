"""What a server says it can take, and how to stay within it. The core is pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from asyncua import ua

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connectors.opcua.connection import Connection

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

PORTION: Final = 500
"""How many we ask at once of a server that names no limit."""

_LIMITS = "Server_ServerCapabilities_OperationLimits_"
_CAPABILITIES = "Server_ServerCapabilities_"
_NODES: Final = {
    "nodes_per_read": _LIMITS + "MaxNodesPerRead",
    "nodes_per_browse": _LIMITS + "MaxNodesPerBrowse",
    "items_per_call": _LIMITS + "MaxMonitoredItemsPerCall",
    "items": _CAPABILITIES + "MaxMonitoredItems",
    "items_per_subscription": _CAPABILITIES + "MaxMonitoredItemsPerSubscription",
    "subscriptions": _CAPABILITIES + "MaxSubscriptions",
    "subscriptions_per_session": _CAPABILITIES + "MaxSubscriptionsPerSession",
    "min_sampling_ms": _CAPABILITIES + "MinSupportedSampleRate",
}
_TOO_MANY: Final = frozenset(
    {
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadEncodingLimitsExceeded,
        ua.StatusCodes.BadRequestTooLarge,
        ua.StatusCodes.BadResponseTooLarge,
    }
)


class TooManyError(Exception):
    """The server refused a call as a whole, because it asks too much at once."""

    def __init__(self, status: int) -> None:
        super().__init__(ua.status_codes.get_name_and_doc(status)[0])
        self.status = status


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """A server's limits; None where it names none (Part 5, 6.3.2 and 6.3.11)."""

    nodes_per_read: int | None = None
    nodes_per_browse: int | None = None
    items_per_call: int | None = None
    items: int | None = None
    items_per_subscription: int | None = None
    subscriptions: int | None = None
    subscriptions_per_session: int | None = None
    min_sampling_ms: float = 0.0

    @property
    def subscriptions_of_ours(self) -> int | None:
        """How many subscriptions this session may have at most."""
        named = (self.subscriptions, self.subscriptions_per_session)
        return min((each for each in named if each is not None), default=None)


def standard_node(name: str) -> ua.NodeId:
    """Return a node of the standard by its name (Part 6, annex A)."""
    return ua.NodeId.from_string(f"i={getattr(ua.ObjectIds, name)}")


def portion(limit: int | None) -> int:
    """Return how many to ask at once."""
    return PORTION if limit is None else min(limit, PORTION)


def limits_of(values: Sequence[object]) -> ServerLimits:
    """Return the limits from the values of the nodes in `_NODES`, in their order."""
    found: dict[str, int | float] = {}
    for name, value in zip(_NODES, values, strict=True):
        if isinstance(value, int | float) and value > 0:
            found[name] = value if name == "min_sampling_ms" else int(value)
    return ServerLimits(**found)  # type: ignore[arg-type] # names and kinds as above


async def read_limits(connection: Connection) -> ServerLimits:
    """Ask the server for its limits, one by one: it may be able to answer only one.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    nodes = [standard_node(name) for name in _NODES.values()]

    async def read(asked: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        wanted = [ua.ReadValueId(node, ua.AttributeIds.Value) for node in asked]
        request = ua.ReadParameters(0, ua.TimestampsToReturn.Neither, wanted)
        call = partial(connection.session.read, request)
        return await unless_too_many(connection, call)

    values = await in_portions(nodes, len(nodes), read)
    return limits_of([_content(value) for value in values])


async def unless_too_many(
    connection: Connection, call: Callable[[], Awaitable[list[_Answer]]]
) -> list[_Answer]:
    """Call a service; being refused for asking too much is no loss of the connection.

    Raises:
        TooManyError: Ask for less.
        SourceUnavailableError: The connection is lost.
    """
    refused: int | None = None
    answer: list[_Answer] = []
    with connection.guarded():
        try:
            answer = await call()
        except ua.UaStatusCodeError as error:
            if error.code not in _TOO_MANY:
                raise
            refused = error.code
    if refused is not None:
        raise TooManyError(refused)
    return answer


async def in_portions(
    asked: Sequence[_Asked],
    size: int,
    call: Callable[[Sequence[_Asked]], Awaitable[list[_Answer]]],
) -> list[_Answer]:
    """Call for portion after portion, halving them while the server finds them too big.

    Raises:
        TooManyError: Even one is too many.
    """
    answers: list[_Answer] = []
    while len(answers) < len(asked):
        some = asked[len(answers) : len(answers) + size]
        try:
            answered = await call(some)
        except TooManyError:
            if len(some) == 1:
                raise
            size = max(1, len(some) // 2)
            continue
        if len(answered) != len(some):
            raise TooManyError(ua.StatusCodes.BadUnexpectedError)
        answers += answered
    return answers


def _content(value: ua.DataValue) -> object:
    if value.Value is None or (value.StatusCode and not value.StatusCode.is_good()):
        return None
    return value.Value.Value
