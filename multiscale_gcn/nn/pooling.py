"""Features from level to level of a hierarchy."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import one_of
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.nn.graph_buffers import GraphBuffers
from multiscale_gcn.nn.layer_checks import check_hierarchy
from multiscale_gcn.nn.pattern_buffers import as_buffer
from multiscale_gcn.nn.segment_sums import SegmentSpread, SegmentSum
from multiscale_gcn.ops.differentiable import DifferentiableFunction

PoolKind = Literal["mean", "sum", "weighted_mean", "max"]


class _Clusters(GraphBuffers):
    """Which fine nodes belong to which coarse one, as buffers that are not in the state."""

    parent: Tensor  # [N_fine] int64
    members: Tensor  # [N_fine] int64, coarse node by coarse node
    offsets: Tensor  # [N_coarse + 1] int64
    shares: Tensor | None  # [N_fine]; None: all 1

    def __init__(self, hierarchy: Hierarchy, fine: int, coarse: int, kind: str) -> None:
        super().__init__()
        parent = hierarchy.parent(fine, coarse)
        members = np.argsort(parent, kind="stable")
        offsets = np.searchsorted(parent[members], np.arange(hierarchy[coarse].num_nodes + 1))
        for name, array in (("parent", parent), ("members", members), ("offsets", offsets)):
            self.register_buffer(name, as_buffer(array), persistent=False)
        shares = None
        if kind in ("mean", "weighted_mean"):
            matrix = hierarchy.restriction(fine, coarse, kind)  # type: ignore[arg-type]
            values = matrix.sum(axis=0)  # each column has one entry
            shares = as_buffer(values, torch.get_default_dtype())
        self.register_buffer("shares", shares, persistent=False)

    def tensors(self) -> tuple[Tensor | None, ...]:
        return self.parent, self.members, self.offsets, self.shares


class Maxima(GraphBuffers):
    """The largest row of every cluster: pairs of rows whose maxima remain, round by round."""

    pairs_0: Tensor

    def __init__(self, parent: np.ndarray) -> None:
        super().__init__()
        rows = np.argsort(parent, kind="stable")
        counts = np.bincount(parent)
        self.num_clusters = len(counts)
        self.rounds = 0
        while self.rounds == 0 or counts.max(initial=0) > 1:
            last = np.cumsum(counts) - 1
            matches = (counts + 1) // 2
            cluster = np.repeat(np.arange(len(counts)), matches)
            place = np.arange(len(cluster)) - np.repeat(np.cumsum(matches) - matches, matches)
            first = (last - counts + 1)[cluster] + 2 * place
            second = np.minimum(first + 1, last[cluster])
            pairs = as_buffer(np.stack([rows[first], rows[second]]))
            self.register_buffer(f"pairs_{self.rounds}", pairs, persistent=False)
            rows, counts = np.arange(len(cluster)), matches
            self.rounds += 1

    def forward(
        self,
        x: Tensor,  # [N_fine, ...]
    ) -> Tensor:  # [N_coarse, ...]
        for k in range(self.rounds):
            first, second = self.get_buffer(f"pairs_{k}")
            x = torch.maximum(x.index_select(0, first), x.index_select(0, second))
        return x


class GraphPool(nn.Module):
    """Features of a level's nodes to features of a coarser level's: mean, sum or maximum.

    Time and memory grow with the number of nodes; there is no matrix of both sizes. Sums run in
    float32 or better. A maximum shares its gradient among those that reach it, and is NaN if one
    of its nodes is. The buffers belong to the hierarchy and are not in the ``state_dict``.

    Parameters
    ----------
    hierarchy : Hierarchy
    fine, coarse : int
        Indices of the two levels, ``fine <= coarse``.
    kind : {"mean", "sum", "weighted_mean", "max"}
        As in :meth:`multiscale_gcn.Hierarchy.restrict`.

    Raises
    ------
    ValueError
        For an unknown kind, and in ``forward`` for the wrong number of nodes or another device.
    TypeError
        For what is no hierarchy, and in ``forward`` for what is no tensor.

    See Also
    --------
    GraphUnpool : to a finer level
    HierarchyTransfer : maps between scales from a hierarchy

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> from multiscale_gcn import coarsen
    >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
    >>> pool = GraphPool(hierarchy, 0, 1)
    >>> pool(torch.tensor([[[1.0], [3.0], [5.0], [9.0]]]))
    tensor([[[2.],
             [7.]]])
    """

    def __init__(
        self, hierarchy: Hierarchy, fine: int, coarse: int, kind: PoolKind = "mean"
    ) -> None:
        super().__init__()
        check_hierarchy(hierarchy)
        self.kind = one_of(kind, "kind", get_args(PoolKind))
        self.num_fine: int = hierarchy[fine].num_nodes
        self.num_coarse: int = hierarchy[coarse].num_nodes
        if kind == "max":
            self.maxima: Maxima = Maxima(hierarchy.parent(fine, coarse))
        else:
            self.clusters: _Clusters = _Clusters(hierarchy, fine, coarse, kind)

    def forward(
        self,
        x: Tensor,  # [..., N_fine, C]
    ) -> Tensor:  # [..., N_coarse, C]
        """One row of features for every coarse node."""
        places = self.maxima.pairs_0 if self.kind == "max" else self.clusters.parent
        nodes = _nodes_first(x, self.num_fine, places)
        if self.kind == "max":
            highest: Tensor = self.maxima(nodes)
            return highest.movedim(0, -2)
        return _apply(SegmentSum, nodes, *self.clusters.tensors())

    def extra_repr(self) -> str:
        return f"{self.num_fine} -> {self.num_coarse} nodes, kind={self.kind!r}"


class GraphUnpool(nn.Module):
    """Features of a level's nodes to a finer level's: each node gets those of its coarse node.

    Pooling by a mean or the maximum afterwards gives the features back.

    Parameters
    ----------
    hierarchy : Hierarchy
    coarse, fine : int
        Indices of the two levels, ``fine <= coarse``.

    Raises
    ------
    ValueError
        In ``forward`` for the wrong number of nodes or another device.
    TypeError
        For what is no hierarchy, and in ``forward`` for what is no tensor.

    See Also
    --------
    GraphPool : to a coarser level
    HierarchyTransfer : maps between scales from a hierarchy

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> from multiscale_gcn import coarsen
    >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
    >>> GraphUnpool(hierarchy, 1, 0)(torch.tensor([[2.0], [7.0]])).flatten()
    tensor([2., 2., 7., 7.])
    """

    def __init__(self, hierarchy: Hierarchy, coarse: int, fine: int) -> None:
        super().__init__()
        check_hierarchy(hierarchy)
        self.num_coarse: int = hierarchy[coarse].num_nodes
        self.num_fine: int = hierarchy[fine].num_nodes
        self.clusters: _Clusters = _Clusters(hierarchy, fine, coarse, "sum")

    def forward(
        self,
        x: Tensor,  # [..., N_coarse, C]
    ) -> Tensor:  # [..., N_fine, C]
        """One row of features for every fine node."""
        return _apply(
            SegmentSpread,
            _nodes_first(x, self.num_coarse, self.clusters.parent),
            *self.clusters.tensors(),
        )

    def extra_repr(self) -> str:
        return f"{self.num_coarse} -> {self.num_fine} nodes"


def _nodes_first(x: Tensor, num_nodes: int, places: Tensor) -> Tensor:  # [N, ..., C]
    if not isinstance(x, Tensor):
        raise TypeError(f"x is a {type(x).__name__}; give a torch.Tensor of shape [..., N, C]")
    if x.layout != torch.strided or x.dtype.is_complex:
        raise ValueError(
            f"x is {x.dtype} laid out as {x.layout}; give a dense tensor of real numbers"
        )
    if x.dim() < 2 or x.shape[-2] != num_nodes:
        raise ValueError(f"x has shape {list(x.shape)}, expected [..., {num_nodes}, C]")
    if x.device != places.device and not x.is_meta:
        raise ValueError(
            f"x is on {x.device} and the layer on {places.device}; move one with .to(device)"
        )
    return x.movedim(-2, 0)


def _apply(
    function: type[DifferentiableFunction],
    nodes: Tensor,  # [N, ..., C]
    *tensors: Tensor | None,
) -> Tensor:  # [..., M, C]
    wide = torch.promote_types(nodes.dtype, torch.float32)
    rows = nodes.to(wide).flatten(1).contiguous()
    result: Tensor = function.apply(rows, *tensors)
    return torch.unflatten(result, 1, nodes.shape[1:]).movedim(0, -2).to(nodes.dtype)
