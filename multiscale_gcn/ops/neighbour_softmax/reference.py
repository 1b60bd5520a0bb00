"""Softmax of the entries of every row, as it is defined."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.operand_checks import check_logits


def neighbour_softmax_reference(
    logits: Tensor,  # [..., nnz]
    pattern: Pattern,
) -> Tensor:  # [..., nnz]
    """The specification: one softmax a row, in a loop.

    Parameters
    ----------
    logits, pattern
        As in :func:`neighbour_softmax`.

    Raises
    ------
    TypeError, ValueError
        As there.

    See Also
    --------
    neighbour_softmax : softmax over neighbours

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0]))
    >>> neighbour_softmax_reference(torch.zeros(4), pattern.entries)
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    check_logits(logits, pattern)
    sizes = pattern.indptr.diff().tolist()
    return torch.cat([row.softmax(-1) for row in torch.split(logits, sizes, dim=-1)], dim=-1)
