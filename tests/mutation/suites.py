"""Which tests should notice a wrong line of which module of the stop."""

from __future__ import annotations

from tests.mutation.play import SAFETY

_DECISIONS = (
    "test_decisions.py", "test_vote.py", "test_channel.py", "test_conditions.py",
    "test_permissive.py", "test_logic.py", "test_late.py", "test_modes.py",
    "test_model_rows.py", "test_bypass.py", "test_handover.py", "test_happenings.py",
    "test_reading.py", "test_random_scans.py",
)  # fmt: skip
_FIRST = {
    "vote": "test_vote.py",
    "rate": "test_conditions.py",
    "spread": "test_conditions.py",
    "channel": "test_channel.py",
    "row": "test_logic.py",
    "latch": "test_logic.py",
    "permissive": "test_permissive.py",
    "handover": "test_handover.py",
    "maintenance": "test_handover.py",
    "turn": "test_logic.py",
    "logic": "test_logic.py",
    "happenings": "test_happenings.py",
}
"""What decides: any test of the decisions may notice, this one most likely does."""
_SHELL = {
    "degradation": ("test_conditions.py",),
    "scan": ("test_scan.py", "test_process.py", "test_maintenance_process.py"),
    "output": ("test_output.py", "test_process.py", "test_maintenance_process.py"),
    "asking": ("test_asking.py", "test_maintenance_process.py"),
    "intake": ("test_reading.py", "test_process.py"),
    "desk": ("test_reading.py", "test_operations.py"),
    "journal": ("test_journal.py", "test_process.py", "test_maintenance_process.py"),
    "ring": ("test_ring.py", "test_journal.py"),
    "announcer": ("test_announcer.py", "test_process.py", "test_window.py"),
    "operations": (
        "test_operations.py", "test_asked.py", "test_maintenance_process.py",
    ),
    "status": ("test_status.py", "test_handover.py", "test_window.py"),
    "tags": ("test_tags.py", "test_window.py"),
    "quiet": ("test_quiet.py",),
    "realtime": ("test_realtime.py",),
    "process": (
        "test_wiring.py", "test_process.py", "test_maintenance_process.py",
        "test_window.py", "test_asked.py",
    ),
}  # fmt: skip
"""What brings the decisions time, readings and somewhere to write."""

SUITES: dict[str, tuple[str, ...]] = {
    **{
        module: (first, *(each for each in _DECISIONS if each != first))
        for module, first in _FIRST.items()
    },
    **_SHELL,
}
"""Of each module, its test files, the sharpest first."""
LEFT_OUT = {
    "__init__": "a docstring",
    "claim": "words and a table for people; there is nothing that could be changed",
    "proof": (
        "the prover runs beside the stop, never in it; that it finds what is wrong is"
        " shown by bugs sown into the decisions (`test_seeded_bugs.py`)"
    ),
}
"""What is not mutated, and why."""


def modules() -> set[str]:
    """Return every module and package of safety."""
    found = {each.stem for each in SAFETY.glob("*.py")}
    return found | {each.parent.name for each in SAFETY.glob("*/__init__.py")}
