"""What the order of the edges asks of the nodes, own ones and ghosts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from multiscale_gcn.matching import on_cpu
from multiscale_gcn.matching.options import MatchingOptions
from multiscale_gcn.ratings import NodeTerms, Rating
from multiscale_gcn.ratings.formulas import FormulaRating, terms_read
from multiscale_gcn.ratings.fused import code_of, is_fused, reads_inverse
from multiscale_gcn.ratings.rating import Evaluated
from multiscale_gcn.supersteps.messages import Mail, message
from multiscale_gcn.supersteps.neighbourhood import Neighbourhood
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.task import LevelTask

NOTHING = np.zeros(1)


@dataclass(frozen=True, eq=False)
class Terms:
    """Arrays for the kernels, shape (n + g,) unless said otherwise.

    Parameters
    ----------
    code : int
        Of the formula that rates an edge.
    weights : array of float64, shape (nnz,)
        What the formula takes as weights: of other ratings their values.
    scale, loop : array of float64
        As :mod:`multiscale_gcn.ratings.fused` has them; shape (1,) where the formula reads none.
    neighbours : array of uint32
        Numbers of neighbours.
    node_weights : array of float64
    group : array of int, optional
        Labels; None without any.
    survives : array of bool, optional
    """

    code: int
    weights: np.ndarray
    scale: np.ndarray
    loop: np.ndarray
    neighbours: np.ndarray
    node_weights: np.ndarray
    group: np.ndarray | None
    survives: np.ndarray | None


def read_by(rating: Rating) -> frozenset[str]:
    """Which terms of the nodes the rating reads."""
    everything = frozenset(NodeTerms.__dataclass_fields__)
    return terms_read(rating.formula) if isinstance(rating, FormulaRating) else everything


def _exchanged(part: Partition, near: Neighbourhood, task: LevelTask) -> dict[str, np.ndarray]:
    """What others must be told of own nodes."""
    reads = read_by(task.method.rating)
    told = {"neighbours": near.neighbours}
    if reads & {"degree", "inverse_degree"}:
        told["degree"] = near.degree
    if "loop" in reads:
        told["loop"] = near.loop
    if "node_weight" in reads or task.limit < np.inf:
        told["node_weight"] = part.node_weights
    if part.labels is not None:
        told["label"] = part.labels.astype(np.int64)
    if part.survivors is not None:
        told["survivor"] = part.survivors
    return told


def tell(part: Partition, near: Neighbourhood, task: LevelTask) -> Mail:
    """The terms of own nodes, for those who have them as ghosts."""
    told = _exchanged(part, near, task)
    return {
        peer: message(**{name: values[near.shown_to(peer)] for name, values in told.items()})
        for peer in near.peers
    }


def hear(part: Partition, near: Neighbourhood, task: LevelTask, mail: Mail) -> Terms:
    """The terms of own nodes with those of ghosts."""
    own = _exchanged(part, near, task)
    every = {name: _with_ghosts(values, name, near, mail) for name, values in own.items()}
    rating = task.method.rating
    degree, loop = every.get("degree", NOTHING), every.get("loop", NOTHING)
    weights, scale = part.weights, degree
    if is_fused(rating):
        code = code_of(rating)
        if reads_inverse(code):
            scale = np.divide(1.0, degree, out=np.zeros(len(degree)), where=degree > 0)
    else:
        code = on_cpu.EDGE_WEIGHT
        weights = _rated(rating, part, near, every)
    return Terms(
        code,
        weights,
        scale,
        loop,
        every["neighbours"],
        every.get("node_weight", part.node_weights),
        every.get("label"),
        every.get("survivor"),
    )


def without_weights(terms: Terms | None, task: LevelTask) -> Terms | None:
    """The terms without what stands in the level's own files."""
    if terms is None or not is_fused(task.method.rating):
        return terms
    return replace(terms, weights=NOTHING)


def with_weights(terms: Terms | None, part: Partition, task: LevelTask) -> Terms | None:
    """The terms that :func:`without_weights` was given."""
    if terms is None or not is_fused(task.method.rating):
        return terms
    return replace(terms, weights=part.weights)


def _with_ghosts(own: np.ndarray, name: str, near: Neighbourhood, mail: Mail) -> np.ndarray:
    every = np.empty(len(near.ids), own.dtype)
    every[: len(own)] = own
    for peer, one in mail.items():
        ghosts = near.ghosts_of(peer)
        if len(one[name]) != ghosts.stop - ghosts.start:
            raise ValueError(
                f"partition {peer} has edges to {len(one[name])} nodes of another, which has edges "
                f"to {ghosts.stop - ghosts.start} of its nodes: a reverse edge is missing; store "
                "every edge in both directions"
            )
        every[ghosts] = one[name]
    return every


def _rated(
    rating: Rating, part: Partition, near: Neighbourhood, every: dict[str, np.ndarray]
) -> np.ndarray:
    """The ratings of all entries, which must be finite and the same from either end."""
    rows = np.repeat(np.arange(part.num_nodes), np.diff(part.indptr))
    degree, loop = every.get("degree", NOTHING), every.get("loop", NOTHING)
    inverse = np.divide(1.0, degree, out=np.zeros(len(degree)), where=degree > 0)
    terms = NodeTerms(degree, inverse, loop, every.get("node_weight", NOTHING))
    with np.errstate(all="ignore"):
        values = np.asarray(rating.edge(part.weights, rows, near.columns, terms), np.float64)
        back = np.asarray(rating.edge(part.weights, near.columns, rows, terms), np.float64)
    inner = rows == near.columns
    for wrong, what in (
        (~np.isfinite(values) & ~inner, "ratings must be finite"),
        ((values != back) & ~inner, "both directions of an edge must have the same rating"),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise ValueError(
                f"{rating!r} rates the edge ({part.low + rows[at]}, {near.ids[near.columns[at]]}) "
                f"as {values[at]}; {what}"
            )
    return values


def refusal(method: object) -> str | None:
    """Why the method does not run in supersteps: the end of a sentence. None: it does."""
    if not isinstance(method, MatchingOptions):
        return f" does not run {type(method).__name__}; take HeavyEdgeMatching"
    if method.takes_turns:
        return (
            f" does not run {type(method).__name__}, in which each node waits for the ones before "
            "it; take HeavyEdgeMatching"
        )
    if method.isolated == "nearest":
        return " does not run isolated='nearest'; take 'pair' or 'keep'"
    rating = method.rating
    if type(rating).values is not Rating.values or isinstance(rating, Evaluated):
        return (
            f" does not run {rating!r}, which looks at more than an edge and its two ends; take a "
            "rating that does not, such as NormalizedCut()"
        )
    return None
