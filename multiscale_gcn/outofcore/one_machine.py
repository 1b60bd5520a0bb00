"""Steps on one machine: the kernels of the library on mapped arrays, part by part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np

from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel
from multiscale_gcn.hierarchy.stored.arrays import ArrayWriter, mapped, release
from multiscale_gcn.hierarchy.stored.level import write_parent
from multiscale_gcn.matching import on_cpu
from multiscale_gcn.matching.numbering import number_pairs
from multiscale_gcn.matching.truncation import truncate
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.outofcore.contraction import contract
from multiscale_gcn.outofcore.engine import Task
from multiscale_gcn.outofcore.kernels import first_one_sided
from multiscale_gcn.outofcore.parts import PartSweep, row_cuts
from multiscale_gcn.ratings import NodeTerms, Rating
from multiscale_gcn.ratings.fused import is_fused
from multiscale_gcn.ratings.rating import Evaluated

A_NODE, OF_RULES, OF_CUT = 50, 25, 100
"""Bytes that the matching takes for a node, those of constraints, and those of choosing among the
pairs of a level that is cut to a size."""
AN_ENTRY = 60
"""Bytes that merging takes for an entry of a part: mapped, copied, sorted and merged."""


@dataclass(frozen=True)
class OneMachine:
    """See :class:`~multiscale_gcn.outofcore.LevelEngine`.

    Parameters
    ----------
    entries : int, optional
        Of one part; by default what the memory has room for.
    """

    name: ClassVar[str] = "coarsening out of core"
    entries: int | None = None

    def refusal(self, method: MatchingMethod, constraints: Constraints) -> str | None:
        for name in ("symmetry", "batch"):
            if getattr(constraints, name) is not None:
                return f" does not run {name}; leave it out, or coarsen in memory"
        if method.isolated == "nearest":
            return " does not run isolated='nearest'; take 'pair' or 'keep'"
        rating = type(method.rating)
        if rating.values is not Rating.values:
            return (
                f" does not run {rating.__name__}, which looks at more than an edge and its two "
                "ends; take a rating that does not, such as NormalizedCut"
            )
        return None

    def step(self, fine: StoredLevel, coarse: LevelWriter, task: Task) -> bool:
        entries = self.entries or _entries_at_once(fine, task)
        graph = fine.graph
        mate = self._mates(fine, coarse.work, task, entries)
        parent = compiled(number_pairs)(mate)
        num_coarse = int(parent.max(initial=-1)) + 1
        if num_coarse == len(parent) or num_coarse < (task.min_nodes or 0):
            return False
        write_parent(fine.folder, parent, coarse.id_type)
        contract(graph, mate, parent, coarse, entries, task.progress)
        return True

    def _mates(self, fine: StoredLevel, work: Path, task: Task, entries: int) -> np.ndarray:
        graph, progress = fine.graph, task.progress
        of_nodes = fine.constraints.per_node(graph.num_nodes)
        method = task.method
        if not is_fused(method.rating):
            progress.begin("rate", graph.num_entries)
            method = replace(method, rating=_rated(method.rating, graph, work, entries))
            progress.end(graph.num_entries)
        sweep = PartSweep(graph, method.rating.entries(graph), entries, progress)
        progress.begin("match", graph.num_entries)
        matching = on_cpu.match(graph, method, of_nodes, sweep)
        progress.end(graph.num_entries)
        if task.max_pairs is not None and matching.num_pairs > task.max_pairs:
            matching = truncate(graph, method, of_nodes, matching, np.array([task.max_pairs]))
            release(graph.indices, graph.weights)
        return matching.mate


def _entries_at_once(fine: StoredLevel, task: Task) -> int:
    """How many there is room for beside the arrays of the nodes."""
    n = fine.meta.num_nodes
    a_node = A_NODE + (OF_RULES if fine.constraints else 0)
    if task.max_pairs is not None and task.max_pairs < n // 2:
        a_node += OF_CUT
    room = task.memory - a_node * n
    if room < AN_ENTRY:
        raise ValueError(
            f"memory = {task.memory} has no room for {n} nodes, of which each takes {a_node} bytes "
            f"to be matched; allow {int(1.25 * a_node * n) + 10**6} or more"
        )
    return int(room // AN_ENTRY)


def _rated(rating: Rating, graph: Graph, work: Path, entries: int) -> Rating:
    """The values of a rating, in a file."""
    terms = NodeTerms.of(graph)
    path = work / "ratings.npy"
    cuts = row_cuts(graph.indptr, entries).tolist()
    ids = np.arange(graph.num_nodes, dtype=graph.indices.dtype)
    with ArrayWriter(path, np.float64) as writer, np.errstate(all="ignore"):
        for low, high in pairwise(cuts):
            begin, end = int(graph.indptr[low]), int(graph.indptr[high])
            rows = np.repeat(ids[low:high], np.diff(graph.indptr[low : high + 1]))
            columns, weights = graph.indices[begin:end], graph.weights[begin:end]
            values = real_array(rating.edge(weights, rows, columns, terms), "the ratings")
            if values.shape != rows.shape:
                raise ValueError(
                    f"{rating!r} has ratings of shape {values.shape} for {len(rows)} edges; edge() "
                    "returns one for each"
                )
            bad = np.flatnonzero(~np.isfinite(values) & (rows != columns))
            if len(bad):
                at = bad[0]
                raise ValueError(
                    f"{rating!r} rates the edge ({rows[at]}, {columns[at]}) as {values[at]}; "
                    "ratings must be finite"
                )
            writer.append(values)
            release(graph.indices, graph.weights)
    values = mapped(path)
    u, v = first_one_sided(graph.indptr, graph.indices, values, graph.indptr[:-1].copy())
    if u >= 0:
        raise ValueError(
            f"{rating!r} rates the edge ({u}, {v}) otherwise than ({v}, {u}); give both directions "
            "the same"
        )
    return Evaluated(values)
