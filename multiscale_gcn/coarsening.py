"""Step by step from a graph to its hierarchy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.arguments import whole_number
from multiscale_gcn.backends import select_backend
from multiscale_gcn.clustering import ClusteringMethod, by_first_member
from multiscale_gcn.constraints import Constraints
from multiscale_gcn.contraction import galerkin_product, valid_parents
from multiscale_gcn.convert import as_graph
from multiscale_gcn.exact import Rounding, round_weights
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy, Level
from multiscale_gcn.matching import HeavyEdgeMatching, MatchingMethod
from multiscale_gcn.matching.refusals import rates_on_device


class CoarseningStalled(RuntimeError):
    """No two nodes may merge any more, and the size that was asked for is not reached.

    Attributes
    ----------
    hierarchy : Hierarchy
        What was reached.
    """

    def __init__(self, message: str, hierarchy: Hierarchy) -> None:
        super().__init__(message)
        self.hierarchy = hierarchy

    def __reduce__(self) -> tuple[Any, ...]:  # else it could not come back from a worker process
        return type(self), (str(self), self.hierarchy)


def coarsen(
    graph: Any,
    *,
    sizes: Iterable[int] | None = None,
    levels: int | None = None,
    min_nodes: int | None = None,
    method: ClusteringMethod | None = None,
    labels: ArrayLike | None = None,
    survivors: ArrayLike | None = None,
    symmetry: ArrayLike | None = None,
    batch: ArrayLike | None = None,
    backend: str = "auto",
) -> Hierarchy:
    """Coarsen a graph to a hierarchy, step by step.

    Say how far with ``sizes``, or with ``levels``, ``min_nodes`` or both of these, whichever
    comes first.

    Parameters
    ----------
    graph
        Anything that :func:`~multiscale_gcn.as_graph` takes. Its weights are made exact first,
        see :func:`~multiscale_gcn.round_weights`; ``hierarchy.rounding`` tells what that changed.
    sizes : iterable of int, optional
        Numbers of nodes that levels must have exactly. A step that would overshoot the next of
        them merges only as many nodes as it takes; matchings keep the pairs of the smallest
        merged node weight. The levels in between are kept too.
    levels : int, optional
        Number of steps; fewer are taken where no two nodes may merge any more.
    min_nodes : int, optional
        No step is taken to fewer nodes.
    method : ClusteringMethod, optional
        ``HeavyEdgeMatching()`` by default, which rates edges by normalised cut and about halves
        the graph at every step.
    labels : array of int, shape (n,), optional
        Nodes with different labels never merge.
    survivors : array of bool, shape (n,), optional
        No two of these nodes merge with each other; others may join them. A label of its own
        keeps a node as it is.
    symmetry : array of int, shape (n,), optional
        Image of every node under an involution that maps the graph onto itself, such as
        left-right of a body. Every level is then symmetric: ``level.constraints.symmetry``.
    batch : array of int, shape (n,), optional
        Which graph of a batch each node belongs to, never decreasing. Each is coarsened as it
        would be alone, to the same ``sizes``, ``levels`` or ``min_nodes``; those that are done
        wait unchanged. ``hierarchy.members()`` takes them apart.
    backend : {"auto", "numba", "cupy", "python"}
        All return the same hierarchy, bit for bit. With ``"cupy"`` and heavy edge matching no
        level comes to the host before all are done, but those that ``sizes`` cuts short; under
        constraints with ``sizes``, in a batch with ``min_nodes``, and for ratings that are no
        formula of the edge and its ends all do.

    Returns
    -------
    Hierarchy

    Raises
    ------
    ValueError
        Before any work, if a size cannot be reached, for constraints that the method cannot
        honour, or for bad input.
    CoarseningStalled
        If constraints leave no pair before the sizes are reached. It carries the partial
        hierarchy.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> coarsen(nx.path_graph(100), sizes=[30, 10]).sizes
    (100, 50, 30, 17, 10)
    >>> coarsen(nx.path_graph(100), min_nodes=10).sizes
    (100, 50, 25, 13)

    The left and the right half of a path that is its own mirror image:

    >>> coarsen(nx.path_graph(8), levels=1, symmetry=range(7, -1, -1)).parent(0, 1).tolist()
    [0, 0, 1, 1, 2, 2, 3, 3]
    """
    method = HeavyEdgeMatching() if method is None else method
    if not isinstance(method, ClusteringMethod):
        raise TypeError(f"method must be a method such as HeavyEdgeMatching(), got {method!r}")
    description = method.describe()
    fine = as_graph(graph)
    constraints = Constraints.of(
        fine, labels=labels, survivors=survivors, symmetry=symmetry, batch=batch
    )
    method.check(constraints, sizes is not None)
    targets = _targets(fine, sizes, levels, min_nodes, method, constraints)
    fine, rounding = round_weights(fine, constraints.batch)
    # The host counts the nodes of a batch's members, and chooses among pairs under constraints.
    counted = targets is not None or (min_nodes is not None and constraints.batch is not None)
    if backend == "cupy" and rates_on_device(method) and not (counted and constraints):
        select_backend("cupy")
        return _coarsen_on_device(fine, method, rounding, constraints, levels, min_nodes, targets)
    method = method.prepared(fine)
    done: list[Level] = []

    def hierarchy() -> Hierarchy:
        coarsest = Level(len(done), fine, None, constraints)
        return Hierarchy((*done, coarsest), description, rounding)

    while levels is None or len(done) < levels:
        allowed = _merges_to_next(constraints.member_sizes(fine.num_nodes), targets)
        if not allowed.any():
            break
        parent = method.parents(
            fine,
            constraints=constraints,
            max_merges=None if sizes is None else allowed,
            backend=backend,
        )
        # What a matching answers is valid by construction; what others do is checked.
        if not isinstance(method, MatchingMethod):
            parent = _checked(parent, fine, method, constraints, allowed)
        if min_nodes is not None:
            parent = _stop_at(min_nodes, parent, constraints)
        if len(parent) == 0 or parent.max() + 1 == len(parent):
            if sizes is None:
                break
            raise CoarseningStalled(
                _why_stalled(fine, allowed, method, constraints, backend), hierarchy()
            )
        coarse = galerkin_product(fine, parent, backend)
        parent = parent.astype(fine.indices.dtype, copy=False)
        done.append(Level(len(done), fine, parent, constraints))
        method = method.coarsened(fine, coarse, parent)
        fine, constraints = coarse, constraints.coarsened(parent)
    return hierarchy()


def _coarsen_on_device(
    fine: Graph,
    method: Any,
    rounding: Rounding,
    constraints: Constraints,
    levels: int | None,
    min_nodes: int | None,
    targets: np.ndarray | None,  # increasing
) -> Hierarchy:
    """All levels on a CUDA device, and their copies at the end."""
    from multiscale_gcn.coarsening_cuda import descend, levels_on_host
    from multiscale_gcn.cuda import DeviceArrays
    from multiscale_gcn.matching.cuda import Rules

    there = descend(
        DeviceArrays.of(fine),
        method,
        fine.quantum,
        Rules.of(constraints, fine.num_nodes),
        levels=levels,
        min_nodes=min_nodes,
        targets=targets,
    )
    here = levels_on_host(there, fine.quantum, fine, constraints)
    hierarchy = Hierarchy(here, method.describe(), rounding)
    coarsest = here[-1].graph
    if targets is not None and coarsest.num_nodes > targets[0]:
        allowed = _merges_to_next(np.array([coarsest.num_nodes]), targets)
        raise CoarseningStalled(
            _why_stalled(coarsest, allowed, method, Constraints(), "cupy"), hierarchy
        )
    return hierarchy


def _merges_to_next(
    member_sizes: np.ndarray,
    targets: np.ndarray | None,  # increasing
) -> np.ndarray:
    """How many nodes each member of a batch may lose before it has the next wanted size."""
    if targets is None:
        return member_sizes
    position = np.searchsorted(targets, member_sizes) - 1
    return np.where(position < 0, 0, member_sizes - targets[position])


def _checked(
    parents: np.ndarray,
    graph: Graph,
    method: ClusteringMethod,
    constraints: Constraints,
    allowed: np.ndarray,
) -> np.ndarray:
    """The clusters of a method that may be anybody's."""
    name = type(method).__name__
    try:
        parent = valid_parents(parents, graph)
    except ValueError as error:
        raise ValueError(f"{name}.parents: {error}") from None
    left = constraints.coarsened(parent).member_sizes(int(parent.max(initial=-1)) + 1)
    merged = constraints.member_sizes(graph.num_nodes) - left
    if (merged > allowed).any():
        at = int(np.argmax(merged > allowed))
        raise ValueError(
            f"{name}.parents merged {merged[at]} nodes away, and max_merges was {allowed[at]}; "
            "a method must not overshoot the sizes that were asked for"
        )
    return parent


