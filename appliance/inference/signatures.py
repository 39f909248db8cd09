"""The table of signatures: what each fault shows, and what speaks against it.

Data alone; `diagnosis` reads it. A ramp says from which value of a symptom on it proves
anything, and where it proves all; it falls where the second is the lower one. The
numbers are physics and the noise of the measures, not fits to labelled records: in an
envelope spectrum of noise 99 of 100 sought lines stay below 8 dB, and a process value
that has left three and a half of its usual spreads is not in its usual place.
"""

from __future__ import annotations

from appliance.inference.evidence import Evidence, Signature

_AT = "running speed {speed_rpm:.0f} rpm"
_IMPULSIVE = Evidence("kurtosis", 3.3, 5.0, "impulsive (kurtosis {kurtosis:.1f})")
_BLOWS = Evidence("blows_db", 10.0, 15.0)


def _line(place: str, name: str) -> tuple[Evidence, Evidence]:
    """Return the needs of a bearing's line: it stands, and no other stands higher."""
    words = (
        f"{name} line {{{place}_db:.0f}} dB over its surroundings at "
        f"{{{place}_hz:.1f}} Hz, {_AT}"
    )
    return (
        Evidence(f"{place}_db", 8.0, 13.0, words),
        Evidence(f"{place}_lead_db", 0.0, 3.0),
    )


def _up(symptom: str, words: str) -> tuple[Evidence, Evidence]:
    """Return the needs of a process value that is unusually high."""
    return (
        Evidence(f"{symptom}_z", 3.5, 8.0),
        Evidence(f"{symptom}_pct", 1.0, 4.0, words),
    )


def _down(symptom: str, words: str) -> tuple[Evidence, Evidence]:
    """Return the needs of a process value that is unusually low."""
    return (
        Evidence(f"{symptom}_z", -3.5, -8.0),
        Evidence(f"{symptom}_pct", -1.0, -4.0, words),
    )


