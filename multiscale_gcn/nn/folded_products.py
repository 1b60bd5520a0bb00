"""Sums over neighbours and products with matrices, as processors do them and as exporters see them.

Features are rows, [B N, C], that lie batch by batch. Both kinds of either have the same methods.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

PRODUCT_WORK = 2**20
"""From so many multiplications on oneDNN, which has laid the matrix out, is the faster one."""

KEPT_BATCHES = 4
"""Sizes of batches for which the entries of a graph are kept."""


class Product(Protocol):
    """rows @ weight + bias, then ReLU or a sum."""

    weight: Tensor  # [C_in, C_out]

    def __call__(
        self,
        rows: Tensor,  # [M, C_in]
        *,
        relu: bool = False,
        add: Tensor | None = None,  # [M, C_out]
    ) -> Tensor:  # [M, C_out]
        ...


class Mixing(Protocol):
    """A sparse matrix with K rows for every node."""

    def __call__(
        self,
        rows: Tensor,  # [B N, C]
        batch: int,
    ) -> Tensor:  # [B N, K C]
        ...


class PlainProduct:
    """In operators that every exporter knows."""

    def __init__(
        self,
        weight: Tensor,  # [C_in, C_out], float64
        bias: Tensor,  # [C_out], float64
        dtype: torch.dtype,
    ) -> None:
        self.weight, self.bias = weight.to(dtype), bias.to(dtype)

    def __call__(self, rows: Tensor, *, relu: bool = False, add: Tensor | None = None) -> Tensor:
        y = torch.addmm(self.bias, rows, self.weight)
        y = y.relu() if relu else y
        return y if add is None else y + add


class PackedProduct(PlainProduct):
    """By oneDNN where the matrix is large."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        super().__init__(weight, bias, dtype)
        self.packed = _packed(self.weight)
        self.rows = -(-PRODUCT_WORK // max(1, weight.numel()))

    def __call__(self, rows: Tensor, *, relu: bool = False, add: Tensor | None = None) -> Tensor:
        if self.packed is not None and rows.shape[0] >= self.rows:
            y: Tensor = _ONE_DNN(rows, self.packed, self.bias, "relu" if relu else "none", [], "")
        else:
            y = torch.addmm(self.bias, rows, self.weight)
            if relu:
                y.relu_()
        return y if add is None else y.add_(add)


_ONE_DNN: Any = getattr(getattr(torch.ops.mkldnn, "_linear_pointwise", None), "default", None)


def _packed(
    weight: Tensor,  # [C_in, C_out]
) -> Tensor | None:
    """As oneDNN lays it out, or None where it does not run."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if _ONE_DNN is None or weight.dtype != torch.float32 or not available:
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.t().contiguous())
    return packed


class Bags:
    """One sum of rows that are named bag by bag, for a node and its neighbours side by side."""

    def __init__(
        self,
        nodes: int,
        rows_a_node: int,
        rows: Tensor,  # [nnz], rising
        columns: Tensor,  # [nnz]
        values: Tensor,  # [nnz]
    ) -> None:
        self.nodes, self.rows_a_node = nodes, rows_a_node
        self.columns, self.values = columns, values
        starts = torch.arange(nodes * rows_a_node, device=rows.device)
        self.starts = torch.searchsorted(rows, starts)
        self.batches: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def __call__(self, rows: Tensor, batch: int) -> Tensor:
        columns, starts, values = self.batches.get(batch) or self._of(batch)
        sums = torch.embedding_bag(rows, columns, starts, False, 0, False, values)[0]
        return sums.view(rows.shape[0], self.rows_a_node * rows.shape[1])

    def _of(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        member = torch.arange(batch, device=self.columns.device).unsqueeze(1)
        entries = (
            (self.columns + member * self.nodes).flatten(),
            (self.starts + member * len(self.columns)).flatten(),
            self.values.repeat(batch),
        )
        while len(self.batches) >= KEPT_BATCHES:
            self.batches.pop(next(iter(self.batches)))
        self.batches[batch] = entries
        return entries


class DenseMixing:
    """A product with all pairs of nodes; a node's own share needs none."""

    def __init__(
        self,
        nodes: int,
        rows_a_node: int,
        rows: Tensor,  # [nnz]
        columns: Tensor,  # [nnz]
        values: Tensor,  # [nnz]
    ) -> None:
        matrix = values.new_zeros(nodes * rows_a_node, nodes)
        matrix[rows, columns] = values
        self.nodes = nodes
        self.others = matrix[rows_a_node - 1 :: rows_a_node].contiguous()
        self.own = None if rows_a_node == 1 else matrix[::2].diagonal().unsqueeze(1).contiguous()

    def __call__(self, rows: Tensor, batch: int) -> Tensor:
        if batch == 1:
            mixed = torch.mm(self.others, rows)
            return mixed if self.own is None else torch.cat([rows * self.own, mixed], 1)
        x = rows.view(batch, self.nodes, rows.shape[1])
        mixed = torch.matmul(self.others, x)
        both = mixed if self.own is None else torch.cat([x * self.own, mixed], 2)
        return both.reshape(batch * self.nodes, both.shape[2])
