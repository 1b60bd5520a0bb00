"""Coarsening as a transform of PyTorch Geometric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from multiscale_gcn.checks.arguments import items, real_number, shown, whole_number, whole_numbers
from multiscale_gcn.coarsening import CoarseningStalled, coarsen
from multiscale_gcn.convert import as_graph, to_torch, to_torch_sparse
from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.methods import ClusteringMethod
from multiscale_gcn.methods.heavy_edge import HeavyEdgeMatching
from multiscale_gcn.pyg.data import MultiScaleData, is_level
from multiscale_gcn.quality import num_components

MOST_LEVELS = 1000
"""A graph has no more that differ, if every step merges a hundredth of its nodes."""

INDEX_TYPES = (torch.int64, torch.int32)

FINEST_RATIO = 10**6
"""Denominators of ratios: 0.1 is a tenth, and a tenth of 30 nodes are 3."""


class Coarsen(BaseTransform):  # type: ignore[misc]
    """Add coarser versions of the graph to a ``Data``: a transform of PyTorch Geometric.

    Edges must stand in both directions: put ``torch_geometric.transforms.ToUndirected()`` before.
    All graphs get the same number of levels, so that they can stand in one batch: where no two
    nodes may merge any more, the coarsest graph is repeated.

    Parameters
    ----------
    levels : int, optional
        Number of coarser levels.
    sizes : sequence of int, optional
        Instead of ``levels``: exact numbers of nodes; one level for each of them.
    ratio : float or sequence of float, optional
        Each level has this share, above 0 and below 1, of the nodes of the one before, rounded up;
        more where no more nodes may merge. One number is that of all ``levels``, of one by default;
        a list has a ratio for each level.
    weights : str, optional
        Attribute that holds the weights of the edges, such as ``"edge_attr"``; ``edge_weight``,
        where there is one, by default.
    **options
        ``method`` and ``backend`` of :func:`~multiscale_gcn.coarsen`. A ``method`` may also be a
        function that makes one of a ``Data``, for those that need positions.

    Raises
    ------
    ValueError
        Unless one of ``levels``, ``sizes`` and ``ratio`` is given; when called, for edges in one
        direction only, for none, for an ``edge_index`` of another type than int64 and int32, and
        for sizes that a graph cannot reach.
    TypeError
        When called with anything but a ``Data`` or a batch of them.

    See Also
    --------
    MultiScaleData : a graph with its levels
    MultiScaleNet : a network on batches of graphs
    multiscale_gcn.coarsen : all levels at once

    Notes
    -----
    The edges may stand in ``edge_index`` or ``adj_t``. A graph without edges has an ``edge_index``
    of shape (2, 0). Coarser levels have the type of ``edge_index``, int64 or int32, which is what
    layers of PyTorch Geometric take; all other indices are int64. Members of a batch are coarsened
    one by one. A graph of which no two nodes merge says nothing of whether its method chooses nodes
    or interpolates, and has neither ``sampled_k`` nor ``interpolation_index_k``.

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.data import Data
    >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]), num_nodes=4)
    >>> coarse = Coarsen(levels=2)(path)
    >>> coarse.parent_0, coarse.parent_1
    (tensor([0, 0, 1, 1]), tensor([0, 0]))
    >>> coarse.edge_index_1, coarse.edge_weight_1
    (tensor([[0, 0, 1, 1],
            [0, 1, 0, 1]]), tensor([2., 1., 1., 2.]))
    >>> Coarsen(ratio=[0.5, 0.25])(path).level_sizes
    tensor([[4, 2, 1]])
    """

    def __init__(
        self,
        levels: int | None = None,
        *,
        sizes: Sequence[int] | None = None,
        ratio: float | Sequence[float] | None = None,
        weights: str | None = None,
        **options: Any,
    ) -> None:
        if (levels is None and ratio is None) == (sizes is None):
            raise ValueError(
                f"levels = {shown(levels)}, sizes = {shown(sizes)} and ratio = {shown(ratio)}; "
                "give either levels, ratio or both, or sizes"
            )
        unknown = sorted(set(options) - {"method", "backend"})
        if unknown:
            raise ValueError(f"{unknown[0]} is no option of Coarsen; method and backend are")
        if levels is not None:
            levels = whole_number(levels, "levels", least=0, most=MOST_LEVELS)
        self.ratios: list[float] | None = None if ratio is None else _ratios(ratio, levels)
        self.levels: int | None = levels if self.ratios is None else None
        self.sizes: list[int] | None = None
        if sizes is not None:
            self.sizes = sorted(whole_numbers(sizes, "sizes", most=MOST_LEVELS), reverse=True)
        self.weights = weights
        self.options = options

    def forward(self, data: Data) -> MultiScaleData:
        """The graph with its levels; calling the transform gives the same, of a copy.

        Parameters
        ----------
        data : torch_geometric.data.Data
            Of one graph, or a batch.

        Returns
        -------
        MultiScaleData
            A batch of such, where a batch is given.

        Raises
        ------
        ValueError, TypeError
            As the class says.

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> Coarsen(levels=1).forward(edge).parent_0
        tensor([0, 0])
        """
        if isinstance(data, Batch) and isinstance(data, Data):
            members = [self.forward(member) for member in data.to_data_list()]
            batch: MultiScaleData = Batch.from_data_list(members)
            return batch
        _check_type(data)
        index_type = _index_type(data)
        hierarchy, chosen = self._coarsened(data)
        cls = type(data) if isinstance(data, MultiScaleData) else MultiScaleData
        kept = {name: value for name, value in data.to_dict().items() if not is_level(data, name)}
        result: MultiScaleData = cls.from_dict(kept)
        result.num_nodes = data.num_nodes
        device = _device(data)
        samples = any(level.sampled is not None for level in hierarchy)
        interpolates = any(level.interpolation is not None for level in hierarchy)
        before = 0
        for k, index in enumerate(chosen, start=1):
            tensors = to_torch(hierarchy[index].graph, device=device)
            parent = torch.as_tensor(hierarchy.parent(before, index), dtype=torch.int64)
            result[f"parent_{k - 1}"] = parent.to(device)
            result[f"edge_index_{k}"] = tensors.edge_index.to(index_type)
            result[f"edge_weight_{k}"] = tensors.weights
            result[f"node_weight_{k}"] = tensors.node_weights
            result[f"batch_{k}"] = torch.zeros_like(tensors.node_weights, dtype=torch.int64)
            if samples:
                nodes = hierarchy.restriction(before, index, "sampled").indices
                result[f"sampled_{k - 1}"] = torch.tensor(nodes, dtype=torch.int64, device=device)
            if interpolates:
                entries = to_torch_sparse(
                    hierarchy.prolongation(index, before, "interpolated"), device=device
                )
                result[f"interpolation_index_{k - 1}"] = entries.indices()
                result[f"interpolation_weight_{k - 1}"] = entries.values()
            before = index
        sizes = [hierarchy[index].num_nodes for index in (0, *chosen)]
        result.level_sizes = torch.tensor([sizes], device=device)
        return result

    def _coarsened(self, data: Data) -> tuple[Hierarchy, list[int]]:
        """The hierarchy, and the levels of it that are kept."""
        graph = as_graph(data, weights=self.weights)
        options = dict(self.options)
        method = options.get("method")
        if callable(method) and not isinstance(method, ClusteringMethod | type):
            method = options["method"] = method(data)
        if self.ratios is not None:
            return _by_ratios(graph, self.ratios, method, options)
        hierarchy = coarsen(graph, levels=self.levels, sizes=self.sizes, **options)
        if self.sizes is not None:
            return hierarchy, [hierarchy.level(size).index for size in self.sizes]
        assert self.levels is not None
        last = len(hierarchy) - 1
        return hierarchy, [min(k, last) for k in range(1, self.levels + 1)]

    def __repr__(self) -> str:
        given = {"levels": self.levels, "sizes": self.sizes, "ratio": self.ratios}
        return f"Coarsen({', '.join(f'{k}={v}' for k, v in given.items() if v is not None)})"


def _ratios(ratio: Any, levels: int | None) -> list[float]:
    if isinstance(ratio, Iterable) and not isinstance(ratio, str | bytes):
        found = [_share(value, f"ratio[{k}]") for k, value in enumerate(items(ratio, "ratio"))]
        if levels is not None and levels != len(found):
            raise ValueError(
                f"ratio has {len(found)} entries and levels = {levels}; give one for each level, "
                "or a number"
            )
        return found
    return [_share(ratio, "ratio")] * (1 if levels is None else levels)


def _share(value: Any, name: str) -> float:
    number = real_number(value, name, above=0)
    if number >= 1:
        raise ValueError(f"{name} = {number} must be below 1: the share of nodes that are left")
    return number


def _by_ratios(
    graph: Graph, ratios: list[float], method: Any, options: dict[str, Any]
) -> tuple[Hierarchy, list[int]]:
    """Levels of so many nodes; of more, where no more may merge."""
    hierarchy = coarsen(graph, levels=0, **options)
    keeps = (HeavyEdgeMatching() if method is None else method).keeps_components
    least = num_components(hierarchy) if keeps else min(graph.num_nodes, 1)
    sizes: list[int] = []
    for ratio in ratios:
        before = sizes[-1] if sizes else graph.num_nodes
        share = Fraction(ratio).limit_denominator(FINEST_RATIO) * before
        sizes.append(max(math.ceil(share), least))
    if sizes and graph.num_nodes:
        try:
            hierarchy = coarsen(graph, sizes=sizes, **options)
        except CoarseningStalled as stalled:
            hierarchy = stalled.hierarchy
    last = len(hierarchy) - 1
    reached = hierarchy.sizes
    return hierarchy, [next((k for k, n in enumerate(reached) if n <= s), last) for s in sizes]


def _device(data: Data) -> torch.device:
    found: torch.device
    if data.edge_index is not None:
        found = data.edge_index.device
        return found
    device = data.adj_t.device
    found = device() if callable(device) else device  # that of torch_sparse is a method
    return found


def _index_type(data: Data) -> torch.dtype:
    """That of ``edge_index``; int64 for edges that stand elsewhere, and for none."""
    found: torch.dtype = torch.int64
    if data.edge_index is None or data.edge_index.numel() == 0:
        return found
    found = data.edge_index.dtype
    if found not in INDEX_TYPES:
        raise ValueError(
            f"edge_index is {found}; layers of PyTorch Geometric take torch.int64 and torch.int32: "
            "convert it with data.edge_index.long()"
        )
    return found


def _check_type(data: Any) -> None:
    if not isinstance(data, Data):
        raise TypeError(
            f"Coarsen takes a Data or a batch of them, got {type(data).__name__}; give it to a "
            "dataset as transform or pre_transform, before the batches are made"
        )
    if data.edge_index is None and data.get("adj_t") is None:
        raise ValueError(
            "the Data has neither edge_index nor adj_t, which the transform needs; put "
            "torch_geometric.transforms.FaceToEdge() or KNNGraph() before, or give a graph without "
            "edges edge_index=torch.empty(2, 0, dtype=torch.int64)"
        )
    if isinstance(data, MultiScaleData):
        return
    for name in ("__inc__", "__cat_dim__"):
        if getattr(type(data), name) is not getattr(Data, name):
            raise TypeError(
                f"{type(data).__name__} has its own {name}, which would be lost; let it inherit "
                "from multiscale_gcn.pyg.MultiScaleData"
            )
