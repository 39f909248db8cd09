from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.batch import judged
from appliance.domain.sample import quality_of_status
from appliance.domain.scaling import Scaling

UNCERTAIN = 0x4000_0000
BAD = 0x8031_0000


@given(
    st.lists(st.tuples(st.floats(), st.sampled_from([0, UNCERTAIN, BAD, 0xC000_0001]))),
    st.floats(allow_nan=False, max_value=0),
    st.floats(allow_nan=False, min_value=0),
)
def test_columns_are_judged_as_single_values_are(
    rows: list[tuple[float, int]], low: float, high: float
) -> None:
    value = np.array([row[0] for row in rows])
    given_status = np.array([row[1] for row in rows], dtype=np.uint32)
    quality, status = judged(value, given_status, low=low, high=high)
    assert quality.dtype == np.uint8
    assert status.dtype == np.uint32
    for at, (each, before) in enumerate(rows):
        _, judgement = Scaling(low=low, high=high).apply(each)
        expected = before if before >> 31 or not judgement else judgement
        assert int(status[at]) == expected
        assert int(quality[at]) == quality_of_status(expected)
