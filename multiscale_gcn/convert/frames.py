"""Frames of edges to a graph."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from multiscale_gcn.convert.arrays import from_pairs
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.named_ends import ends_among, numbered, weight_among
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import asking, has


def is_frame(source: Any) -> bool:
    return has(source, "columns", "dtypes")


def from_frame(source: Any, options: Options) -> Entries:
    with asking(source):
        known = [column for column in source.columns if isinstance(column, str)]
    ends, names = numbered({name: _column(source, name) for name in ends_among(known)})
    if names is not None and options.num_nodes is not None:
        raise ValueError(
            f"num_nodes = {options.num_nodes} does not go with columns of names, which say how "
            "many there are; leave it out"
        )
    weights = options.weights
    if isinstance(weights, str):
        weights = _column(source, weights)
    elif weights is None and (column := weight_among(known)) is not None:
        weights = _column(source, column)
    entries = from_pairs(
        np.stack(list(ends.values())), weights, options.num_nodes, "rows of the frame", **ends
    )
    return entries if names is None else replace(entries, names=names, counted_by_ids=False)


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
    if array.dtype != object or any(isinstance(value, str) for value in array):
        return array
    # Columns that may hold missing values come as objects even where none is missing.
    return np.array(array.tolist())
