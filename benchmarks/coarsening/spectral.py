"""How well coarse graphs keep the spectrum, method by method.

    python -m benchmarks.coarsening.spectral [--loukas FOLDER]

The mean relative error of the 9 leading eigenvalues of the Laplacian beyond 0: ``eigenvalue_error``
of :func:`multiscale_gcn.assess`, which scales as the code of Loukas (JMLR 20(116), 2019) does. In
brackets, where a method did not stop at the size that was asked for, where it did. FOLDER is a
checkout of github.com/loukasa/graph-coarsening, which needs pygsp.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import networkx as nx
import numpy as np

from benchmarks.coarsening.graphs import delaunay
from multiscale_gcn import (
    ClusteringMethod,
    CoarseningStalled,
    DefferrardMatching,
    Graph,
    HeavyEdgeMatching,
    Hierarchy,
    LocalVariation,
    as_graph,
    assess,
    coarsen,
)

Result = tuple[float | None, int]
"""The error, and the number of nodes."""

GRAPHS: dict[str, tuple[Callable[[], object], tuple[int, ...]]] = {
    "lesmis": (nx.les_miserables_graph, (39, 24)),
    "karate": (nx.karate_club_graph, (17, 9)),
    "delaunay": (partial(delaunay, 1000), (500, 125)),
    "grid": (partial(nx.grid_2d_graph, 32, 32), (512, 128)),
    "ba-1": (partial(nx.barabasi_albert_graph, 1000, 1, seed=0), (500, 125)),
    "ba-4": (partial(nx.barabasi_albert_graph, 1000, 4, seed=0), (500, 125)),
}

METHODS: dict[str, ClusteringMethod] = {
    "two_hop=True": HeavyEdgeMatching(),
    "False": HeavyEdgeMatching(two_hop=False),
    '"auto"': HeavyEdgeMatching(two_hop="auto"),
    "Defferrard": DefferrardMatching(),
    "LocalVariation": LocalVariation(),
}
LOUKAS = {"Loukas: heavy_edge": "heavy_edge", "variation": "variation_neighborhoods"}


def ours(graph: Graph, size: int, method: ClusteringMethod) -> Result:
    try:
        hierarchy = coarsen(graph, sizes=[size], method=method)
    except CoarseningStalled as stalled:
        hierarchy = stalled.hierarchy
    return assess(hierarchy).eigenvalue_error, hierarchy.sizes[-1]


def theirs(graph: Graph, size: int, method: str) -> Result:
    from graph_coarsening.coarsening_utils import coarsen as reduce
    from pygsp.graphs import Graph as TheirGraph

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = reduce(
            TheirGraph(graph.to_scipy()), K=10, r=1 - size / graph.num_nodes, method=method
        )[0]
    parent = np.asarray(matrix.argmax(axis=0)).reshape(-1)
    hierarchy = Hierarchy.from_parents(graph, [parent])
    return assess(hierarchy).eigenvalue_error, hierarchy.sizes[-1]


def why_left_out(folder: str | None) -> str | None:
    """Makes their library importable, or says why it is not."""
    if folder is None:
        return "say --loukas FOLDER"
    sys.path.insert(0, folder)
    for name in ("pygsp", "graph_coarsening"):
        if importlib.util.find_spec(name) is None:
            return f"{name} cannot be imported"
    import scipy

    # Names that it uses, and NumPy and SciPy no longer have.
    for module, old, new in ((np, "int", int), (np, "float", float), (scipy, "newaxis", None)):
        if old not in vars(module):
            setattr(module, old, new)
    return None


def cell(result: Result, size: int) -> str:
    error, reached = result
    text = "-" if error is None else f"{error:.3f}"
    return text if reached == size else f"{text} ({reached})"


def main(graphs: Sequence[str] = tuple(GRAPHS), loukas: str | None = None) -> None:
    reason = why_left_out(loukas)
    if reason:
        print(f"left out: Loukas' library: {reason}")
    names = [*METHODS, *([] if reason else LOUKAS)]
    widths = [max(len(name), 12) for name in names]
    head = "  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True))
    print(f"{'graph':9}{'nodes':>6}{'to':>6}  {head}")
    for name in graphs:
        make, sizes = GRAPHS[name]
        graph = as_graph(make())
        for size in sizes:
            results = [ours(graph, size, method) for method in METHODS.values()]
            if not reason:
                results += [theirs(graph, size, method) for method in LOUKAS.values()]
            cells = [
                cell(result, size).rjust(width)
                for result, width in zip(results, widths, strict=True)
            ]
            print(f"{name:9}{graph.num_nodes:6}{size:6}  {'  '.join(cells)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("graphs", nargs="*", help=f"of {', '.join(GRAPHS)}; all by default")
    parser.add_argument("--loukas", help="a checkout of github.com/loukasa/graph-coarsening")
    options = parser.parse_args()
    main(options.graphs or list(GRAPHS), options.loukas)
