"""One definition of each feature, for training and for the edge (numpy only).

A window of one asset goes in, a vector of named numbers comes out. What could not
be measured is NaN, and stays NaN.
"""

from __future__ import annotations

from models.features.asset import AssetModel, Mode, Running, Window
from models.features.bearing import BearingGeometry, DefectFrequencies
from models.features.table import FeatureTable, TableError, read_table, write_table
from models.features.vector import (
    FEATURES_VERSION,
    MIN_COVERAGE,
    FeatureVector,
    feature_names,
    feature_vector,
    tag_of,
)

__all__ = [
    "FEATURES_VERSION",
    "MIN_COVERAGE",
    "AssetModel",
    "BearingGeometry",
    "DefectFrequencies",
    "FeatureTable",
    "FeatureVector",
    "Mode",
    "Running",
    "TableError",
    "Window",
    "feature_names",
    "feature_vector",
    "read_table",
    "tag_of",
    "write_table",
]
