"""Proofs of small matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.config import MaintenanceSettings
from appliance.safety.proof.prove import FunctionProof, prove
from appliance.safety.turn import Matrix

if TYPE_CHECKING:
    from appliance.config import ElementSettings, InitiatorSettings


PLC = MaintenanceSettings(output="plc", request="ask", granted="P/granted")


def matrix_of(
    *rows: InitiatorSettings,
    element: ElementSettings,
    maintenance: MaintenanceSettings | None = None,
) -> Matrix:
    stops = {row.id: (element.id,) for row in rows}
    return Matrix(rows, (element,), stops, maintenance)


def proof_of(matrix: Matrix, **options: Any) -> FunctionProof:  # noqa: ANN401
    (proof,) = prove(matrix, **options)
    return proof
