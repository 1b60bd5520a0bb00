"""Coarsening in a pipeline of PyTorch Geometric. It needs ``pip install 'multiscale-gcn[pyg]'``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from multiscale_gcn.checks.arguments import shown, whole_number, whole_numbers
from multiscale_gcn.coarsening import coarsen
from multiscale_gcn.convert import as_graph, to_torch
from multiscale_gcn.hierarchy import Hierarchy

__all__ = ["Coarsen", "MultiScaleData"]

MOST_LEVELS = 1000
"""A graph has no more that differ, if every step merges a hundredth of its nodes."""

_LEVEL = re.compile(r"(edge_index|edge_weight|node_weight|parent|batch)_(\d+)")


class MultiScaleData(Data):  # type: ignore[misc]
    """A ``Data`` with coarser versions of its graph, which PyTorch Geometric batches rightly.

    :class:`Coarsen` makes one. Level 0 is the graph itself. For every coarser level k there are

    - ``edge_index_k``, shape (2, nnz_k), every edge in both directions, and ``edge_weight_k``,
      shape (nnz_k,), as of a coarse :class:`~multiscale_gcn.Graph`, self loops included;
    - ``node_weight_k``, shape (n_k,): what its members weigh;
    - ``batch_k``, shape (n_k,): which graph of a mini-batch each node belongs to;

    and for every level k but the coarsest ``parent_k``, shape (n_k,): the node of level k + 1 that
    each node belongs to.

    Inherit from it if your own ``Data`` has ``__inc__`` or ``__cat_dim__``.

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.data import Batch, Data
    >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    >>> coarse = Coarsen(levels=1)(edge)
    >>> Batch.from_data_list([coarse, coarse]).parent_0
    tensor([0, 0, 1, 1])
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if found := _LEVEL.fullmatch(key):
            name, level = found[1], int(found[2])
            if name == "edge_index":
                return self.num_nodes_of(level)
            if name == "parent":
                return self.num_nodes_of(level + 1)
            return 1 if name == "batch" else 0
        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if found := _LEVEL.fullmatch(key):
            return 1 if found[1] == "edge_index" else 0
        return super().__cat_dim__(key, value, *args, **kwargs)

    def num_nodes_of(self, level: int) -> int:
        """Number of nodes of a level; 0 is the graph itself.

        Parameters
        ----------
        level : int

        Returns
        -------
        int

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> Coarsen(levels=1)(edge).num_nodes_of(1)
        1
        """
        if level == 0:
            return int(self.num_nodes)
        return len(self[f"node_weight_{level}"])


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
    weights : str, optional
        Attribute that holds the weights of the edges, such as ``"edge_attr"``; ``edge_weight``,
        where there is one, by default.
    **options
        ``method`` and ``backend`` of :func:`~multiscale_gcn.coarsen`.

    Raises
    ------
    ValueError
        Unless exactly one of ``levels`` and ``sizes`` is given; when called, for edges in one
        direction only and for sizes that a graph cannot reach.
    TypeError
        When called with anything but a ``Data`` of one graph.

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
    """

    def __init__(
        self,
        levels: int | None = None,
        *,
        sizes: Sequence[int] | None = None,
        weights: str | None = None,
        **options: Any,
    ) -> None:
        if (levels is None) == (sizes is None):
            raise ValueError(
                f"levels = {shown(levels)} and sizes = {shown(sizes)}; give either levels or sizes"
            )
        unknown = sorted(set(options) - {"method", "backend"})
        if unknown:
            raise ValueError(f"{unknown[0]} is no option of Coarsen; method and backend are")
        self.levels: int | None = None
        if levels is not None:
            self.levels = whole_number(levels, "levels", least=0, most=MOST_LEVELS)
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
            Of one graph.

        Returns
        -------
        MultiScaleData

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> Coarsen(levels=1).forward(edge).parent_0
        tensor([0, 0])
        """
        _check_type(data)
        graph = as_graph(data, weights=self.weights)
        hierarchy = coarsen(graph, levels=self.levels, sizes=self.sizes, **self.options)
        cls = type(data) if isinstance(data, MultiScaleData) else MultiScaleData
        kept = {name: value for name, value in data.to_dict().items() if not _is_level(data, name)}
        result: MultiScaleData = cls.from_dict(kept)
        result.num_nodes = data.num_nodes
        device = data.edge_index.device
        before = 0
        for k, index in enumerate(self._chosen(hierarchy), start=1):
            tensors = to_torch(hierarchy[index].graph, device=device)
            parent = torch.as_tensor(hierarchy.parent(before, index), dtype=torch.int64)
            result[f"parent_{k - 1}"] = parent.to(device)
            result[f"edge_index_{k}"] = tensors.edge_index
            result[f"edge_weight_{k}"] = tensors.weights
            result[f"node_weight_{k}"] = tensors.node_weights
            result[f"batch_{k}"] = torch.zeros_like(tensors.node_weights, dtype=torch.int64)
            before = index
        return result

    def _chosen(self, hierarchy: Hierarchy) -> list[int]:
        """Indices of the levels that are kept; the last one again where there are too few."""
        if self.sizes is not None:
            return [hierarchy.level(size).index for size in self.sizes]
        assert self.levels is not None
        return [min(k, len(hierarchy) - 1) for k in range(1, self.levels + 1)]

    def __repr__(self) -> str:
        how_far = f"levels={self.levels}" if self.sizes is None else f"sizes={self.sizes}"
        return f"Coarsen({how_far})"


def _is_level(data: Data, name: str) -> bool:
    """Whether this is of levels that were made before, and that new ones replace."""
    return isinstance(data, MultiScaleData) and _LEVEL.fullmatch(name) is not None


def _check_type(data: Any) -> None:
    if not isinstance(data, Data) or isinstance(data, Batch):
        raise TypeError(
            f"Coarsen takes a Data of one graph, got {type(data).__name__}; give it to a dataset "
            "as transform or pre_transform, before the batches are made"
        )
    if data.edge_index is None:
        raise ValueError(
            "the Data has no edge_index, which the transform needs; put "
            "torch_geometric.transforms.FaceToEdge() or KNNGraph() before"
        )
    if isinstance(data, MultiScaleData):
        return
    for name in ("__inc__", "__cat_dim__"):
        if getattr(type(data), name) is not getattr(Data, name):
            raise TypeError(
                f"{type(data).__name__} has its own {name}, which would be lost; let it inherit "
                "from multiscale_gcn.pyg.MultiScaleData"
            )
