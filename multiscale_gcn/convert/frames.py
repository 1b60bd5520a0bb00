"""Frames of edges to a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.convert.arrays import from_pairs
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import as_ids, asking, has


def is_frame(source: Any) -> bool:
    return has(source, "columns", "dtypes")


def from_frame(source: Any, options: Options) -> Entries:
    ends = {
        name: as_ids(_column(source, name), f"column {name!r}") for name in ("source", "target")
    }
    weights = options.weights
    if isinstance(weights, str):
        weights = _column(source, weights)
    elif weights is None and "weight" in source.columns:
        weights = _column(source, "weight")
    return from_pairs(
        np.stack(list(ends.values())), weights, options.num_nodes, "rows of the frame", **ends
    )


def _column(frame: Any, name: str) -> np.ndarray:
    with asking(frame):
        columns = list(frame.columns)
    if columns.count(name) != 1:
        many = "no" if name not in columns else f"{columns.count(name)} times the"
        raise ValueError(
            f"the frame has {many} column {name!r}, only {columns}; rename yours to source, target "
            "and weight, or pass frame.to_numpy() if it is a square matrix"
        )
    with asking(frame):
        array = np.asarray(frame[name])
    # Columns that may hold missing values come as objects even where none is missing.
    return np.array(array.tolist()) if array.dtype == object else array
