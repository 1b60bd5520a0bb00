"""Graph convolution in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.epilogue import finish
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.layout import channels_mixed
from multiscale_gcn.ops.neighbour_softmax.plain import plain_softmax
from multiscale_gcn.ops.operand_checks import check_one_type, given
from multiscale_gcn.ops.propagate.plain import plain_product


def plain_layer(layer: LayerArguments) -> Tensor:  # [B, N, C_out]
    check_one_type(x=layer.x, weight=layer.weight)
    values = layer.mixing
    if layer.softmax:
        values = plain_softmax(values, layer.pattern)
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
        check_one_type(x=x, **given(bias=bias))
        result = bias
        if own_share is not None:
            result = channels_mixed(x * own_share.to(x.dtype), weight[0], result)
        return channels_mixed(plain_product(x, others.to(x.dtype), pattern), weight[-1], result)
    projected = channels_mixed(x, weight[-1])
    result = plain_product(projected, others.to(projected.dtype), pattern)
    if own_share is not None:
        own = channels_mixed(x, weight[0])
        result = torch.addcmul(result, own, own_share.to(own.dtype))
    return result if bias is None else result + bias.to(result.dtype)
