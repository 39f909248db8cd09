"""What every detector must do; a new recipe adds its bundle to `RECIPES`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.inference.detector import BundleDetector, GoldenMismatchError
from models.bundle import BundleError, write_bundle
from models.features import FeatureTable, FeatureVector
from models.parts import AUTOENCODER, DEFAULT_PARTS, NEIGHBOURS
from models.train.learn import learn
from models.train.settings import TagSettings, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.domain.ports import Detector
    from models.bundle import Bundle

TAGS = ("P-1/speed", "P-1/current", "P-1/DE/vibration")
NAMES = tuple(f"{tag}:{each}" for tag in TAGS for each in ("mean", "std", "last"))
CENTRE = np.array([1480.0, 1.0, 1480.0, 38.0, 0.1, 38.0, 1.2, 0.05, 1.2])
SPREAD = np.array([2.0, 0.1, 3.0, 0.3, 0.02, 0.4, 0.05, 0.01, 0.06])


def table() -> FeatureTable:
    rng = np.random.default_rng(7)
    values = CENTRE + SPREAD * rng.normal(size=(60, len(NAMES)))
    time_ns = 1_800_000_000_000_000_000 + 1_000_000_000 * np.arange(60)
    return FeatureTable(NAMES, time_ns, values, np.ones_like(values))


def learned(*parts: str) -> Bundle:
    tags = tuple(TagSettings(tag, range_low=0, range_high=100) for tag in TAGS)
    told = TrainingSettings("P-1", tags, window_s=2.0, hop_s=1.0, parts=parts)
    return learn(table(), told)


RECIPES: dict[str, Callable[[], Bundle]] = {
    "pca": lambda: learned(*DEFAULT_PARTS),
    "ensemble": lambda: learned(*DEFAULT_PARTS, NEIGHBOURS, AUTOENCODER),
}


@pytest.fixture(scope="module", params=sorted(RECIPES))
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return RECIPES[request.param]()


@pytest.fixture(scope="module")
def detector(bundle: Bundle) -> BundleDetector:
    return BundleDetector(bundle)


def vector(values: np.ndarray, names: tuple[str, ...] = NAMES) -> FeatureVector:
    return FeatureVector(names, np.asarray(values, float), np.ones(len(names)))


def test_it_is_a_detector_of_the_domain(detector: BundleDetector) -> None:
    port: Detector = detector
    row = CENTRE[[NAMES.index(name) for name in detector.features]]
    assert port.score(row.tolist()) == detector.judge(vector(CENTRE)).score


def test_healthy_rows_are_within_the_limit(detector: BundleDetector) -> None:
    rng = np.random.default_rng(8)
    for _ in range(200):
        healthy = CENTRE + SPREAD * rng.normal(size=len(NAMES))
        assert not detector.judge(vector(healthy)).beyond_limit


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(NAMES) - 1), st.sampled_from([-1, 1]), st.floats(50.0, 500.0))
def test_higher_is_worse(
    detector: BundleDetector, feature: int, sign: int, far: float
) -> None:
    off = np.zeros(len(NAMES))
    off[feature] = sign * SPREAD[feature]
    near = detector.judge(vector(CENTRE + far * off)).score
    further = detector.judge(vector(CENTRE + 2 * far * off)).score
    assert further > near > detector.judge(vector(CENTRE)).score


def test_the_same_window_has_the_same_score(detector: BundleDetector) -> None:
    first, second = (detector.judge(vector(CENTRE + SPREAD)) for _ in range(2))
    assert first == second


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(len(NAMES))))
def test_the_order_of_features_is_irrelevant(
    detector: BundleDetector, order: list[int]
) -> None:
    row = CENTRE + 3 * SPREAD * np.arange(len(NAMES))
    shuffled = vector(row[order], tuple(NAMES[i] for i in order))
    assert detector.judge(shuffled) == detector.judge(vector(row))


def test_features_it_does_not_know_are_passed_over(detector: BundleDetector) -> None:
    wider = vector(np.append(CENTRE, np.nan), (*NAMES, "P-1/other:mean"))
    assert detector.judge(wider) == detector.judge(vector(CENTRE))


@pytest.mark.parametrize("place", range(len(NAMES)))
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_missing_feature_is_no_crash_and_no_score(
    detector: BundleDetector, place: int, value: float
) -> None:
    row = CENTRE.copy()
    row[place] = value
    verdict = detector.judge(vector(row))
    assert math.isnan(verdict.score)
    assert not verdict.beyond_limit
    assert verdict.cause == ""
    fewer = tuple(name for i, name in enumerate(NAMES) if i != place)
    assert math.isnan(detector.judge(vector(np.delete(CENTRE, place), fewer)).score)
    assert math.isnan(detector.score(row.tolist()))


def test_a_number_beyond_float32_is_no_score(detector: BundleDetector) -> None:
    row = CENTRE.copy()
    row[0] = 1e300
    assert math.isnan(detector.judge(vector(row)).score)


@pytest.mark.parametrize("tag", TAGS)
def test_the_cause_is_the_tag_that_moved(detector: BundleDetector, tag: str) -> None:
    row = CENTRE.copy()
    row[NAMES.index(f"{tag}:mean")] += 100 * SPREAD[NAMES.index(f"{tag}:mean")]
    verdict = detector.judge(vector(row))
    assert verdict.cause == tag
    assert verdict.share > 0.5
    assert sum(verdict.contributions.values()) == pytest.approx(1.0)
    assert set(verdict.contributions) == set(TAGS)


def test_a_bundle_from_disk_is_the_same_detector(
    tmp_path: Path, bundle: Bundle, detector: BundleDetector
) -> None:
    loaded = BundleDetector.load(write_bundle(tmp_path, bundle))
    assert (loaded.asset, loaded.version) == (detector.asset, detector.version)
    assert loaded.judge(vector(CENTRE)) == detector.judge(vector(CENTRE))


def test_a_bundle_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json"):
        BundleDetector.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["score", "detectors", "contributions", "shift"])
def test_a_graph_that_answers_otherwise_is_refused(bundle: Bundle, name: str) -> None:
    wrong = getattr(bundle.golden, name) * np.float32(1.001)
    other = replace(bundle, golden=replace(bundle.golden, **{name: wrong}))
    with pytest.raises(GoldenMismatchError, match=name):
        BundleDetector(other)


def test_a_graph_that_is_none_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"model\.onnx"):
        BundleDetector(replace(bundle, graph=b"rubbish"))


def test_a_graph_for_other_features_is_refused(bundle: Bundle) -> None:
    golden = bundle.golden
    fewer = replace(
        golden,
        features=golden.features[:, 1:],
        contributions=golden.contributions[:, 1:],
        shift=golden.shift[:, 1:],
    )
    manifest = msgspec.structs.replace(
        bundle.manifest, features=bundle.manifest.features[1:]
    )
    with pytest.raises(BundleError, match=r"model\.onnx"):
        BundleDetector(replace(bundle, manifest=manifest, golden=fewer))
