"""Other coarseners, each behind one function; what is not installed is left out by name."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn import Graph

Run = Callable[[], object]


@dataclass(frozen=True)
class Peer:
    """A prepared run of another tool on one graph."""

    name: str
    run: Run
    """Takes the time that is measured, unless ``seconds`` reads it off the tool itself."""
    seconds: Callable[[object], float] | None = None


class LeftOut(Exception):
    """The tool does not run on this graph; the message says why."""


def one_level(graph: Graph) -> list[Peer]:
    """Tools that match and build one coarse graph."""
    makers = (_networkit_level, _graclus_level, _scotch_level, _pyamg_level)
    return _available(graph, makers)


def hierarchy(graph: Graph, min_nodes: int) -> list[Peer]:
    """Tools that coarsen until about ``min_nodes`` nodes are left."""
    return _available(
        graph,
        (
            lambda g: _networkit_hierarchy(g, min_nodes),
            lambda g: _metis_hierarchy(g, min_nodes),
        ),
    )


def _available(graph: Graph, makers: tuple[Callable[[Graph], Peer], ...]) -> list[Peer]:
    peers = []
    for make in makers:
        try:
            peers.append(make(graph))
        except (ImportError, LeftOut) as error:
            print(f"left out: {error}")
    return peers


def _networkit_graph(graph: Graph) -> Any:
    import networkit as nk

    matrix = graph.to_scipy().tocoo()
    once = matrix.row < matrix.col
    return nk.GraphFromCoo(
        (matrix.data[once], (matrix.row[once], matrix.col[once])),
        n=graph.num_nodes,
        weighted=True,
        directed=False,
    )


def _networkit_step(fine: Any) -> Any:
    import networkit as nk

    matching = nk.matching.SuitorMatcher(fine, False, False).run().getMatching()
    partition = matching.toPartition(fine)
    partition.setUpperBound(fine.numberOfNodes())
    return nk.coarsening.ParallelPartitionCoarsening(fine, partition).run().getCoarseGraph()


def _networkit_level(graph: Graph) -> Peer:
    fine = _networkit_graph(graph)
    return Peer("NetworKit, Suitor + PartitionCoarsening", lambda: _networkit_step(fine))


def _networkit_hierarchy(graph: Graph, min_nodes: int) -> Peer:
    fine = _networkit_graph(graph)

    def run() -> int:
        level = fine
        while level.numberOfNodes() > min_nodes:
            coarse = _networkit_step(level)
            if coarse.numberOfNodes() > 0.98 * level.numberOfNodes():
                break  # it has stalled
            coarse.removeSelfLoops()  # its matching refuses them
            level = coarse
        return int(level.numberOfNodes())

    return Peer("NetworKit, Suitor + PartitionCoarsening", run)


def _pyamg_level(graph: Graph) -> Peer:
    from pyamg.aggregation.aggregate import pairwise_aggregation

    matrix = graph.to_scipy()
    if matrix.nnz > 1e7:
        raise LeftOut("pyamg's pairwise aggregation, too slow for a graph of this size")
    matrix.data *= -1  # pyamg reads strong connections off negative entries
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)

    def run() -> object:
        prolongation = pairwise_aggregation(matrix, matchings=1)[0]
        return prolongation.T @ matrix @ prolongation

    return Peer("pyamg, pairwise aggregation + P'AP", run)


def _graclus_level(graph: Graph) -> Peer:
    import torch
    from torch_cluster import graclus_cluster
    from torch_geometric.nn.pool.consecutive import consecutive_cluster
    from torch_geometric.nn.pool.pool import pool_edge

    edge_index = torch.from_numpy(graph.edge_index())
    weight = torch.from_numpy(graph.weights.copy())

    def run() -> object:
        cluster = graclus_cluster(edge_index[0], edge_index[1], weight, graph.num_nodes)
        return pool_edge(consecutive_cluster(cluster)[0], edge_index, weight)

    return Peer("graclus (torch_cluster) + PyG pool_edge", run)


def _scotch_level(graph: Graph) -> Peer:
    import ctypes

    from scotchpy import common
    from scotchpy.graph import Graph as ScotchGraph

    if graph.num_entries > 1e7:
        raise LeftOut("Scotch, whose check of a graph of this size takes minutes")
    fine = ScotchGraph()
    fine.build(
        baseval=0,
        vertnbr=graph.num_nodes,
        verttab=graph.indptr.astype(common.proper_int),
        edgenbr=graph.num_entries,
        edgetab=graph.indices.astype(common.proper_int),
        edlotab=graph.weights.astype(common.proper_int),
    )
    pairs = np.empty(2 * graph.num_nodes, dtype=common.proper_int)

    def run() -> object:
        coarse = ScotchGraph()
        status = common.libscotch.SCOTCH_graphCoarsen(
            fine._grafptr,
            common.proper_int(1),
            ctypes.c_double(1.0),
            common.proper_int(0),
            coarse._grafptr,
            pairs.ctypes.data_as(ctypes.c_void_p),
        )
        if status:
            raise RuntimeError(f"SCOTCH_graphCoarsen answered {status}")
        return coarse

    return Peer("Scotch, graphCoarsen", run)


def _metis_hierarchy(graph: Graph, min_nodes: int) -> Peer:
    """METIS's own timer of its coarsening phase, when it cuts the graph in parts."""
    program = shutil.which("gpmetis")
    if program is None:
        raise LeftOut("gpmetis, the program of METIS, is not installed")
    folder = tempfile.mkdtemp()
    path = Path(folder) / "graph.metis"
    _write_metis(graph, path)

    def run() -> str:
        command = [program, "-dbglvl=2", "-nooutput", str(path), str(min_nodes)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def seconds(output: object) -> float:
        found = re.search(r"Coarsening:\s*([\d.]+)", str(output))
        if found is None:
            raise ValueError(f"gpmetis printed no time of its coarsening:\n{output}")
        return float(found[1])

    return Peer("METIS, its coarsening phase alone", run, seconds)


def _write_metis(graph: Graph, path: Path) -> None:
    weights = graph.weights.astype(np.int64)
    with path.open("w") as file:
        file.write(f"{graph.num_nodes} {graph.num_edges} 001\n")
        for u in range(graph.num_nodes):
            row = slice(graph.indptr[u], graph.indptr[u + 1])
            entries = np.stack([graph.indices[row].astype(np.int64) + 1, weights[row]], axis=1)
            file.write(" ".join(map(str, entries.ravel().tolist())) + "\n")