def _stop_at(min_nodes: int, parent: np.ndarray, constraints: Constraints) -> np.ndarray:
    """The clusters without those of members that would fall below ``min_nodes``."""
    if parent.max(initial=-1) + 1 >= min_nodes and constraints.batch is None:
        return parent
    member = constraints.member(len(parent))
    of_coarse = np.zeros(int(parent.max(initial=-1)) + 1, dtype=np.int64)
    of_coarse[parent] = member
    stops = (np.bincount(of_coarse) < min_nodes)[member]
    if not stops.any():
        return parent
    own = np.arange(len(parent)) + len(of_coarse)
    return by_first_member(np.where(stops, own, parent)).astype(parent.dtype)


def _why_stalled(
    graph: Graph,
    allowed: np.ndarray,
    method: ClusteringMethod,
    constraints: Constraints,
    backend: str,
) -> str:
    member = int(np.argmax(allowed > 0))
    n = int(constraints.member_sizes(graph.num_nodes)[member])
    target = n - int(allowed[member])
    where = "" if constraints.batch is None else f" in member {member} of the batch"
    if constraints.symmetry is not None:
        free = method.parents(graph, constraints=constraints, max_merges=None, backend=backend)
        if free.max() + 1 < len(free):
            return (
                f"a level of {target} nodes cannot be reached{where}: from {n} nodes the symmetry "
                f"merges two pairs at a time; the nearest sizes are {n} and {n - 2}"
            )
    return (
        f"coarsening stalled at {n} nodes{where}, short of {target}: no two nodes may merge under "
        f"{method.describe()} and the constraints; loosen them or ask for more nodes"
    )


