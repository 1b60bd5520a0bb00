"""Levels that an engine makes in folders, held against those of memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn import coarsen
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import Rounding, round_weights
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel, level_folder
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.outofcore import LevelEngine, Task
from multiscale_gcn.outofcore.progress import Progress


def stored(folder: Path, graph: Graph, constraints: Constraints) -> StoredLevel:
    """The graph as the finest level in a folder."""
    exact, _ = round_weights(graph)
    assert exact.quantum is not None
    writer = LevelWriter(level_folder(folder, 0), exact.indices.dtype)
    writer.append(np.diff(exact.indptr), exact.indices, exact.weights)
    writer.close()
    writer.write_node_weights(exact.node_weights)
    return writer.finish(
        index=0, quantum=exact.quantum, constraints=constraints, rounding=Rounding(), asked={}
    )


def next_level(
    engine: LevelEngine,
    fine: StoredLevel,
    method: MatchingMethod,
    max_pairs: int | None = None,
    min_nodes: int | None = None,
) -> StoredLevel | None:
    """The level after this one; None, if there is none."""
    index = fine.meta.index + 1
    coarse = LevelWriter(level_folder(fine.folder.parent, index), fine.graph.indices.dtype)
    task = Task(method, max_pairs, min_nodes, 1 << 30, Progress(False))
    if not engine.step(fine, coarse, task):
        return None
    return coarse.finish(
        index=index,
        quantum=fine.meta.quantum,
        constraints=fine.constraints.coarsened(fine.parent()),
        rounding=Rounding(),
        asked={},
    )


def check_engine(engine: LevelEngine, graph: Graph, method: MatchingMethod, **options: Any) -> int:
    """Hold all levels against those of memory; returns how many there are.

    Options are those of ``coarsen``: sizes or levels, labels, survivors.
    """
    expected = coarsen(graph, method=method, **options)
    sizes = sorted(options.get("sizes", []), reverse=True)
    given = {name: options[name] for name in ("labels", "survivors") if name in options}
    with tempfile.TemporaryDirectory() as folder:
        level = stored(Path(folder), graph, Constraints.of(graph, **given))
        for k, wanted in enumerate(expected.levels[1:]):
            target = next((size for size in sizes if size < level.meta.num_nodes), None)
            room = None if target is None else level.meta.num_nodes - target
            coarse = next_level(engine, level, method, room)
            assert coarse is not None
            assert coarse.graph == wanted.graph
            assert np.array_equal(level.parent(), expected.parent(k, k + 1))
            for name, array in wanted.constraints.arrays().items():
                assert array is None or np.array_equal(getattr(coarse.constraints, name), array)
            level = coarse
    return len(expected)
