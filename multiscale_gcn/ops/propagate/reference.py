"""Product of a sparse matrix with features, as it is defined."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern
from multiscale_gcn.ops.operand_checks import check_product


def propagate_reference(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz] or [C, nnz]
    pattern: Pattern | CrossPattern,
) -> Tensor:  # [B, M, C]
    """The specification: y_i = sum_j values_ij x_j, entry by entry.

    Parameters
    ----------
    x, values, pattern
        As in :func:`propagate`.

    Raises
    ------
    TypeError, ValueError
        As there.

    See Also
    --------
    propagate : a sparse matrix times features

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> x, values = torch.tensor([[[1.0], [10.0]]]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> propagate_reference(x, values, pattern)
    tensor([[[21.],
             [43.]]])
    """
    check_product(x, values, pattern)
    rows = [x.new_zeros(x.shape[0], x.shape[2]) for _ in range(pattern.num_rows)]
    entries = zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True)
    for entry, (i, j) in enumerate(entries):
        rows[i] = rows[i] + values[..., entry] * x[:, j]
    return torch.stack(rows, dim=1)
