"""From a graph to its hierarchy."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.backends import BEGINNING, engine_for
from multiscale_gcn.checks.arguments import flag, shown
from multiscale_gcn.coarsening.descent import Descent, descend
from multiscale_gcn.coarsening.how_far import HowFar
from multiscale_gcn.coarsening.on_host import HostStage
from multiscale_gcn.coarsening.progress_bar import progress_bar
from multiscale_gcn.convert import as_graph, batch_of
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights, warn_of_rounding
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.matching import MatchingOptions
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching
from multiscale_gcn.methods.method import ClusteringMethod

if TYPE_CHECKING:
    from multiscale_gcn.outofcore import LevelEngine


class CoarseningStalled(RuntimeError):
    """No two nodes may merge any more, and the size that was asked for is not reached.

    Attributes
    ----------
    hierarchy : Hierarchy
        What was reached.

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import CoarseningStalled, HeavyEdgeMatching, coarsen
    >>> light = HeavyEdgeMatching(max_node_weight=2)
    >>> try:
    ...     hierarchy = coarsen(nx.path_graph(4), sizes=[1], method=light)
    ... except CoarseningStalled as stalled:
    ...     hierarchy = stalled.hierarchy
    >>> hierarchy.sizes
    (4, 2)
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
    out: str | PathLike[str] | None = None,
    memory: int | str | None = None,
    engine: LevelEngine | None = None,
    progress: bool = False,
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
        the graph at every step. ``BiStride``, ``MaximalIndependentSet``, ``FarthestPoints``,
        ``VoxelGrid``, ``KronReduction``, ``LocalVariation``, ``MetisPartition``,
        ``VisitingOrderMatching`` and ``DefferrardMatching`` are others, or one of your own.
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
        wait unchanged. ``hierarchy.members()`` takes them apart. That of an object that has one,
        such as a ``Batch`` of PyTorch Geometric, by default.
    backend : str
        See :func:`~multiscale_gcn.select_backend`; all return the same hierarchy, bit for bit.
        With ``"cupy"`` and heavy edge matching no level comes to the host before all are done, but
        those that ``sizes`` cuts short; under constraints with ``sizes``, in a batch with
        ``min_nodes``, with ``isolated="nearest"``, and for ratings that the kernels do not know all
        do.
    out : str or os.PathLike, optional
        A folder for a hierarchy that need not fit into memory: each level is written there, and
        the result is mapped, so that what is asked for is read. ``graph`` is then the path of
        edges in Parquet, Arrow or CSV files, or :class:`~multiscale_gcn.EdgeFiles`, which says
        more of them; a graph in memory will do. The method is ``HeavyEdgeMatching`` or
        ``VisitingOrderMatching``. The same call again goes on from the last finished level.
    memory : int or str, optional
        Bytes, or a text such as ``"4GB"``, for arrays and buffers of a call with ``out``; 4 GB by
        default. Pages of mapped files that the system may drop at any time are left to it. At
        least 50 bytes a node are needed.
    engine : LevelEngine, optional
        Who takes the steps of a call with ``out``; this machine by default.
    progress : bool
        Whether a bar is shown, if it takes more than a second; a call with ``out`` tells on
        standard error what it does.

    Returns
    -------
    Hierarchy

    Raises
    ------
    ValueError
        Before any work, if a size cannot be reached, for constraints that the method cannot
        honour, a method that the backend does not run, or bad input.
    TypeError
        If ``method`` is no method, or ``graph`` nothing that can be read as a graph.
    BackendUnavailable
        If the backend cannot run here.
    CoarseningStalled
        If constraints leave no pair before the sizes are reached. It carries the partial
        hierarchy.

    See Also
    --------
    as_graph : reads graphs, meshes, matrices, frames and files
    HeavyEdgeMatching : the default: pairs by the heaviest edges
    mesh_pyramid : simplifies a mesh to given sizes
    coarsen_on_device : levels that stay on a CUDA device
    compare : several methods side by side

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
        raise TypeError(f"method must be a method such as HeavyEdgeMatching(), got {shown(method)}")
    if out is not None:
        return _on_disk(
            graph,
            out,
            backend,
            method=method,
            how_far={"sizes": sizes, "levels": levels, "min_nodes": min_nodes},
            constraints={
                "labels": labels,
                "survivors": survivors,
                "symmetry": symmetry,
                "batch": batch,
            },
            memory=memory,
            engine=engine,
            progress=progress,
        )
    with_bar = flag(progress, "progress")
    for name, value in (("memory", memory), ("engine", engine)):
        if value is not None:
            raise ValueError(f"{name} goes with out, a folder for the levels; name one")
    fine = as_graph(graph)
    batch = batch_of(graph) if batch is None else batch
    constraints = Constraints.of(
        fine, labels=labels, survivors=survivors, symmetry=symmetry, batch=batch
    )
    method.check(constraints, sizes is not None)
    how_far = HowFar.of(fine, method, constraints, sizes=sizes, levels=levels, min_nodes=min_nodes)
    if isinstance(method, MatchingOptions):
        backend = BEGINNING.backend(backend, len(fine.indices))
    runs = engine_for(backend, method)
    fine, rounding = round_weights(fine, constraints.batch)
    warn_of_rounding(rounding)
    planned = method.planned(
        fine, sizes=how_far.sizes_below(fine.num_nodes), constraints=constraints, backend=backend
    )
    stage = runs.stage(fine, planned, constraints, how_far.counts(constraints))
    goal = how_far.goal(fine.num_nodes)
    with progress_bar(with_bar, fine.num_nodes, goal) as tell:
        descent = descend(stage or HostStage.of(fine, planned, constraints, backend), how_far, tell)
    return _reached(Hierarchy(descent.levels(), method.describe(), rounding), descent, backend)


def _on_disk(graph: Any, out: Any, backend: str, **options: Any) -> Hierarchy:
    from multiscale_gcn.coarsening.on_disk import coarsen_to_folder

    if not isinstance(backend, str) or backend not in ("auto", "numba"):
        raise ValueError(f"backend = {shown(backend)} does not go with out; leave it out")
    hierarchy, descent = coarsen_to_folder(graph, out, **options)
    return _reached(hierarchy, descent, backend)


def _reached(hierarchy: Hierarchy, descent: Descent, backend: str) -> Hierarchy:
    """The hierarchy, if it has the sizes that were asked for."""
    if descent.missing is None:
        return hierarchy
    coarsest = hierarchy[-1]
    reason = _why_stalled(
        coarsest.graph,
        descent.missing,
        descent.stages[-1].method,
        coarsest.constraints,
        backend,
    )
    raise CoarseningStalled(reason, hierarchy)


def _why_stalled(
    graph: Graph,
    missing: np.ndarray,
    method: ClusteringMethod,
    constraints: Constraints,
    backend: str,
) -> str:
    member = int(np.argmax(missing > 0))
    n = int(constraints.per_node(graph.num_nodes).member_sizes[member])
    target = n - int(missing[member])
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
