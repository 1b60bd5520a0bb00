"""How features lie in memory: [B, N, C] by shape, node by node wherever an operator wrote them.

Mixing nodes is then one product of an N x N matrix with N x (B C) numbers, and mixing channels
one product of (N B) x C numbers with a C x C matrix: no operator has to move anything. A tensor
that lies batch by batch is moved once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from multiscale_gcn.ops.operand_checks import (
    check_features,
    check_one_type,
    check_operands,
)


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

    Raises
    ------
    TypeError
        For what is no tensor.
    ValueError
        For shapes that do not fit, several devices, and types that autocast does not make one.

    See Also
    --------
    mix_channels : a matrix product over channels

    Examples
    --------
    >>> import torch
    >>> mix_nodes(torch.tensor([[1.0, 2.0]]), torch.tensor([[[1.0], [10.0]]]))
    tensor([[[21.]]])
    """
    _check(matrix, x, add)
    if matrix.dim() != 2 or matrix.shape[1] != x.shape[1]:
        raise ValueError(
            f"matrix has shape {list(matrix.shape)}, expected [M, {x.shape[1]}]: one column for "
            "each node of x"
        )
    shape = (x.shape[0], matrix.shape[0], x.shape[2])
    if add is not None and add.shape != shape:
        raise ValueError(f"add has shape {list(add.shape)}, expected {list(shape)}")
    return rows_mixed(matrix, x, add)


def rows_mixed(matrix: Tensor, x: Tensor, add: Tensor | None = None) -> Tensor:
    """:func:`mix_nodes` of what fits."""
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

    Raises
    ------
    TypeError, ValueError
        If ``x`` is no tensor of shape [B, N, C_in].

    Examples
    --------
    >>> import torch
    >>> on_rows(torch.nn.Linear(3, 5), torch.zeros(8, 17, 3)).shape
    torch.Size([8, 17, 5])
    """
    check_features(x)
    return _on_rows(function, x)


def _on_rows(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
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

    Raises
    ------
    TypeError
        For what is no tensor.
    ValueError
        For shapes that do not fit, several devices, and types that autocast does not make one.

    See Also
    --------
    mix_nodes : a matrix product over nodes

    Examples
    --------
    >>> import torch
    >>> mix_channels(torch.tensor([[[1.0], [10.0]]]), torch.tensor([[2.0, 3.0]]), torch.ones(2))
    tensor([[[ 3.,  4.],
             [21., 31.]]])
    """
    _check(matrix, x, add)
    if matrix.dim() != 2 or matrix.shape[0] != x.shape[2]:
        raise ValueError(
            f"matrix has shape {list(matrix.shape)}, expected [{x.shape[2]}, C_out]: one row for "
            "each channel of x"
        )
    shape = (*x.shape[:2], matrix.shape[1])
    if add is not None and tuple(add.shape) not in (shape, shape[2:]):
        raise ValueError(
            f"add has shape {list(add.shape)}, expected {list(shape)} or {list(shape[2:])}"
        )
    return channels_mixed(x, matrix, add)


def channels_mixed(x: Tensor, matrix: Tensor, add: Tensor | None = None) -> Tensor:
    """:func:`mix_channels` of what fits."""
    if add is None:
        return _on_rows(lambda rows: rows @ matrix, x)
    start = add if add.dim() == 1 else by_node(add).flatten(0, 1)
    return _on_rows(lambda rows: torch.addmm(start, rows, matrix), x)


def _check(matrix: Tensor, x: Tensor, add: Tensor | None) -> None:
    operands = {"x": x, "matrix": matrix}
    if add is not None:
        operands["add"] = add
    check_operands(**operands)
    check_features(x)
    check_one_type(**operands)
