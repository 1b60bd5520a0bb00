"""Features from level to level in a mini-batch of different graphs, each with its own hierarchy."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from multiscale_gcn.checks.arguments import one_of, whole_number
from multiscale_gcn.ops.operand_checks import check_operands
from multiscale_gcn.pyg.data import MultiScaleData, multi_scale

PoolKind = Literal["mean", "sum", "weighted_mean", "max", "sampled"]
UnpoolKind = Literal["constant", "interpolated"]


class Pool(nn.Module):
    """Features of the nodes of a level to those of the next coarser one.

    Every graph of a mini-batch is pooled by its own hierarchy. On one graph, for many samples, take
    :class:`multiscale_gcn.nn.GraphPool`.

    Parameters
    ----------
    level : int
        The finer level, from 0; the result belongs to ``level + 1``.
    kind : {"mean", "sum", "weighted_mean", "max", "sampled"}
        As in :meth:`multiscale_gcn.Hierarchy.restrict`. ``"sampled"`` takes the node that the
        coarse one is, and wants levels of a method that chooses nodes.

    Raises
    ------
    ValueError
        For an unknown kind or a level below 0, and when called for features of another number of
        nodes, and for data without the level, or whose levels are stale.
    TypeError
        When called with data other than :class:`MultiScaleData` or a batch, or without a tensor.

    See Also
    --------
    Unpool : to a finer level
    multiscale_gcn.nn.GraphPool : to a coarser level

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.data import Batch, Data
    >>> from multiscale_gcn.pyg import Coarsen
    >>> edge = Data(x=torch.tensor([[1.0], [3.0]]), edge_index=torch.tensor([[0, 1], [1, 0]]))
    >>> loop = Data(x=torch.tensor([[8.0]]), edge_index=torch.tensor([[0], [0]]))
    >>> batch = Batch.from_data_list([Coarsen(levels=1)(data) for data in (edge, loop)])
    >>> Pool(0)(batch.x, batch)
    tensor([[2.],
            [8.]])
    """

    def __init__(self, level: int = 0, kind: PoolKind = "mean") -> None:
        super().__init__()
        self.level = whole_number(level, "level", least=0)
        self.kind = one_of(kind, "kind", get_args(PoolKind))

    def forward(
        self,
        x: Tensor,  # [sum of n_k, ...]
        data: MultiScaleData,
    ) -> Tensor:  # [sum of n_{k+1}, ...]
        """One row of features for every node of the coarser level.

        Parameters
        ----------
        x : Tensor, shape (sum of n_k, ...)
            Of the nodes of ``level`` of all graphs.
        data : MultiScaleData
            Or a batch of them.

        Returns
        -------
        Tensor, shape (sum of n_{k+1}, ...)

        Raises
        ------
        ValueError, TypeError
            As the class says.

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from multiscale_gcn.pyg import Coarsen
        >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> Pool(0, "max")(torch.tensor([[1.0], [3.0]]), Coarsen(levels=1)(edge))
        tensor([[3.]])
        """
        data = multi_scale(data, self.level + 1, "Pool")
        parent = data[f"parent_{self.level}"]
        _check_rows(x, len(parent), self.level)
        if self.kind == "sampled":
            return x.index_select(0, _made(data, f"sampled_{self.level}", "chooses nodes"))
        num_coarse = len(data[f"node_weight_{self.level + 1}"])

        def gathered(values: Tensor, reduce: str) -> Tensor:
            result: Tensor = scatter(values, parent, dim=0, dim_size=num_coarse, reduce=reduce)
            return result

        if self.kind != "weighted_mean":
            return gathered(x, self.kind)
        weights = _node_weights(data, self.level, x)
        shares = weights / gathered(weights, "sum").index_select(0, parent)
        return gathered(x * shares.view(-1, *[1] * (x.dim() - 1)), "sum")

    def extra_repr(self) -> str:
        return f"{self.level}, kind={self.kind!r}"


class Unpool(nn.Module):
    """Features of the nodes of a level to those of the next finer one.

    Parameters
    ----------
    level : int
        The finer level, from 0, to which the result belongs; the features are of ``level + 1``.
    kind : {"constant", "interpolated"}
        Each node gets what its coarse node has, or the sum of coarse nodes by the weights that a
        method which interpolates made.

    Raises
    ------
    ValueError, TypeError
        As :class:`Pool` does.

    See Also
    --------
    Pool : to a coarser level
    multiscale_gcn.nn.GraphPool : to a coarser level

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.data import Data
    >>> from multiscale_gcn.pyg import Coarsen
    >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    >>> Unpool(0)(torch.tensor([[5.0]]), Coarsen(levels=1)(edge))
    tensor([[5.],
            [5.]])
    """

    def __init__(self, level: int = 0, kind: UnpoolKind = "constant") -> None:
        super().__init__()
        self.level = whole_number(level, "level", least=0)
        self.kind = one_of(kind, "kind", get_args(UnpoolKind))

    def forward(
        self,
        x: Tensor,  # [sum of n_{k+1}, ...]
        data: MultiScaleData,
    ) -> Tensor:  # [sum of n_k, ...]
        """One row of features for every node of the finer level.

        Parameters
        ----------
        x : Tensor, shape (sum of n_{k+1}, ...)
            Of the nodes of ``level + 1`` of all graphs.
        data : MultiScaleData
            Or a batch of them.

        Returns
        -------
        Tensor, shape (sum of n_k, ...)

        Raises
        ------
        ValueError, TypeError
            As the class says.

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from multiscale_gcn.pyg import Coarsen
        >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> Unpool(0)(torch.tensor([[3.0]]), Coarsen(levels=1)(edge)).flatten()
        tensor([3., 3.])
        """
        data = multi_scale(data, self.level + 1, "Unpool")
        _check_rows(x, len(data[f"node_weight_{self.level + 1}"]), self.level + 1)
        parent = data[f"parent_{self.level}"]
        if self.kind == "constant":
            return x.index_select(0, parent)
        fine, coarse = _made(data, f"interpolation_index_{self.level}", "interpolates")
        weights = data[f"interpolation_weight_{self.level}"].to(x.dtype)
        terms = x.index_select(0, coarse) * weights.view(-1, *[1] * (x.dim() - 1))
        result: Tensor = scatter(terms, fine, dim=0, dim_size=len(parent), reduce="sum")
        return result

    def extra_repr(self) -> str:
        return f"{self.level}, kind={self.kind!r}"


def _check_rows(x: Any, nodes: int, level: int) -> None:
    check_operands(x=x)
    if x.dim() < 1 or x.shape[0] != nodes:
        raise ValueError(
            f"x has shape {list(x.shape)}, expected [{nodes}, ...]: one row for each node of level "
            f"{level}, of all graphs of the batch"
        )


def _made(data: MultiScaleData, name: str, what: str) -> Tensor:
    if name not in data:
        raise ValueError(
            f"the data has no {name}; give Coarsen a method that {what}, or take another kind"
        )
    found: Tensor = data[name]
    return found


def _node_weights(data: MultiScaleData, level: int, x: Tensor) -> Tensor:
    """What nodes weigh; those of the graph itself may not say."""
    if level:
        weights: Tensor = data[f"node_weight_{level}"]
    elif data.get("node_weight") is not None:
        weights = data.node_weight
    else:
        return torch.ones(x.shape[0], dtype=x.dtype, device=x.device)
    return weights.to(x.dtype)
