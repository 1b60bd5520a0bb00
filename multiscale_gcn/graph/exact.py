"""Edge weights whose every sum is exact, so that no result depends on the order of summing."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arrays import integer_array
from multiscale_gcn.graph.graph import Graph

SIGNIFICAND_BITS = 53
NOTABLE = 1e-3
"""Relative changes above it are told: they may change which edges are the heaviest."""
LARGEST_EXPONENT = 900  # beyond it, sums and reciprocals of weights could overflow
SMALLEST_EXPONENT = -900


@dataclass(frozen=True)
class Rounding:
    """What :func:`round_weights` changed.

    Attributes
    ----------
    edge_weights, node_weights : int
        How many stored entries and how many node weights changed.
    largest_relative_change : float
        Largest |new - old| / old among all of them.

    Examples
    --------
    >>> from multiscale_gcn import Graph, round_weights
    >>> graph, rounding = round_weights(Graph([0, 1, 2], [1, 0], weights=[0.5, 0.5]))
    >>> bool(rounding), rounding
    (False, Rounding(edge_weights=0, node_weights=0, largest_relative_change=0.0))
    """

    edge_weights: int = 0
    node_weights: int = 0
    largest_relative_change: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.edge_weights or self.node_weights)


class RoundingWarning(UserWarning):
    """Making weights exact changed some of them so much that edges may be rated otherwise.

    Told by :func:`~multiscale_gcn.match` and :func:`~multiscale_gcn.coarsen` where a weight changed
    by more than a thousandth of itself.

    Examples
    --------
    >>> import warnings
    >>> from multiscale_gcn import RoundingWarning
    >>> warnings.simplefilter("ignore", RoundingWarning)
    """


def warn_of_rounding(rounding: Rounding) -> None:
    """Tell of what was changed by more than a thousandth, with the remedy."""
    if rounding.largest_relative_change > NOTABLE:
        warnings.warn(
            f"making the weights exact changed {rounding.edge_weights + rounding.node_weights} of "
            f"them, one by {rounding.largest_relative_change:.2g} of itself: they span more orders "
            "of magnitude than float64 adds up exactly; scale them (by their square root or "
            "logarithm, say), or rate edges by GivenRating",
            RoundingWarning,
            stacklevel=3,
        )


def round_weights(graph: Graph, batch: ArrayLike | None = None) -> tuple[Graph, Rounding]:
    """Round the weights so that every sum of them is exact in float64, in any order.

    Edge weights are rounded down to multiples of 2**q, q = ceil(log2(nnz * max w)) - 53, node
    weights likewise; a weight below that becomes one unit, so that no edge is lost. Integers
    do not change as long as nnz * max w is at most 2**53. A graph that was rounded before, or was
    contracted from one that was, is returned as it is.

    Parameters
    ----------
    graph : Graph
    batch : array of int, shape (n,), optional
        Which member of a batch each node belongs to, never decreasing. Every member is rounded
        as it would be alone, so sums across members need not be exact. Whoever merges nodes of
        several makes a new ``Graph`` of the arrays first, which is rounded as a whole.

    Returns
    -------
    graph : Graph
    rounding : Rounding
        What was changed.

    Raises
    ------
    ValueError
        If the largest weight lies outside 2**-900 ... 2**900.
    TypeError
        If ``graph`` is no :class:`Graph`.

    See Also
    --------
    as_graph : reads graphs, meshes, matrices, frames and files

    Examples
    --------
    >>> from multiscale_gcn import Graph, round_weights
    >>> graph, rounding = round_weights(Graph([0, 1, 3, 4], [1, 0, 2, 1], [0.1, 0.1, 5, 5]))
    >>> graph.weights.tolist(), rounding.edge_weights
    ([0.09999999999999787, 0.09999999999999787, 5.0, 5.0], 2)
    """
    if not isinstance(graph, Graph):
        kind = type(graph)
        raise TypeError(
            f"graph is a {kind.__module__}.{kind.__qualname__}, and must be a "
            "multiscale_gcn.Graph; as_graph makes one"
        )
    if graph.quantum is not None:
        return graph, Rounding()
    n = graph.num_nodes
    starts = np.array([0, n]) if batch is None else _starts(batch, n)
    weights, quantum = _to_multiples(graph.weights, graph.indptr[starts], "weights")
    node_weights, _ = _to_multiples(graph.node_weights, starts, "node_weights")
    changed = weights != graph.weights
    changed_nodes = node_weights != graph.node_weights
    if not changed.any():
        weights = graph.weights
    largest = 0.0
    for new, old, at in (
        (weights, graph.weights, changed),
        (node_weights, graph.node_weights, changed_nodes),
    ):
        if at.any():
            largest = max(largest, float(np.max(np.abs(new[at] - old[at]) / old[at])))
    rounded = Graph._of_valid(
        graph.indptr, graph.indices, weights, node_weights, quantum, graph.names
    )
    return rounded, Rounding(int(changed.sum()), int(changed_nodes.sum()), largest)


def _starts(batch: ArrayLike, n: int) -> np.ndarray:
    """First node of every member, and the number of nodes."""
    batch = integer_array(batch, "batch")
    if batch.shape != (n,):
        raise ValueError(f"batch has shape {batch.shape}, expected ({n},)")
    return np.concatenate([[0], np.flatnonzero(np.diff(batch)) + 1, [len(batch)]])


def _to_multiples(
    values: np.ndarray,
    starts: np.ndarray,  # of the members, and the end
    name: str,
) -> tuple[np.ndarray, float]:
    begins, counts = starts[:-1], np.diff(starts)
    begins, counts = begins[counts > 0], counts[counts > 0]
    if len(counts) == 0:
        return values, 1.0
    largest = np.maximum.reduceat(values, begins)
    outside = _out_of_range(largest)
    if outside.any():
        refuse_largest(values, float(largest[outside][0]), name)
    quanta = np.array(
        [
            quantum_of(count, top)
            for count, top in zip(counts.tolist(), largest.tolist(), strict=True)
        ]
    )
    unit = quanta[0] if len(quanta) == 1 else np.repeat(quanta, counts)
    return multiples(values, unit), float(quanta.min())


def _out_of_range(largest: np.ndarray) -> np.ndarray:
    exponents = np.frexp(largest)[1]
    outside: np.ndarray = (exponents <= SMALLEST_EXPONENT) | (exponents > LARGEST_EXPONENT)
    return outside


def refuse_largest(values: np.ndarray, bad: float, name: str) -> None:
    """Refuse the largest of the values if sums or reciprocals could overflow.

    Raises
    ------
    ValueError
        Naming its place.
    """
    if _out_of_range(np.array([bad]))[0]:
        at = int(np.argmax(values == bad))
        raise ValueError(
            f"the largest of {name}, [{at}] = {bad}, lies outside 2**{SMALLEST_EXPONENT} ... "
            f"2**{LARGEST_EXPONENT}; scale all of them"
        )


def multiples(values: np.ndarray, unit: float | np.ndarray) -> np.ndarray:
    """The values rounded down to multiples of a power of two, and to it if they are less."""
    units = values * (1.0 / unit)  # exact, as a power of two; in place from here on
    np.maximum(np.floor(units, out=units), 1.0, out=units)
    return np.multiply(units, unit, out=units)


def quantum_of(count: int, largest: float) -> float:
    """2**q for the smallest q with count * largest <= 2**(q + 53), in integer arithmetic."""
    significand, exponent = math.frexp(largest)
    bound = count * int(significand * 2**SIGNIFICAND_BITS)  # * 2**(exponent - 53)
    ceil_log2 = (bound - 1).bit_length()
    return 2.0 ** (ceil_log2 + exponent - 2 * SIGNIFICAND_BITS)
