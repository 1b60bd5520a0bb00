"""The finest level: from files or from a graph in memory to a folder, with exact weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import (
    Rounding,
    multiples,
    quantum_of,
    refuse_largest,
    round_weights,
    warn_of_rounding,
)
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel
from multiscale_gcn.hierarchy.stored.arrays import release, writable
from multiscale_gcn.outofcore.files import EdgeFiles
from multiscale_gcn.outofcore.progress import Progress
from multiscale_gcn.outofcore.reading import EdgeReader
from multiscale_gcn.outofcore.sorting import Sorted, sort_edges

SHARE = 80
"""One of so many bytes of the memory is for an entry that is sorted: it is there three times."""
OF_DUCKDB = 3
"""One of so many bytes of the memory is DuckDB's, while it reads."""
PART = 1 << 20
"""Weights that are rounded at a time."""


def read_finest(
    source: EdgeFiles,
    folder: Path,
    memory: int,
    constraints_of: Callable[[int], Constraints],
    asked: Mapping[str, Any],
    progress: Progress,
    entries: int | None = None,
) -> StoredLevel:
    """Write the finest level of what stands in files.

    Parameters
    ----------
    source : EdgeFiles
    folder : Path
        Of the level.
    memory : int
        Bytes that may be taken.
    constraints_of : callable
        Gives the constraints of so many nodes.
    asked : dict
        For ``meta.json``.
    progress : Progress
    entries : int, optional
        That are sorted at a time; by default what the memory has room for.
    """
    with (
        TemporaryDirectory(dir=folder.parent, prefix="level-reading-") as work,
        closing(EdgeReader(source, memory // OF_DUCKDB, Path(work))) as reader,
    ):
        constraints = constraints_of(reader.num_nodes)
        with LevelWriter(folder, LevelWriter.id_type_of(reader.num_nodes)) as level:
            found = sort_edges(
                reader,
                source.symmetrize,  # type: ignore[arg-type]
                level,
                entries or max(memory // SHARE, 1),
                progress,
            )
            node_weights = reader.node_weights()
            level.write_node_weights(
                np.ones(reader.num_nodes) if node_weights is None else node_weights
            )
            reader.write_names(level.nodes / "ids.parquet")
            quantum, edges, most = _round(level, "weights", found)
            _, nodes, most_of_nodes = _round(level, "node_weights", None)
            rounding = Rounding(edges, nodes, max(most, most_of_nodes))
            return _finished(level, quantum, constraints, rounding, asked, progress)


def write_finest(
    graph: Graph,
    folder: Path,
    constraints: Constraints,
    asked: Mapping[str, Any],
    progress: Progress,
) -> StoredLevel:
    """Write the finest level of a graph in memory."""
    exact, rounding = round_weights(graph)
    assert exact.quantum is not None
    with LevelWriter(folder, exact.indices.dtype) as level:
        level.append(np.diff(exact.indptr), exact.indices, exact.weights)
        level.close()
        level.write_node_weights(exact.node_weights)
        if exact.names is not None:
            level.write_names(exact.names)
        return _finished(level, exact.quantum, constraints, rounding, asked, progress)


def _finished(
    level: LevelWriter,
    quantum: float,
    constraints: Constraints,
    rounding: Rounding,
    asked: Mapping[str, Any],
    progress: Progress,
) -> StoredLevel:
    warn_of_rounding(rounding)
    progress.say(
        f"rounding changed {rounding.edge_weights} entries and {rounding.node_weights} node "
        f"weights, by at most {rounding.largest_relative_change:.2g} of themselves"
    )
    return level.finish(
        index=0, quantum=quantum, constraints=constraints, rounding=rounding, asked=asked
    )


def _round(level: LevelWriter, name: str, known: Sorted | None) -> tuple[float, int, float]:
    """Make the weights in a file exact, as ``round_weights`` does; returns their quantum, how many
    changed, and the largest relative change."""
    values = writable((level.edges if name == "weights" else level.nodes) / "weights.npy")
    if len(values) == 0:
        return 1.0, 0, 0.0
    top = float(values.max()) if known is None else known.largest
    refuse_largest(values, top, name)
    quantum = quantum_of(len(values), top)
    if known is not None and known.whole and quantum <= 1.0:
        return quantum, 0, 0.0
    changed, most = 0, 0.0
    for begin in range(0, len(values), PART):
        part = values[begin : begin + PART]
        rounded = multiples(part, quantum)
        at = rounded != part
        if at.any():
            changed += int(at.sum())
            most = max(most, float(np.max(np.abs(rounded[at] - part[at]) / part[at])))
            part[at] = rounded[at]
            level.changed(name)
        if begin % (PART * 64) == 0:
            release(values)
    release(values)
    return quantum, changed, most
