"""Graph convolution in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.epilogue import finish
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.layout import mix_channels
from multiscale_gcn.ops.neighbour_softmax.dispatch import neighbour_softmax
from multiscale_gcn.ops.propagate.dispatch import propagate


def plain_layer(layer: LayerArguments) -> Tensor:  # [B, N, C_out]
    values = layer.mixing
    if layer.softmax:
        values = neighbour_softmax(values, layer.pattern, backend="torch")
    y = _mixed(layer.x, values, layer.weight, layer.bias, layer.pattern)
    return finish(y, layer.norm, layer.relu)


def _mixed(
    x: Tensor, values: Tensor, weight: Tensor, bias: Tensor | None, pattern: Pattern
) -> Tensor:
    """Mixing is done on the narrower side of the weight matrix."""
    own_share, others = None, values
    if weight.shape[0] == 2:
        own_share = values.index_select(-1, pattern.diagonal)
        own_share = own_share.unsqueeze(-1) if values.dim() == 1 else own_share.t()
        others = values.index_fill(-1, pattern.diagonal, 0.0)
    if values.dim() == 1 and weight.shape[1] <= weight.shape[2]:
        result = bias
        if own_share is not None:
            result = mix_channels(x * own_share.to(x.dtype), weight[0], result)
        return mix_channels(
            propagate(x, others.to(x.dtype), pattern, backend="torch"), weight[-1], result
        )
    projected = mix_channels(x, weight[-1])
    result = propagate(projected, others.to(projected.dtype), pattern, backend="torch")
    if own_share is not None:
        own = mix_channels(x, weight[0])
        result = torch.addcmul(result, own, own_share.to(own.dtype))
    return result if bias is None else result + bias.to(result.dtype)
