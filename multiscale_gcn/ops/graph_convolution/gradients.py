"""Room for the gradients of a layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.kernels.arguments import empty_by_node
from multiscale_gcn.ops.kernels.number_types import real_type

LayerGradients = tuple[Tensor, Tensor, Tensor, Tensor]
"""Of the features, of the values or logits, of the weights and of the bias."""


def empty_gradients(layer: LayerArguments, needs: Sequence[bool]) -> LayerGradients:
    """Room for the gradients that are needed, and tensors without elements for the others."""
    x, mixing, weight = layer.x, layer.mixing, layer.weight
    return (
        empty_by_node(x, x.shape[2]) if needs[0] else x.new_empty(0),
        mixing.new_empty(mixing.shape) if needs[1] else mixing.new_empty(0),
        weight.new_empty(weight.shape) if needs[2] else weight.new_empty(0),
        x.new_empty(weight.shape[2] if needs[3] else 0, dtype=real_type(x.dtype)),
    )
