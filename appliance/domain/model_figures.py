"""What a model says of its own work, under names that travel as any tag's do."""

from __future__ import annotations

from typing import NamedTuple

from appliance.domain.tag import TagId, parse_tag_id

_MARK = "model_"


class ModelFigure(NamedTuple):
    """A figure (`took_ms_p99`, `confidence` …) of an asset's model by its version."""

    asset: str
    version: str
    figure: str

    @property
    def tag(self) -> TagId:
        """Return its name, `P-101/model_v1/took_ms_p99`.

        Raises:
            InvalidTagIdError: It cannot be one; the message says why.
        """
        return parse_tag_id(f"{self.asset}/{_MARK}{self.version}/{self.figure}")


def figure_of_tag(tag: str) -> ModelFigure | None:
    """Read such a name; None where the tag is another one."""
    asset, _, rest = tag.partition("/")
    model, _, figure = rest.partition("/")
    version = model.removeprefix(_MARK)
    if version == model or not (asset and version and figure) or "/" in figure:
        return None
    return ModelFigure(asset, version, figure)
