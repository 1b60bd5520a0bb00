"""The matching on a CUDA device; equal to the specification bit for bit.

The locally dominant matching is reached in rounds: every free node points at its best free
neighbour, and those that point at each other marry. Kernels of their own add up the rows and let
all nodes point once; all further rounds are one launch. When rounds marry few, whole chains of
nodes that point at each other are resolved at once, and small rests are done by one block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cupy as cp
import numpy as np

from multiscale_gcn.compiled.hashing import mix64
from multiscale_gcn.cuda.arrays import DeviceArrays, on_device
from multiscale_gcn.cuda.launch import Launcher, Room, Struct
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import NodeConstraints
from multiscale_gcn.matching.matching import Matching, PairKind
from multiscale_gcn.matching.options import MatchingOptions
from multiscale_gcn.ratings.fused import code_of, cuda_source

SOURCE = "matching/kernels.cu"

SMALL = 1 << 10
"""So few nodes are done by one block."""
MOST_ENTRIES = 1 << 12
"""One block gives up a round that looks at more entries than these."""
MEAN_OF_ONE = 8
"""Up to this mean length of rows a thread takes a whole one."""
LANES = 8
"""So many threads share a row of others."""
LONG_ROW = 64
"""Longer rows are split."""
PART = 512
"""Of such a row, so many entries are looked at by a warp."""

TWO_HOP = {False: 0, True: 1, "auto": 2}
"""As the kernels number it."""

WARPS_OF_BLOCK = 8
NUM_COUNTERS = 16
MOST_BLOCKS = 1 << 14

PROBLEM = Struct(
    indptr="pointer",
    indices="pointer",
    weights="pointer",
    ratings="pointer",
    nodes="pointer",
    loop="pointer",
    node_weights="pointer",
    group="pointer",
    keeps="pointer",
    base="pointer",
    mirror="pointer",
    limit="double",
    mixed_seed="u64",
    mate="pointer",
    kind="pointer",
    candidate="pointer",
    second="pointer",
    hub="pointer",
    link="pointer",
    live="pointer",
    tasks="pointer",
    bests="pointer",
    done="pointer",
    masks="pointer",
    of_blocks="pointer",
    counters="pointer",
    n="int",
    code="int",
    lanes="int",
    long_row="int",
    part="int",
    small="int",
    most_entries="int",
    two_hop="int",
    pairs="int",
    pair_isolated="int",
)


def match(graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> Matching:
    arrays = on_device(graph)
    entries = method.rating.entries(graph)
    ratings = arrays.weights if entries is graph.weights else cp.asarray(entries)
    mate, kind = match_on_device(arrays, method, ratings, DeviceConstraints.of(of_nodes))
    return Matching._of_valid(mate=cp.asnumpy(mate), kind=cp.asnumpy(kind))


@dataclass(frozen=True, eq=False)
class DeviceConstraints:
    """The constraints on the device; None for each that there is not."""

    group: Any = None
    survivors: Any = None
    first_of_member: Any = None
    mirror: Any = None

    @classmethod
    def of(cls, of_nodes: NodeConstraints) -> DeviceConstraints:
        constraints = of_nodes.constraints
        group = first = mirror = None
        if constraints.labels is not None or constraints.batch is not None:
            group = np.unique(of_nodes.group, return_inverse=True)[1].astype(np.int32)
        if constraints.batch is not None:
            first = (np.arange(of_nodes.num_nodes) - of_nodes.local_ids).astype(np.int32)
        if constraints.symmetry is not None:
            mirror = constraints.symmetry.astype(np.int32)
        arrays = (group, constraints.survivors, first, mirror)
        return cls(*(None if array is None else cp.asarray(array) for array in arrays))

    def coarsened(self, parent: Any, num_coarse: int) -> DeviceConstraints:
        """Those of the next level, as :meth:`Constraints.coarsened` says."""

        def inherited(of_nodes: Any) -> Any:  # the same for all nodes of a pair
            result = cp.empty(num_coarse, of_nodes.dtype)
            result[parent] = of_nodes
            return result

        survivors = None
        if self.survivors is not None:
            survivors = cp.zeros(num_coarse, cp.bool_)
            survivors[parent[self.survivors]] = True
        first, mirror = self.first_of_member, self.mirror
        return DeviceConstraints(
            None if self.group is None else inherited(self.group),
            survivors,
            None if first is None else inherited(parent[first]),
            None if mirror is None else inherited(parent[mirror]),
        )

    def __bool__(self) -> bool:
        return any(array is not None for array in (self.group, self.survivors, self.mirror))


def match_on_device(
    graph: DeviceArrays,
    method: MatchingOptions,
    ratings: Any,  # cupy [nnz], what the rating takes as the weight of each entry
    rules: DeviceConstraints,
) -> tuple[Any, Any]:  # mate [n] int32, kind [n] int8
    """The mate and the kind of every node, from and to arrays on the device."""
    n, nnz = graph.num_nodes, graph.num_entries
    if n == 0:
        return cp.empty(0, cp.int32), cp.empty(0, cp.int8)
    lanes = 1 if graph.mean_length <= MEAN_OF_ONE else LANES
    any_long = graph.longest > LONG_ROW
    tasks = nnz // (LONG_ROW + 1) + nnz // PART + 1 if any_long else 1
    size_of_two = 32 if rules.mirror is None else 48
    found = Room({}, {"mate": 4 * n, "kind": n})
    workspace = Room(
        {"counters": 4 * NUM_COUNTERS, "done": 4 * tasks},
        {
            "nodes": 0 if graph.sums else 16 * n,
            "loop": 0 if graph.sums else 8 * n,
            "candidate": 4 * n,
            "second": 4 * n,
            "hub": 4 * n,
            "link": 4 * n,
            "live": 8 * n,
            "tasks": 8 * tasks,
            "bests": size_of_two * tasks,
            "masks": PART // 8 * tasks,
            "of_blocks": 4 * MOST_BLOCKS,
        },
    )
    limit = np.inf if method.max_node_weight is None else float(method.max_node_weight)
    unlimited = limit == np.inf
    any_pairs = unlimited and not rules
    pieces: dict[str, Any] = workspace.pointers() | found.pointers()
    if graph.sums:
        pieces["nodes"], pieces["loop"] = graph.sums
    problem = PROBLEM(
        **pieces,
        indptr=graph.indptr,
        indices=graph.indices,
        weights=graph.weights,
        ratings=ratings,
        node_weights=graph.node_weights,
        group=rules.group,
        keeps=rules.survivors,
        base=rules.first_of_member,
        mirror=rules.mirror,
        limit=limit,
        mixed_seed=mix64(method.seed),
        n=n,
        code=code_of(method.rating),
        lanes=lanes,
        long_row=LONG_ROW,
        part=PART,
        small=SMALL,
        most_entries=MOST_ENTRIES,
        two_hop=TWO_HOP[method.two_hop],
        pairs=any_pairs,
        pair_isolated=any_pairs and method.isolated == "pair",
    )
    launcher = Launcher(
        SOURCE,
        graph.indptr.dtype,
        f"-DSYMMETRIC={int(rules.mirror is not None)}",
        prelude=cuda_source(),
    )
    for first in ("point",) if graph.sums else ("sum", "point"):
        launcher.for_each(f"{first}_all", n * lanes, (problem,))
        if any_long:
            launcher.in_turns(f"{first}_long", tasks // WARPS_OF_BLOCK + 1, (problem,))
    launcher.at_once("marry", n * lanes, (problem,))
    mate, kind = found.array("mate", np.int32, n), found.array("kind", np.int8, n)
    if not any_pairs:
        nodes = graph.sums[0] if graph.sums else workspace.array("nodes", np.float64, n, 2)
        pairing = _Pairing(
            launcher, problem, rules, unlimited and rules.survivors is None, mate, kind,
            nodes.view(np.int32).reshape(-1)[2::4], workspace.array("candidate", np.int32, n),
        )  # fmt: skip
        if method.two_hop:
            pairing.two_hop(only_if_stalled=method.two_hop == "auto")
        if method.isolated == "pair":
            pairing.isolated()
    return mate, kind


@dataclass(frozen=True, eq=False)
class _Pairing:
    """Pairs the nodes that no edge is left for, where not any two of them may merge."""

    launcher: Launcher
    problem: np.ndarray
    rules: DeviceConstraints
    any_two: bool  # of the same group
    mate: Any
    kind: Any
    neighbours: Any
    candidate: Any  # the hubs of those that are left

    def two_hop(self, only_if_stalled: bool) -> None:
        """Pair the nodes that wait at the same neighbour, as the specification says."""
        single = self.kind == int(PairKind.SINGLE)
        left = _where(single & (self.neighbours > 0))
        if only_if_stalled:
            left = self._of_stalled_members(left, _where(~single))
        if len(left) < 2:
            return
        hubs, mirror = self.candidate[left], self.rules.mirror
        if mirror is None:
            self.waiting(left, hubs, PairKind.TWO_HOP)
            return
        images = mirror[hubs]
        fixed, fixed_hub = mirror[left] == left, images == hubs
        self.images(left[~fixed & fixed_hub], PairKind.TWO_HOP)
        for chosen in (fixed, ~fixed & (hubs < images)):
            at = cp.minimum(hubs, images)[chosen]
            self.waiting(left[chosen], at, PairKind.TWO_HOP)

    def _of_stalled_members(self, left: Any, married: Any) -> Any:
        first = self.rules.first_of_member
        if first is None:
            return left if len(left) > len(married) else left[:0]
        more_left = cp.zeros(len(self.mate), cp.int32)  # at the first node of each member
        more_left += cp.bincount(first[left], minlength=len(more_left))
        more_left -= cp.bincount(first[married], minlength=len(more_left))
        return left[more_left[first[left]] > 0]

    def isolated(self) -> None:
        nodes, mirror = _where(self.neighbours == 0), self.rules.mirror
        lists = [nodes]
        if mirror is not None:
            lists = [nodes[mirror[nodes] == nodes], nodes[nodes < mirror[nodes]]]
        for chosen in lists:
            self.waiting(chosen, cp.zeros(len(chosen), cp.int32), PairKind.ISOLATED)
        if mirror is not None:
            self.images(nodes, PairKind.ISOLATED)

    def waiting(
        self,
        nodes: Any,  # cupy [m] int32, increasing
        hubs: Any,  # cupy [m] int32
        kind: PairKind,
    ) -> None:
        """Pair the nodes of the same hub and group, in the order of their ids."""
        if len(nodes) < 2:
            return
        if self.rules.group is not None:
            order = _sorted_positions(self.rules.group[nodes])
            nodes, hubs = nodes[order], hubs[order]
        order = _sorted_positions(hubs)
        nodes, hubs = nodes[order], hubs[order]
        begins = hubs[1:] != hubs[:-1]
        if self.rules.group is not None:
            groups = self.rules.group[nodes]
            begins |= groups[1:] != groups[:-1]
        segment = cp.zeros(len(nodes), cp.int32)
        segment[1:] = cp.cumsum(begins, dtype=cp.int32)
        self.launcher.for_each(
            "pair_in_a_row" if self.any_two else "pair_waiting",
            len(nodes),
            (self.problem, nodes, segment, np.int32(len(nodes)), np.int32(kind)),
        )

    def images(self, nodes: Any, kind: PairKind) -> None:
        if len(nodes):
            arguments = (self.problem, nodes, np.int32(len(nodes)), np.int32(kind))
            self.launcher.for_each("pair_images", len(nodes), arguments)


def _where(mask: Any) -> Any:
    return cp.flatnonzero(mask).astype(cp.int32)


def _sorted_positions(values: Any) -> Any:
    """Positions that sort the values, which are not negative; equal ones keep their order."""
    keys = values.astype(cp.uint64) << np.uint64(32)
    keys |= cp.arange(len(values), dtype=cp.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(cp.int64)
