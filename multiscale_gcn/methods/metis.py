"""Clusters from METIS."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import util
from typing import Any, ClassVar

import numpy as np

from multiscale_gcn.backends import BackendUnavailable
from multiscale_gcn.checks.arguments import flag, real_number, whole_number
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.methods.method import ClusteringMethod, by_first_member

LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class MetisPartition(ClusteringMethod):
    """Parts of METIS, k-way: few edges between them, about equally heavy.

    Every level is a partition of the one before into exactly as many parts as the next of the
    ``sizes`` says, so there are no levels in between. Self loops take no part. Parts need not be
    connected. Needs pymetis: ``pip install 'multiscale-gcn[metis]'``.

    METIS is made for parts of many nodes. Where they have few, it may leave some empty; then an
    error says so.

    Parameters
    ----------
    seed : int
        Of METIS's random choices, 0 to 2**31 - 1. The result is reproducible with the same
        version of METIS; no other promise is made.
    imbalance : float
        By how much the heaviest part may exceed the mean. METIS's own default of 0.03 cuts many
        more edges where parts have few nodes.
    recursive : bool
        Bisect again and again instead of partitioning k-way; it leaves parts empty less often.
    scale : float, optional
        METIS takes integer weights only. With a scale edge and node weights are multiplied by it
        and rounded, to 1 at least; without one other weights are refused.

    Raises
    ------
    ValueError
        For a value that an option does not take; when it is run, for weights that are no integers
        and for parts that METIS left empty.
    BackendUnavailable
        When it is run, without pymetis.

    See Also
    --------
    HeavyEdgeMatching : the default: pairs by the heaviest edges
    CentroidalClusters : compact clusters of equal area
    LocalVariation : keeps the spectrum (Loukas 2019)

    Notes
    -----
    Source: Karypis and Kumar, "Multilevel k-way partitioning scheme for irregular graphs",
    Journal of Parallel and Distributed Computing 48(1), 1998.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import MetisPartition, coarsen
    >>> hierarchy = coarsen(nx.grid_2d_graph(20, 20), sizes=[20, 5], method=MetisPartition())
    >>> hierarchy.sizes
    (400, 20, 5)
    """

    seed: int = 0
    imbalance: float = 0.2
    recursive: bool = False
    scale: float | None = None

    needs_sizes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", 0, LARGEST_SEED))
        if not 0.001 <= real_number(self.imbalance, "imbalance", finite=False) <= 10:
            raise ValueError(f"imbalance = {self.imbalance} lies outside 0.001 ... 10")
        object.__setattr__(self, "recursive", flag(self.recursive, "recursive"))
        if self.scale is not None:
            real_number(self.scale, "scale", above=0)

    def prepared(self, graph: Graph) -> MetisPartition:
        _pymetis()
        return self

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        assert max_merges is not None
        n = graph.num_nodes
        num_parts = n - int(max_merges[0])
        if num_parts == 1:
            return np.zeros(n, dtype=np.int64)
        between = graph.rows() != graph.indices
        indptr = np.concatenate([[0], np.cumsum(between)])[graph.indptr]
        pymetis = _pymetis()
        result = pymetis.part_graph(
            num_parts,
            adjacency=pymetis.CSRAdjacency(indptr, graph.indices[between].astype(np.int64)),
            eweights=self._integers(graph.weights, "edge", graph, between),
            vweights=self._integers(graph.node_weights, "node", graph, np.ones(n, bool)),
            recursive=self.recursive,
            options=pymetis.Options(seed=self.seed, ufactor=round(1000 * self.imbalance)),
        )
        parts = np.array(result.vertex_part)
        filled = len(np.unique(parts))
        if filled < num_parts:
            raise ValueError(
                f"METIS left {num_parts - filled} of {num_parts} parts of a graph of {n} nodes "
                "empty; ask for fewer, try recursive=True or another seed, or take "
                "HeavyEdgeMatching, which reaches every size"
            )
        return by_first_member(parts)

    def _integers(
        self, values: np.ndarray, what: str, graph: Graph, chosen: np.ndarray
    ) -> np.ndarray:
        scaled = values if self.scale is None else np.maximum(np.rint(values * self.scale), 1.0)
        wrong = np.flatnonzero((scaled != np.rint(scaled)) & chosen)
        if len(wrong):
            at = int(wrong[0])
            place = (int(graph.rows()[at]), int(graph.indices[at])) if what == "edge" else at
            raise ValueError(
                f"the weight of {what} {place} is {values[at]}, and METIS takes integers only; "
                "MetisPartition(scale=...) multiplies and rounds"
            )
        if scaled[chosen].sum() >= 2.0**53:
            raise ValueError(
                f"the weights of {what}s add up to {scaled[chosen].sum():.3g}, too much for METIS; "
                "MetisPartition(scale=...) makes them smaller"
            )
        integers: np.ndarray = scaled[chosen].astype(np.int64)
        return integers


def _pymetis() -> Any:
    if util.find_spec("pymetis") is None:
        raise BackendUnavailable(
            "MetisPartition needs pymetis; pip install 'multiscale-gcn[metis]'"
        )
    import pymetis

    return pymetis
