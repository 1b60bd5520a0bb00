"""Softmax of the entries of every row of a sparse matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.backends import Backend
from multiscale_gcn.ops.csr_pattern import Pattern, shape_of
from multiscale_gcn.ops.neighbour_softmax.on_cuda import neighbour_softmax_on_cuda
from multiscale_gcn.ops.selection import FormRules, OperatorCase, add_form_rules, select_form


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
    ValueError
        If ``logits`` does not fit the pattern, or if there is no backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0]))
    >>> neighbour_softmax(torch.zeros(4), pattern.entries)
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    num_nodes, num_entries = shape_of(pattern)[0], pattern.rows.shape[0]
    if logits.dim() == 0 or logits.shape[-1] != num_entries:
        raise ValueError(
            f"logits has shape {list(logits.shape)}, expected [..., {num_entries}]: one "
            "for each entry of the pattern"
        )
    if logits.device.type != "cpu" or backend != "auto":
        case = OperatorCase(logits.device, logits.dtype, num_nodes, 1, 1, logits.shape[-1])
        if select_form("neighbour_softmax", case, backend).name == "cupy":
            return neighbour_softmax_on_cuda(logits, pattern)
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    rows = pattern.rows
    per_row = (*wide.shape[:-1], num_nodes)
    # The shift cancels, so no gradient flows through it.
    highest = wide.new_full(per_row, -torch.inf).scatter_reduce(
        -1, rows.expand(wide.shape), wide.detach(), "amax"
    )
    powers = (wide - highest.index_select(-1, rows)).exp()
    sums = wide.new_zeros(per_row).index_add(-1, rows, powers)
    return (powers / sums.index_select(-1, rows)).to(logits.dtype)


add_form_rules(
    "neighbour_softmax",
    FormRules(
        torch=lambda case: Backend("torch sparse", "entry by entry"),
        cupy=lambda case: Backend("cupy", "one kernel for all rows"),
    ),
)
