"""How features lie in memory: [B, N, C] by shape, node by node wherever an operator wrote them.

Mixing nodes is then one product of an N x N matrix with N x (B C) numbers, and mixing channels
one product of (N B) x C numbers with a C x C matrix: no operator has to move anything. A tensor
that lies batch by batch is moved once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def by_node(
    x: Tensor,  # [B, N, C]
) -> Tensor:  # [N, B, C], contiguous
    return x.transpose(0, 1).contiguous()


def mix_nodes(
    matrix: Tensor,  # [M, N]
    x: Tensor,  # [B, N, C]
    add: Tensor | None = None,  # [B, M, C]
) -> Tensor:  # [B, M, C]
    """matrix @ x for every member of the batch, plus ``add``.

    Parameters
    ----------
    matrix, x, add

    Examples
    --------
    >>> import torch
    >>> mix_nodes(torch.tensor([[1.0, 2.0]]), torch.tensor([[[1.0], [10.0]]]))
    tensor([[[21.]]])
    """
    nodes = by_node(x)
    rows = nodes.flatten(1)
    mixed = matrix @ rows if add is None else torch.addmm(by_node(add).flatten(1), matrix, rows)
    return torch.unflatten(mixed, 1, nodes.shape[1:]).transpose(0, 1)


def on_rows(
    function: Callable[[Tensor], Tensor],  # [M, C_in] -> [M, C_out]
    x: Tensor,  # [B, N, C_in]
) -> Tensor:  # [B, N, C_out]
    """Apply a function of rows of channels to all nodes of the batch at once.

    Parameters
    ----------
    function : callable
        It takes and gives one row for every node of every member.
    x

    Examples
    --------
    >>> import torch
    >>> on_rows(torch.nn.Linear(3, 5), torch.zeros(8, 17, 3)).shape
    torch.Size([8, 17, 5])
    """
    nodes = by_node(x)
    return torch.unflatten(function(nodes.flatten(0, 1)), 0, nodes.shape[:2]).transpose(0, 1)


def mix_channels(
    x: Tensor,  # [B, N, C_in]
    matrix: Tensor,  # [C_in, C_out]
    add: Tensor | None = None,  # [C_out] or [B, N, C_out]
) -> Tensor:  # [B, N, C_out]
    """x @ matrix for every node, plus ``add``.

    Parameters
    ----------
    x, matrix, add

    Examples
    --------
    >>> import torch
    >>> mix_channels(torch.tensor([[[1.0], [10.0]]]), torch.tensor([[2.0, 3.0]]), torch.ones(2))
    tensor([[[ 3.,  4.],
             [21., 31.]]])
    """
    if add is None:
        return on_rows(lambda rows: rows @ matrix, x)
    start = add if add.dim() == 1 else by_node(add).flatten(0, 1)
    return on_rows(lambda rows: torch.addmm(start, rows, matrix), x)
