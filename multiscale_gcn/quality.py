"""How much of a graph its coarser levels keep, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from multiscale_gcn.checks.arguments import instance, whole_number
from multiscale_gcn.compiled.hashing import uniform
from multiscale_gcn.convert import to_networkx
from multiscale_gcn.graph.spectrum import (
    NEGLIGIBLE,
    components,
    laplacian,
    normalised,
    smallest_eigenpairs,
)
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.plotting import plot_comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLOSSOM = 300
"""Up to so many nodes :func:`assess` looks for the best matching, which takes cubic time."""


@dataclass(frozen=True)
class Quality:
    """What :func:`assess` says of one level. None: not defined, or not computed.

    Attributes
    ----------
    nodes : int
        Nodes of the coarse level.
    reduction : float
        Fine nodes for one coarse node.
    matched : float
        Share of the edge weight that lies inside the clusters, from 0 to 1.
    optimum : float or None
        Matched weight as a share of the best that any matching has; only for clusters of one or
        two nodes, in small graphs.
    cut : float
        Share of the edge weight between the clusters, 1 - ``matched``.
    balance : float
        Weight of the heaviest cluster over the mean; 1 is perfect.
    eigenvalue_error : float or None
        Mean of :func:`eigenvalue_errors`.
    epsilon : float
        :func:`restricted_spectral_similarity`.
    components : int
        Connected components of the coarse level.
    components_lost : int
        How many fewer these are than those of the fine level.
    disconnected : int
        :func:`disconnected_clusters`.
    note : str
        Why a figure is None; empty if there is nothing to say.

    See Also
    --------
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import assess, coarsen
    >>> assess(coarsen(nx.path_graph(6), levels=1)).matched
    0.6
    """

    nodes: int
    reduction: float
    matched: float
    optimum: float | None
    cut: float
    balance: float
    eigenvalue_error: float | None
    epsilon: float
    components: int
    components_lost: int
    disconnected: int
    note: str = ""


def assess(hierarchy: Hierarchy, fine: int = 0, coarse: int = -1, *, k: int = 10) -> Quality:
    """Measure one level of a hierarchy against a finer one.

    Parameters
    ----------
    hierarchy : Hierarchy
        ``Hierarchy.from_parents(graph, [parent])`` makes one of your own clusters.
    fine, coarse : int
        Indices of the levels.
    k : int
        Number of eigenvalues that the spectral figures look at, the first, 0, included.

    Returns
    -------
    Quality

    Raises
    ------
    ValueError
        If the finer graph has no nodes.
    IndexError
        If there is no such level.

    See Also
    --------
    compare : several methods side by side
    multiscale_gcn.quality.Quality : what assess answers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import assess, coarsen
    >>> quality = assess(coarsen(nx.cycle_graph(16), sizes=[8]))
    >>> quality.matched, quality.optimum, quality.balance
    (0.5, 1.0, 1.0)
    """
    _check(hierarchy)
    fine_graph, coarse_graph = hierarchy[fine].graph, hierarchy[coarse].graph
    if fine_graph.num_nodes == 0:
        raise ValueError("the graph has no nodes; there is nothing to measure")
    inner, between = matched_weight(hierarchy, fine, coarse), cut_weight(hierarchy, fine, coarse)
    total = inner + between
    pairs = np.bincount(hierarchy.parent(fine, coarse)).max() <= 2
    errors = eigenvalue_errors(hierarchy, fine, coarse, k=k)
    components_left = num_components(hierarchy, coarse)
    note = "" if len(errors) else "no eigenvalue beyond 0 is left to compare"
    return Quality(
        nodes=coarse_graph.num_nodes,
        reduction=fine_graph.num_nodes / coarse_graph.num_nodes,
        matched=inner / total if total else 0.0,
        optimum=optimum_ratio(hierarchy, fine, coarse)
        if pairs and total and fine_graph.num_nodes <= BLOSSOM
        else None,
        cut=between / total if total else 0.0,
        balance=float(coarse_graph.node_weights.max() / coarse_graph.node_weights.mean()),
        eigenvalue_error=float(errors.mean()) if len(errors) else None,
        epsilon=restricted_spectral_similarity(hierarchy, fine, coarse, k=k),
        components=components_left,
        components_lost=num_components(hierarchy, fine) - components_left,
        disconnected=disconnected_clusters(hierarchy, fine, coarse),
        note=note,
    )


def matched_weight(hierarchy: Hierarchy, fine: int = 0, coarse: int = -1) -> float:
    """Weight of the edges inside the clusters, each edge counted once, self loops not.

    See Also
    --------
    cut_weight : the weight between clusters
    optimum_ratio : the weight of the pairs over the most there could be
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.quality import cut_weight, matched_weight
    >>> hierarchy = coarsen(nx.path_graph(8), levels=1)
    >>> matched_weight(hierarchy), cut_weight(hierarchy)
    (4.0, 3.0)
    """
    return _weight(hierarchy, fine, coarse, inside=True)


def cut_weight(hierarchy: Hierarchy, fine: int = 0, coarse: int = -1) -> float:
    """Weight of the edges between different clusters, each edge counted once.

    See Also
    --------
    matched_weight : the weight of the pairs
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.quality import cut_weight
    >>> cut_weight(coarsen(nx.path_graph(6), levels=1))
    2.0
    """
    return _weight(hierarchy, fine, coarse, inside=False)


def _weight(hierarchy: Hierarchy, fine: int, coarse: int, inside: bool) -> float:
    _check(hierarchy)
    graph, parent = hierarchy[fine].graph, hierarchy.parent(fine, coarse)
    rows, columns = graph.rows(), graph.indices
    once = (rows < columns) & ((parent[rows] == parent[columns]) == inside)
    return float(graph.weights[once].sum())


def optimum_ratio(hierarchy: Hierarchy, fine: int = 0, coarse: int = -1) -> float:
    """Matched weight over that of the matching of maximum weight, which networkx finds.

    Raises
    ------
    ValueError
        If a cluster has more than two nodes, or there is no edge.

    See Also
    --------
    matched_weight : the weight of the pairs
    cut_weight : the weight between clusters
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.quality import optimum_ratio
    >>> optimum_ratio(coarsen(nx.path_graph(6), levels=1))
    1.0
    """
    import networkx as nx

    _check(hierarchy)
    sizes = np.bincount(hierarchy.parent(fine, coarse))
    if sizes.max(initial=0) > 2:
        raise ValueError(
            f"cluster {sizes.argmax()} has {sizes.max()} nodes; only matchings, of pairs, have an "
            "optimum to compare with"
        )
    graph = to_networkx(hierarchy[fine].graph)
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    best = sum(graph.edges[pair]["weight"] for pair in nx.max_weight_matching(graph))
    if best == 0:
        raise ValueError("the graph has no edges; there is no optimum to compare with")
    return matched_weight(hierarchy, fine, coarse) / float(best)


def eigenvalue_errors(
    hierarchy: Hierarchy, fine: int = 0, coarse: int = -1, *, k: int = 10
) -> np.ndarray:
    """Relative errors of the leading eigenvalues, (mu_i - lambda_i) / lambda_i for i up to k.

    lambda are the eigenvalues of the Laplacian L of the fine graph, mu those of Q^T L Q, where
    the columns of Q are the indicators of the clusters, scaled to unit norm. So mu_i is never
    smaller than lambda_i (Cauchy's interlacing theorem). Eigenvalues that are 0, one for each
    component, are left out; with several components k counts the first of them alone.

    Source: Loukas, "Graph reduction with spectral and cut guarantees", JMLR 20(116), 2019,
    section 5; scaled as in the code that accompanies it.

    Returns
    -------
    array of float64, shape (at most k - 1,)
        Fewer if the coarse graph has too few nodes; empty if no eigenvalue is left.

    See Also
    --------
    restricted_spectral_similarity : how far quadratic forms move
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.quality import eigenvalue_errors
    >>> eigenvalue_errors(coarsen(nx.path_graph(6), levels=1), k=3).round(2)
    array([0.87, 0.5 ])
    """
    import scipy.sparse as sp

    _check(hierarchy)
    L = laplacian(hierarchy[fine].graph)
    sizes = np.bincount(hierarchy.parent(fine, coarse))
    scale = sp.diags_array(1.0 / np.sqrt(sizes))
    reduced = sp.csr_array(scale @ laplacian(hierarchy[coarse].graph) @ scale)
    k = whole_number(k, "k", least=1)
    ours = smallest_eigenpairs(L, k - 1, zeros=False)[0]
    # Where components merged, the coarse level has eigenvalues in the place of zeros.
    lost = num_components(hierarchy, fine) - num_components(hierarchy, coarse)
    theirs = smallest_eigenpairs(reduced, k - 1 + lost, zeros=False)[0][lost:]
    used = min(len(ours), len(theirs))
    errors: np.ndarray = (theirs[:used] - ours[:used]) / ours[:used]
    return errors


def restricted_spectral_similarity(
    hierarchy: Hierarchy, fine: int = 0, coarse: int = -1, *, k: int = 10
) -> float:
    """Smallest epsilon with |x - x~|_L <= epsilon |x|_L for all x of the k leading eigenvectors.

    x~ is x taken to the coarse level, by means of means, and back, and |x|_L^2 = x^T L x. 0: the
    subspace is kept as it is; below 1 the coarse graph has spectral and cut guarantees for it;
    infinite, if something without energy, such as what tells components apart, gets some.

    Source: Loukas, "Graph reduction with spectral and cut guarantees", JMLR 20(116), 2019,
    definition of restricted spectral similarity.

    See Also
    --------
    eigenvalue_errors : how far eigenvalues move
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import Hierarchy
    >>> from multiscale_gcn.quality import restricted_spectral_similarity
    >>> twins = Hierarchy.from_parents(nx.complete_bipartite_graph(2, 2), [[0, 0, 1, 1]])
    >>> bool(restricted_spectral_similarity(twins, k=1) < 1e-6)
    True
    """
    _check(hierarchy)
    L = laplacian(hierarchy[fine].graph)
    U = smallest_eigenpairs(L, whole_number(k, "k", least=1) - 1, zeros=False)[1]
    back_and_forth = hierarchy.prolongation(coarse, fine) @ hierarchy.restriction(fine, coarse)
    part = components(L)
    apart = uniform(0, 0, np.arange(int(part.max(initial=-1)) + 1))[part]  # without energy
    lost = apart - back_and_forth @ apart
    if lost @ (L @ lost) > NEGLIGIBLE * 2.0 * float(L.diagonal().max(initial=0.0)):
        return float("inf")
    A = normalised(U, L)
    lost = A - back_and_forth @ A
    return float(np.sqrt(np.linalg.eigvalsh(lost.T @ (L @ lost)).max(initial=0.0)))


def disconnected_clusters(hierarchy: Hierarchy, fine: int = 0, coarse: int = -1) -> int:
    """Number of clusters that the edges inside them do not connect.

    Pairs of nodes that waited at the same neighbour, and isolated nodes that were paired, make
    such; ``HeavyEdgeMatching(two_hop=False, isolated="keep")`` makes none.

    See Also
    --------
    num_components : how many parts
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.quality import disconnected_clusters
    >>> disconnected_clusters(coarsen(nx.star_graph(4), levels=1))
    1
    """
    import scipy.sparse as sp

    _check(hierarchy)
    graph, parent = hierarchy[fine].graph, hierarchy.parent(fine, coarse)
    rows = graph.rows()
    inside = parent[rows] == parent[graph.indices]
    n = graph.num_nodes
    entries = (np.ones(int(inside.sum())), (rows[inside], graph.indices[inside]))
    piece = components(sp.csr_array(entries, shape=(n, n)))
    first = np.unique(piece, return_index=True)[1]  # a node of every connected piece
    return int((np.bincount(parent[first]) > 1).sum())


def num_components(hierarchy: Hierarchy, level: int = -1) -> int:
    """Number of connected components of a level.

    See Also
    --------
    disconnected_clusters : which clusters have several parts
    multiscale_gcn.assess : what the levels keep, in numbers

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.quality import num_components
    >>> num_components(coarsen(nx.path_graph(6), levels=1))
    1
    """
    _check(hierarchy)
    return int(components(hierarchy[level].graph.to_scipy()).max(initial=-1)) + 1


def _check(hierarchy: Hierarchy) -> None:
    instance(hierarchy, "hierarchy", Hierarchy, "coarsen(graph, ...) makes one")


@dataclass(frozen=True, repr=False)
class Comparison:
    """What :func:`compare` found; printed, it is the table.

    Attributes
    ----------
    rows : tuple of dict
        For every method and size the fields of :class:`Quality`, with ``method``, a name, and
        ``note``, which is empty or says why the method did not get there. ``pandas.DataFrame(
        comparison.rows)`` makes a frame of them.

    See Also
    --------
    multiscale_gcn.compare : several methods side by side
    multiscale_gcn.plot_comparison : a picture of a comparison

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import HeavyEdgeMatching, compare
    >>> comparison = compare(nx.path_graph(6), methods=[HeavyEdgeMatching()], sizes=[3])
    >>> comparison.rows[0]["matched"]
    0.6
    """

    rows: tuple[dict[str, Any], ...]

    def plot(self) -> Figure:
        """Draw the figures as bars, see :func:`~multiscale_gcn.plot_comparison`."""
        return plot_comparison(self)

    def __repr__(self) -> str:
        names = [*(name for name in self.rows[0] if name != "note")]
        cells = [[_cell(row[name]) for name in names] for row in self.rows]
        headings = [name.replace("_", " ") for name in names]
        widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in [headings, *cells]
        ]
        notes = (f"{r['method']}, {r['nodes']} nodes: {r['note']}" for r in self.rows if r["note"])
        return "\n".join([*lines, *notes])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
