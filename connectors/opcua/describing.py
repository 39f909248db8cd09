"""What is there to say of a variable before it is a tag: type, unit, value, access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from asyncua import ua

from appliance.domain.naming import unique
from appliance.domain.statuses import status_name
from appliance.runtime.drafts import one_line
from connectors.opcua.nodes import node_id_of
from connectors.opcua.semantics import Semantics, read_semantics
from connectors.opcua.values import plain, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.domain.tag import TagId
    from connectors.opcua.browse import Found
    from connectors.opcua.services import Services

_ASKED: Final = (
    ua.AttributeIds.Value,
    ua.AttributeIds.UserAccessLevel,
    ua.AttributeIds.Description,
)
_READ: Final = 1 << 0
_WRITE: Final = 1 << 1
_LONGEST_SHOWN: Final = 32


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a server. `node` is empty if no text can name it.

    `access` is the server's mask of bits for us, None where it does not say.
    """

    name: TagId
    node: str
    semantics: Semantics
    value: ua.DataValue
    access: int | None = None
    description: str = ""

    @property
    def content(self) -> object:
        """The live value, None without one."""
        return None if self.value.Value is None else self.value.Value.Value

    @property
    def is_array(self) -> bool:
        """Whether it holds many values."""
        rank = self.semantics.nature.value_rank
        return isinstance(self.content, list) or (rank is not None and rank >= 0)

    @property
    def is_waveform(self) -> bool:
        """Whether it is an array of equidistant points: it says at which rate."""
        return self.is_array and self.semantics.sample_rate_hz is not None

    @property
    def is_structure(self) -> bool:
        """Whether only a field of it can be a tag."""
        return not self.is_array and isinstance(self.content, ua.ExtensionObject)

    @property
    def is_readable(self) -> bool:
        """Whether we may read it."""
        return self.access is None or bool(self.access & _READ)

    @property
    def is_writable(self) -> bool:
        """Whether we may write it."""
        return self.access is not None and bool(self.access & _WRITE)

    @property
    def eu_range(self) -> tuple[float, float] | None:
        """The range that the server states, if the live value lies in it."""
        return None if self.contradicts_range else self.semantics.nature.eu_range

    @property
    def contradicts_range(self) -> bool:
        """Whether the live value is good and outside the stated range."""
        stated, number = self.semantics.nature.eu_range, plain(self.content)
        if stated is None or not isinstance(number, float) or self.is_array:
            return False
        return not status_of(self.value) >> 30 and not (
            stated[0] <= number <= stated[1]
        )

    @property
    def shown(self) -> str:
        """The live value in few characters, or why there is none."""
        status = status_of(self.value)
        if self.content is None or status >> 31:
            return status_name(status) if status else "none"
        return value_text(self.content)

    def row(self) -> Mapping[str, str]:
        """Return it as a row for people."""
        nature = self.semantics.nature
        stated, rate_hz = nature.eu_range, self.semantics.sample_rate_hz
        return {
            "tag": self.name,
            "type": nature.data_type + ("[]" if self.is_array else ""),
            "unit": nature.units,
            "range": "" if stated is None else f"{stated[0]:g}..{stated[1]:g}",
            "value": self.shown,
            "access": self._access_words(),
            "waveform": f"{rate_hz:g} Hz" if self.is_waveform and rate_hz else "",
            "node": one_line(self.node) or "(cannot be named in text)",
        }

    def _access_words(self) -> str:
        may = (self.is_readable and "read", self.is_writable and "write")
        return ", ".join(word for word in may if word) or "none"


def value_text(content: object) -> str:
    """Return a value in few characters, on one line."""
    if isinstance(content, list):
        return f"{len(content)} values"
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, float):
        return f"{content:.6g}"
    known = plain(content)
    text = str(content) if isinstance(content, int) else str(known)
    if known is None:
        text = type(content).__name__
    text = one_line(text)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def node_text(node: ua.NodeId, uris: Sequence[str]) -> str:
    """Return a node as the configuration names it, empty if it cannot."""
    identifier = node.to_string().rpartition(";")[2]
    if node.NodeIdType == ua.NodeIdType.String:
        identifier = f"s={node.Identifier!s}"
    text = identifier
    if node.NamespaceIndex:
        if node.NamespaceIndex >= len(uris):
            return ""
        uri = quote(uris[node.NamespaceIndex], safe="!#$&'()*+,/:=?@[]~ ")
        text = f"nsu={uri};{identifier}"
    try:
        readable = text.isprintable() and node_id_of(text, uris) == node
    except (ValueError, ua.UaError):
        return ""
    return text if readable else ""


async def describe(
    services: Services, found: Sequence[Found], uris: Sequence[str]
) -> list[Variable]:
    """Read what the server says of variables; each gets a name of its own.

    Raises:
        SourceUnavailableError: The connection is lost.
    """
    nodes = [each.node for each in found]
    semantics = await read_semantics(services, nodes, uris)
    answers = await services.attributes(
        [(node, attribute) for node in nodes for attribute in _ASKED]
    )
    names = unique(each.name for each in found)
    step = len(_ASKED)
    return [
        Variable(
            name=names[row],
            node=node_text(node, uris),
            semantics=semantics[row],
            value=answers[row * step],
            access=_mask(answers[row * step + 1]),
            description=_text(answers[row * step + 2]),
        )
        for row, node in enumerate(nodes)
    ]


def _mask(answer: ua.DataValue) -> int | None:
    content = None if answer.Value is None else answer.Value.Value
    return content if isinstance(content, int) else None


def _text(answer: ua.DataValue) -> str:
    text = plain(None if answer.Value is None else answer.Value.Value)
    return one_line(text).strip() if isinstance(text, str) else ""
