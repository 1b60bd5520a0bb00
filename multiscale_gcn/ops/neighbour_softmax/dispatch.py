"""Softmax of the entries of every row of a sparse matrix."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.backends import Backend
from multiscale_gcn.ops.csr_pattern import Pattern, shape_of
from multiscale_gcn.ops.neighbour_softmax.on_cuda import neighbour_softmax_on_cuda
from multiscale_gcn.ops.neighbour_softmax.plain import plain_softmax
from multiscale_gcn.ops.operand_checks import check_logits
from multiscale_gcn.ops.selection import (
    FormRules,
    OperatorCase,
    add_form_rules,
    is_left_to_pytorch,
    select_form,
)


def neighbour_softmax(
    logits: Tensor,  # [..., nnz]
    pattern: Pattern,
    *,
    backend: str = "auto",
) -> Tensor:  # [..., nnz]
    """Softmax over the entries of every row, as in Zhao et al. 2019, equation 3.

    Time and memory grow with the number of entries. On a CUDA device it is one kernel. Half
    precision is computed in float32.

    Parameters
    ----------
    logits
        One for each entry of the pattern.
    pattern
    backend : {"auto", "torch", "cupy"}
        :func:`select_backend` tells what ``"auto"`` takes.

    Raises
    ------
    TypeError
        For what is no tensor, and for what is no pattern.
    ValueError
        If ``logits`` does not fit the pattern, holds no real numbers, or is on another device, or
        if there is no backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    See Also
    --------
    neighbour_softmax_reference : its definition

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0]))
    >>> neighbour_softmax(torch.zeros(4), pattern.entries)
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    check_logits(logits, pattern)
    if not is_left_to_pytorch(logits.device, backend):
        num_nodes = shape_of(pattern)[0]
        case = OperatorCase(logits.device, logits.dtype, num_nodes, 1, 1, logits.shape[-1])
        if select_form("neighbour_softmax", case, backend).name == "cupy":
            return neighbour_softmax_on_cuda(logits, pattern)
    return plain_softmax(logits, pattern)


add_form_rules(
    "neighbour_softmax",
    FormRules(
        torch=lambda case: Backend("torch sparse", "entry by entry"),
        cupy=lambda case: Backend("cupy", "one kernel for all rows"),
    ),
)
