"""Graph convolution, as it is defined."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments, check_layer
from multiscale_gcn.ops.operand_checks import check_one_type


def graph_convolution_reference(
    x: Tensor,  # [B, N, C_in]
    values: Tensor,  # [nnz] or [C_out, nnz]
    weight: Tensor,  # [1 or 2, C_in, C_out]
    bias: Tensor | None,  # [C_out]
    pattern: Pattern,
) -> Tensor:  # [B, N, C_out]
    """The specification: y_i = sum_j values_ij x_j W + b, entry by entry.

    With two weight matrices, the first is used where i = j and the second everywhere else.

    Parameters
    ----------
    x, values, weight, bias, pattern
        As in :func:`graph_convolution`.

    Raises
    ------
    TypeError, ValueError
        As there.

    See Also
    --------
    graph_convolution : a convolution on any pattern

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> x, weight = torch.tensor([[[1.0], [10.0]]]), torch.tensor([[[1.0]], [[3.0]]])
    >>> graph_convolution_reference(x, torch.ones(4), weight, None, pattern)
    tensor([[[31.],
             [13.]]])
    """
    check_layer(LayerArguments(x, values, weight, bias, pattern, False))
    check_one_type(x=x, weight=weight)
    rows = [x.new_zeros(x.shape[0], weight.shape[2]) for _ in range(pattern.num_nodes)]
    entries = zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True)
    for entry, (i, j) in enumerate(entries):
        matrix = weight[0] if i == j else weight[-1]
        rows[i] = rows[i] + values[..., entry] * (x[:, j] @ matrix)
    result = torch.stack(rows, dim=1)
    return result if bias is None else result + bias