_SUCTION_LOW = _down(
    "suction_pressure",
    "suction pressure {suction_pressure:.2f}, usually {suction_pressure_usual:.2f}",
)
_DISCHARGE_LOW = _down(
    "discharge_pressure",
    "discharge pressure {discharge_pressure:.2f}, "
    "usually {discharge_pressure_usual:.2f}",
)
_FLOW_LOW = _down("flow", "flow {flow:.1f}, usually {flow_usual:.1f}")

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        "outer_race",
        needs=_line("outer", "BPFO"),
        supports=(_IMPULSIVE,),
        against=(Evidence("outer_sides_db", 14.0, 22.0),),
    ),
    Signature(
        "inner_race",
        needs=(
            *_line("inner", "BPFI"),
            Evidence(
                "inner_sides_db",
                2.0,
                6.0,
                "with side-bands at the shaft's {shaft_hz:.1f} Hz",
            ),
        ),
        supports=(_IMPULSIVE,),
    ),
    Signature(
        "rolling_element",
        needs=(
            *_line("element", "2 x BSF"),
            Evidence(
                "element_sides_db",
                3.0,
                7.0,
                "with side-bands at the cage's {ftf_hz:.1f} Hz",
            ),
        ),
        supports=(_IMPULSIVE,),
    ),
    Signature("cage", needs=_line("cage", "FTF"), supports=(_IMPULSIVE,)),
    Signature(
        "unknown_impacts",
        needs=(
            Evidence(
                "stranger_db",
                9.5,
                14.0,
                "impulsive, but at no frequency of this bearing: {stranger_hz:.1f} Hz "
                f"stands {{stranger_db:.0f}} dB over its surroundings, {_AT}; check "
                "the bearing's geometry",
            ),
            Evidence("stranger_lead_db", -1.0, 2.0),
        ),
    ),
    Signature(
        "unknown_impacts",
        needs=(
            Evidence(
                "kurtosis",
                5.0,
                9.0,
                "impulsive (kurtosis {kurtosis:.1f}), but at no frequency of this "
                "bearing: check its geometry, and for rubbing or electrical spikes",
            ),
            Evidence("bearing_db", 9.0, 6.0),
            Evidence("kurtosis_ratio", 1.3, 2.0),
        ),
    ),
    Signature(
        "cavitation",
        needs=(
            Evidence(
                "noise_m_s2_ratio",
                1.5,
                3.0,
                "broad-band noise {noise_m_s2_ratio:.1f} times its usual level",
            ),
        ),
        supports=(_SUCTION_LOW[1], _DISCHARGE_LOW[1]),
        against=(_BLOWS, Evidence("kurtosis", 6.0, 12.0)),
    ),
    Signature(
        "unbalance",
        needs=(
            Evidence(
                "one_x_up",
                1.4,
                2.2,
                "1x at {one_x_mm_s:.1f} mm/s, {one_x_up:.1f} times what is usual",
            ),
            Evidence(
                "one_share",
                0.45,
                0.7,
                "{one_share_pct:.0f} % of the overall velocity turn with the shaft",
            ),
        ),
        against=(_BLOWS, Evidence("two_over_one", 0.7, 1.2)),
    ),
    Signature(
        "misalignment",
        needs=(
            Evidence(
                "two_x_up",
                1.5,
                2.5,
                "2x at {two_x_mm_s:.1f} mm/s, {two_x_up:.1f} times what is usual",
            ),
            Evidence(
                "two_over_one", 0.5, 0.9, "{two_over_one_pct:.0f} % of the line at 1x"
            ),
        ),
        supports=(Evidence("three_x_mm_s_ratio", 1.3, 2.0, "3x has grown, too"),),
        against=(
            _BLOWS,
            Evidence("high_over_two", 1.0, 2.0),
            Evidence("half_over_all", 0.15, 0.35),
        ),
    ),
    Signature(
        "looseness",
        needs=(
            Evidence(
                "high_x_up",
                1.8,
                3.0,
                "the multiples from 4x on at {high_x_mm_s:.1f} mm/s, "
                "{high_x_up:.1f} times what is usual",
            ),
            Evidence("high_over_one", 0.3, 0.6),
        ),
        supports=(
            Evidence("half_over_all", 0.15, 0.35, "lines at half multiples as well"),
        ),
        against=(_BLOWS, Evidence("blade_over_high", 0.8, 0.95)),
    ),
    Signature(
        "gear_mesh",
        needs=(
            Evidence(
                "mesh_sides_up",
                1.6,
                3.0,
                "side-bands of the mesh at {mesh_hz:.0f} Hz are {mesh_sides_up:.1f} "
                "times what is usual",
            ),
            Evidence("sides_over_mesh", 0.2, 0.4),
        ),
        supports=(Evidence("mesh_mm_s_ratio", 1.3, 2.0, "the mesh itself has grown"),),
    ),
    Signature(
        "blade_pass",
        needs=(
            Evidence(
                "blade_mm_s_ratio",
                1.6,
                2.5,
                "the blades' line is {blade_mm_s_ratio:.1f} times its usual height",
            ),
        ),
        against=(_BLOWS, Evidence("half_over_all", 0.15, 0.35)),
    ),
    Signature(
        "suction_blocked",
        needs=_SUCTION_LOW,
        supports=(_FLOW_LOW[1], _DISCHARGE_LOW[1]),
        against=(Evidence("level_z", -4.0, -8.0), Evidence("flow_pct", 3.0, 8.0)),
    ),
    Signature(
        "discharge_blocked",
        needs=(
            *_FLOW_LOW,
            *_up(
                "discharge_pressure",
                "discharge pressure {discharge_pressure:.2f}, "
                "usually {discharge_pressure_usual:.2f}",
            ),
        ),
        supports=(
            Evidence(
                "current_pct",
                -1.0,
                -5.0,
                "current {current:.1f}, usually {current_usual:.1f}",
            ),
        ),
        against=(_SUCTION_LOW[1], Evidence("valve_z", -4.0, -10.0)),
    ),
    Signature(
        "worn_ring",
        needs=(*_DISCHARGE_LOW, Evidence("flow_z", -0.5, -2.5, _FLOW_LOW[1].words)),
        supports=(
            Evidence(
                "current_pct",
                0.5,
                3.0,
                "current {current:.1f}, usually {current_usual:.1f}",
            ),
        ),
        against=(
            _SUCTION_LOW[1],
            Evidence("noise_m_s2_ratio", 1.5, 3.0),
            Evidence("speed_rpm_pct", -1.0, -3.0),
            Evidence("level_z", -4.0, -8.0),
        ),
    ),
    Signature(
        "seal_leak",
        needs=(
            Evidence("level_z", -3.5, -8.0),
            Evidence(
                "level_pct",
                -0.3,
                -1.5,
                "level {level:.1f}, usually {level_usual:.1f}, and falling",
            ),
            Evidence("flow_z", 2.0, 0.0, "flow {flow:.1f}, usually {flow_usual:.1f}"),
        ),
    ),
    Signature(
        "cooling_blocked",
        needs=_up(
            "winding_temperature",
            "winding at {winding_temperature:.0f} degC, usually "
            "{winding_temperature_usual:.0f} degC, at no more current",
        ),
        against=(Evidence("current_pct", 3.0, 8.0),),
    ),
    Signature(
        "lubrication",
        needs=_up(
            "bearing_temperature",
            "bearing at {bearing_temperature:.0f} degC, usually "
            "{bearing_temperature_usual:.0f} degC, and no line of damage",
        ),
        against=(
            _BLOWS,
            Evidence("current_pct", 3.0, 8.0),
            Evidence("two_x_mm_s_ratio", 1.5, 2.5),
        ),
    ),
)
