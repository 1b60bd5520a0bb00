"""Several methods on one graph, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from multiscale_gcn.backends import BackendUnavailable
from multiscale_gcn.checks.arguments import instance, items, whole_numbers
from multiscale_gcn.coarsening import CoarseningStalled, coarsen
from multiscale_gcn.convert import as_graph
from multiscale_gcn.methods.method import ClusteringMethod
from multiscale_gcn.quality import Comparison, Quality, assess

MOST_SIZES = 1000


def compare(
    graph: Any,
    methods: Iterable[ClusteringMethod] | Mapping[str, ClusteringMethod],
    *,
    sizes: Iterable[int],
    k: int = 10,
    backend: str = "auto",
) -> Comparison:
    """Coarsen a graph by several methods and measure what each keeps.

    Parameters
    ----------
    graph
        Anything that :func:`~multiscale_gcn.as_graph` takes.
    methods : iterable of ClusteringMethod, or mapping of names to them
    sizes : iterable of int
        Numbers of nodes at which they are compared.
    k : int
        Number of eigenvalues that the spectral figures look at.
    backend : str
        See :func:`~multiscale_gcn.select_backend`.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, CoarseningStalled, BackendUnavailable
        What came first, if nothing succeeds. Otherwise the ``note`` of a row says why it did not.

    See Also
    --------
    assess : what the levels keep, in numbers
    plot_comparison : a picture of a comparison
    multiscale_gcn.quality.Comparison : what compare answers

    Notes
    -----
    Every size is reached on its own, so that its row does not depend on the other sizes.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import DefferrardMatching, HeavyEdgeMatching, compare
    >>> methods = {"HEM": HeavyEdgeMatching(), "Defferrard": DefferrardMatching()}
    >>> table = compare(nx.grid_2d_graph(10, 10), methods, sizes=[50])
    >>> [(row["method"], row["nodes"], row["matched"] > 0.2) for row in table.rows]
    [('HEM', 50, True), ('Defferrard', 50, True)]
    """
    graph = as_graph(graph)
    wanted = sorted(whole_numbers(sizes, "sizes", most=MOST_SIZES), reverse=True)
    named = _named(methods)
    if not named or not wanted:
        empty = "sizes" if named else "methods"
        raise ValueError(f"{empty} is empty; name at least one")
    rows: list[dict[str, Any]] = []
    failures: list[Exception] = []
    for size in wanted:
        for name, method in named.items():
            try:
                hierarchy = coarsen(graph, sizes=[size], method=method, backend=backend)
            except (ValueError, CoarseningStalled, BackendUnavailable) as error:
                failures.append(error)
                missing = dict.fromkeys(field.name for field in fields(Quality))
                rows.append({"method": name, **missing, "nodes": size, "note": str(error)})
                continue
            quality = assess(hierarchy, 0, hierarchy.level(size).index, k=k)
            rows.append({"method": name, **vars(quality)})
    if len(failures) == len(rows):
        raise failures[0]
    return Comparison(tuple(rows))


def _named(
    methods: Iterable[ClusteringMethod] | Mapping[str, ClusteringMethod],
) -> dict[str, ClusteringMethod]:
    named = dict(methods) if isinstance(methods, Mapping) else {}
    listed = list(named.values()) if named else list(items(methods, "methods"))
    for k, method in enumerate(listed):
        instance(method, f"methods[{k}]", ClusteringMethod, "HeavyEdgeMatching() is one")
    if isinstance(methods, Mapping):
        return named
    short = [type(method).__name__ for method in listed]
    return {
        name if short.count(name) == 1 else method.describe(): method
        for name, method in zip(short, listed, strict=True)
    }
