"""Graph convolution: features times a weight matrix, mixed between neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.layout import mix_channels
from multiscale_gcn.ops.pattern import Pattern
from multiscale_gcn.ops.propagate import propagate


def graph_convolution_reference(
    x: Tensor,  # [B, N, C_in]
    values: Tensor,  # [nnz] or [C_out, nnz]
    weight: Tensor,  # [1 or 2, C_in, C_out]
    bias: Tensor | None,  # [C_out]
    pattern: Pattern,
) -> Tensor:  # [B, N, C_out]
    """The specification: y_i = sum_j values_ij x_j W + b, entry by entry.

    With two weight matrices, the first is used where i = j and the second everywhere else.
    """
    rows = [x.new_zeros(x.shape[0], weight.shape[2]) for _ in range(pattern.num_nodes)]
    entries = zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True)
    for entry, (i, j) in enumerate(entries):
        matrix = weight[0] if i == j else weight[-1]
        rows[i] = rows[i] + values[..., entry] * (x[:, j] @ matrix)
    result = torch.stack(rows, dim=1)
    return result if bias is None else result + bias


def graph_convolution(
    x: Tensor,  # [B, N, C_in]
    values: Tensor,  # [nnz] or [C_out, nnz]
    weight: Tensor,  # [1 or 2, C_in, C_out]
    bias: Tensor | None,  # [C_out]
    pattern: Pattern,
) -> Tensor:  # [B, N, C_out]
    """Mix features between neighbours and multiply them with a weight matrix.

    y_i = sum_j values_ij x_j W + b. With two weight matrices, a node's own features are multiplied
    with the first and those of its neighbours with the second. Mixing is done on the narrower side
    of the weight matrix.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> x, weight = torch.tensor([[[1.0], [10.0]]]), torch.tensor([[[1.0]], [[3.0]]])
    >>> graph_convolution(x, torch.ones(4), weight, None, pattern)
    tensor([[[31.],
             [13.]]])
    """
    own_share, others = None, values
    if weight.shape[0] == 2:
        own_share = values.index_select(-1, pattern.diagonal)
        own_share = own_share.unsqueeze(-1) if values.dim() == 1 else own_share.t()
        others = values.index_fill(-1, pattern.diagonal, 0.0)
    if values.dim() == 1 and weight.shape[1] <= weight.shape[2]:
        result = bias
        if own_share is not None:
            result = mix_channels(x * own_share.to(x.dtype), weight[0], result)
        return mix_channels(propagate(x, others.to(x.dtype), pattern), weight[-1], result)
    projected = mix_channels(x, weight[-1])
    result = propagate(projected, others.to(projected.dtype), pattern)
    if own_share is not None:
        own = mix_channels(x, weight[0])
        result = torch.addcmul(result, own, own_share.to(own.dtype))
    return result if bias is None else result + bias.to(result.dtype)
