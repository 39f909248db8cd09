"""The development halves as exports: files without labels, and the labels apart."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SKAB_TRAIN_ROWS = 400
TEP_TRAIN_ROWS, TEP_FAULT_ROW, TEP_PERIOD_S = 500, 160, 180
NAB_TRAIN_FRACTION, NAB_TRAIN_ROWS = 0.15, 750
HIDDEN_FAULTS = ("03", "09", "15")
"""Of the Tennessee Eastman process: hardly visible, usually left out."""

_LABELS = ("anomaly", "changepoint")


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One file: times, sensor values [rows, sensors], and labels by row."""

    time_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    anomaly: NDArray[np.bool_]
    changepoint: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What a backtest wrote of a file's rows."""

    anomaly: NDArray[np.bool_]
    alarm: NDArray[np.bool_]
    changepoint: NDArray[np.bool_]


def skab(folder: Path) -> Mapping[str, Labelled]:
    """Read SKAB's files with faults, by their path below `folder`."""
    paths = sorted(folder.glob("[!a]*/*.csv"))
    return {str(path.relative_to(folder)): _skab_file(path) for path in paths}


def _skab_file(path: Path) -> Labelled:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file, delimiter=";")
    sensors = [i for i, name in enumerate(header) if i and name not in _LABELS]
    anomaly, changepoint = (header.index(name) for name in _LABELS)
    return Labelled(
        _times([row[0] for row in rows]),
        np.array([[float(row[i]) for i in sensors] for row in rows]),
        np.array([float(row[anomaly]) > 0.0 for row in rows]),
        np.array([float(row[changepoint]) > 0.0 for row in rows]),
    )


def tep(folder: Path, exports: Path) -> Mapping[str, Labelled]:
    """Write each test run behind the training run as an export; return the labels."""
    training = np.loadtxt(folder / "d00.dat")
    training = training.T if training.shape[0] < training.shape[1] else training
    found: dict[str, Labelled] = {}
    for path in sorted(folder.glob("d*_te.dat")):
        name, run = path.name[1:3], np.loadtxt(path)
        values = np.vstack((training, run))
        faulty = np.zeros(len(values), dtype=bool)
        if name != "00":
            faulty[len(training) + TEP_FAULT_ROW :] = True
        time_ns = 1_000_000_000 * TEP_PERIOD_S * np.arange(len(values))
        _write_export(exports / f"{name}.csv", time_ns, values)
        none = np.zeros(len(values), dtype=bool)
        found[f"{name}.csv"] = Labelled(time_ns, values, faulty, none)
    return found


def _write_export(path: Path, time_ns: NDArray[np.int64], values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", *(f"sensor {i + 1}" for i in range(values.shape[1]))])
        for at_ns, row in zip(time_ns.tolist(), values.tolist(), strict=True):
            at_s = 1_700_000_000 + at_ns // 1_000_000_000
            writer.writerow([at_s, *row])


def nab(folder: Path) -> Mapping[str, tuple[int, list[tuple[int, int]]]]:
    """Return, by file, how many rows it has and the rows of its labelled windows."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    found = {}
    for path in sorted((folder / "data").glob("*/*.csv")):
        name = str(path.relative_to(folder / "data"))
        with path.open(newline="") as file:
            times = _times([row[0] for row in list(csv.reader(file))[1:]])
        windows = [
            (int(np.searchsorted(times, begin)), int(np.searchsorted(times, end)))
            for begin, end in (_times(pair) for pair in labels[name])
        ]
        found[name] = len(times), windows
    return found


def said(path: Path, rows: int) -> Said:
    """Read what a backtest wrote; rows it does not speak of come first, and are 0."""
    with path.open(newline="") as file:
        told = list(csv.DictReader(file))
    columns = []
    for name in ("anomaly", "alarm", "changepoint"):
        column = np.zeros(rows, dtype=bool)
        column[rows - len(told) :] = [row[name] == "1" for row in told]
        columns.append(column)
    return Said(*columns)


def _times(texts: Sequence[str]) -> NDArray[np.int64]:
    moments = [datetime.fromisoformat(text).isoformat() for text in texts]
    return np.array(moments, dtype="datetime64[ns]").astype(np.int64)
