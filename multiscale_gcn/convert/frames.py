"""Frames of edges to a graph."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.convert.arrays import from_pairs
from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.named_ends import ends_among, numbered, weight_among
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.values import asking, has


def is_frame(source: Any) -> bool:
    return _is_planned(source) or has(source, "columns", "dtypes") or _is_of_arrow(source)


def _is_planned(source: Any) -> bool:
    """Whether it is a lazy frame of polars, which warns when it is asked for its columns."""
    return has(source, "collect_schema", "collect")


def _is_of_arrow(source: Any) -> bool:
    """Whether it is a table, or what gives one, that tells its columns by Arrow's interface.

    Such are the tables of pyarrow and the relations of DuckDB. A single column is none.
    """
    gives = has(source, "__arrow_c_stream__") or has(source, "__arrow_c_array__")
    return gives and (has(source, "columns") or has(source, "schema"))


class Columns:
    """A table of pyarrow as the frame that it stands for."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.columns = table.column_names

    def __getitem__(self, name: str) -> Any:
        return self.table[name].to_numpy()


def _in_memory(source: Any) -> Any:
    """The frame itself; of one that is only planned, or of Arrow's, one whose columns are there."""
    if _is_planned(source):
        with asking(source):
            return source.collect()
    if has(source, "__array__", "dtypes"):
        return source
    if has(source, "toPandas"):
        with asking(source):
            return source.toPandas()
    if not _is_of_arrow(source):
        return source
    arrow = library("pyarrow", f"reading a {type(source).__name__}", "tables")
    with asking(source):
        return Columns(arrow.table(source))


def from_frame(source: Any, options: Options) -> Entries:
    source = _in_memory(source)
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
    return np.array([float(v) if isinstance(v, Decimal) else v for v in array.tolist()])
