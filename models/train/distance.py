"""How far a row is from what is normal: PCA, T² and SPE in one number.

T² weighs what moves together as it usually does, SPE what does not (Jackson and
Mudholkar 1979). Both are joined in one quadratic form (Yue and Qin 2001), whose root
is the score: it grows in proportion to the deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

_ROWS_PER_COMPONENT = 5
_EXPLAINED = 0.9


class Distances(NamedTuple):
    """Per row: score, T² and SPE [n], contributions [n, features]."""

    score: FloatColumn
    t2: FloatColumn
    spe: FloatColumn
    contributions: FloatTable


@dataclass(frozen=True, slots=True, eq=False)
class DistanceModel:
    """A fitted scaler and PCA, the shrunk variances of its components, the weights.

    `t2_unit` and `spe_unit` make T² and SPE comparable; `limit` scales the score.
    """

    scaler: StandardScaler
    pca: PCA
    variance: FloatColumn
    t2_unit: float = 1.0
    spe_unit: float = 1.0
    limit: float = 1.0

    @property
    def form(self) -> FloatTable:
        """The symmetric root of the quadratic form: score = |(z - centre) · form|."""
        axes = self.pca.components_
        along = (axes.T / np.sqrt(self.variance * self.t2_unit)) @ axes
        across = (np.eye(axes.shape[1]) - axes.T @ axes) / np.sqrt(self.spe_unit)
        return np.asarray((along + across) / self.limit, dtype=np.float64)

    def parts(self, rows: FloatTable) -> tuple[FloatColumn, FloatColumn]:
        """Return T² and SPE through scikit-learn's own transformations."""
        scaled = self.scaler.transform(rows)
        placed = self.pca.transform(scaled)
        rest = scaled - self.pca.inverse_transform(placed)
        t2 = np.sum(placed * placed / self.variance, axis=1)
        return t2, np.sum(rest * rest, axis=1)

    def distances(self, rows: FloatTable) -> Distances:
        """Judge rows. The contributions are not negative and sum to score squared."""
        t2, spe = self.parts(rows)
        squared = (t2 / self.t2_unit + spe / self.spe_unit) / self.limit**2
        off = self.scaler.transform(rows) - self.pca.mean_
        return Distances(np.sqrt(squared), t2, spe, (off @ self.form) ** 2)


def fit_distance(rows: FloatTable, floor: FloatColumn) -> DistanceModel:
    """Fit on rows that are held to be normal; units and limit are still 1.

    As many components as explain nine tenths of the variance, but at most one per
    five rows; their variances are shrunk towards the mean (Ledoit and Wolf 2004).
    """
    scaler = StandardScaler().fit(rows)
    scaler.scale_ = np.maximum(np.sqrt(scaler.var_), np.maximum(floor, 1e-12))
    scaled = scaler.transform(rows)
    most = max(1, min(len(rows) // _ROWS_PER_COMPONENT, min(scaled.shape) - 1))
    trial = PCA(n_components=most, svd_solver="full").fit(scaled)
    wanted = np.searchsorted(np.cumsum(trial.explained_variance_ratio_), _EXPLAINED)
    pca = PCA(n_components=min(most, int(wanted) + 1), svd_solver="full").fit(scaled)
    shrinkage = float(ledoit_wolf_shrinkage(scaled))
    total = float(np.mean(np.var(scaled, axis=0)))
    variance = (1.0 - shrinkage) * pca.explained_variance_ + shrinkage * total
    return DistanceModel(scaler, pca, np.maximum(variance, 1e-6))