def _targets(
    graph: Graph,
    sizes: Iterable[int] | None,
    levels: int | None,
    min_nodes: int | None,
    method: ClusteringMethod,
    constraints: Constraints,
) -> np.ndarray | None:
    """The sizes asked for, increasing; None if others than sizes say how far."""
    if sizes is None:
        if levels is None and min_nodes is None:
            raise ValueError("say how far to coarsen: sizes, levels or min_nodes")
        for name, value in (("levels", levels), ("min_nodes", min_nodes)):
            if value is not None:
                whole_number(value, name, least=0)
        return None
    if levels is not None or min_nodes is not None:
        raise ValueError("sizes does not go with levels or min_nodes; leave those out")
    if not isinstance(sizes, Iterable):
        raise ValueError(f"sizes = {sizes!r} must be a list of numbers of nodes: sizes=[{sizes!r}]")
    wanted = sorted({whole_number(size, f"sizes[{i}]") for i, size in enumerate(sizes)})
    if not wanted:
        raise ValueError("sizes is empty; name at least one number of nodes")
    for member, n in enumerate(constraints.member_sizes(graph.num_nodes).tolist()):
        which = "the graph" if constraints.batch is None else f"member {member} of the batch"
        for size in (wanted[0], wanted[-1]):
            if not 1 <= size <= n:
                raise ValueError(
                    f"sizes has {size}, and {which} has {n} nodes; a coarser graph has from 1 "
                    "node to as many"
                )
    fewest = _fewest_nodes(graph, method, constraints)
    for member, n in enumerate(fewest.tolist()):
        if wanted[0] < n:
            raise ValueError(
                f"sizes has {wanted[0]}, and at least {n} nodes must remain"
                + ("" if constraints.batch is None else f" of member {member} of the batch")
                + _what_does_not_merge(method)
            )
    return np.array(wanted, dtype=np.int64)


def _fewest_nodes(
    graph: Graph, method: ClusteringMethod, constraints: Constraints
) -> np.ndarray:  # [number of members]
    """As many nodes as surely remain of each member."""
    n = graph.num_nodes
    parts = constraints.groups(n)
    if method.keeps_components:
        parts = np.unique(np.stack([parts, _components(graph)]), axis=1, return_inverse=True)[1]
        parts = parts.reshape(n)
    member = constraints.member(n)
    num_members = len(constraints.member_sizes(n))
    different = np.unique(np.stack([member, parts]), axis=1)[0]
    fewest = np.bincount(different, minlength=num_members)
    if constraints.survivors is not None:
        survivors = np.bincount(member[constraints.survivors], minlength=num_members)
        fewest = np.maximum(fewest, survivors)
    return fewest


def _what_does_not_merge(method: ClusteringMethod) -> str:
    components = (
        f"{method.describe()} does not merge components; " if method.keeps_components else ""
    )
    return f": {components}labels and survivors do not merge"


def _components(graph: Graph) -> np.ndarray:  # [n]
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    n = graph.num_nodes
    matrix = sp.csr_array((graph.weights, graph.indices, graph.indptr), shape=(n, n))
    component: np.ndarray = connected_components(matrix, directed=False)[1]
    return component
