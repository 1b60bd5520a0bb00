"""Graph convolution on CUDA devices, as operators of PyTorch.

Graphs of up to 128 nodes take one kernel for the whole layer, and one for all its gradients
(``whole_layer``). All else is a matrix product of PyTorch beside kernels for neighbours
(``layer_parts``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.epilogue import Normalisation, finish
from multiscale_gcn.ops.graph_convolution.gradients import LayerGradients, empty_gradients
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments, mixes_per_channel
from multiscale_gcn.ops.graph_convolution.layer_parts.on_cuda import parts_backward, parts_forward
from multiscale_gcn.ops.graph_convolution.whole_layer.backward_on_cuda import whole_layer_backward
from multiscale_gcn.ops.graph_convolution.whole_layer.on_cuda import whole_layer
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import WholeLayer, whole_layer_form
from multiscale_gcn.ops.kernels.arguments import empty_by_node
from multiscale_gcn.ops.kernels.registration import define


def layer_on_cuda(layer: LayerArguments) -> Tensor:  # [B, N, C_out]
    """Where something learns, normalisation and ReLU are left to PyTorch."""
    x, mixing, weight, bias, pattern, softmax, norm, relu = layer
    learns = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad
        for tensor in (x, mixing, weight, bias, *(norm[:4] if norm else ()))
    )
    if not learns:
        statistics, epsilon = (list(norm[:4]), norm.epsilon) if norm else ([], 0.0)
        result: Tensor = FORWARD(
            x, mixing, weight, bias, pattern, statistics, epsilon, softmax, relu
        )
        return result
    result = _GraphConvolutionOnCuda.apply(x, mixing, weight, bias, softmax, *pattern)
    return finish(result, norm, relu)


def _form_of(layer: LayerArguments) -> WholeLayer | None:
    batch, nodes, in_channels = layer.x.shape
    if mixes_per_channel(layer) or batch == 0:
        return None
    capability = torch.cuda.get_device_capability(layer.x.device)
    out_channels = layer.weight.shape[2]
    return whole_layer_form(capability, layer.x.dtype, nodes, in_channels, out_channels)


def _forward(
    x: Tensor,
    mixing: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: list[Tensor],
    norm: list[Tensor | None],
    epsilon: float,
    softmax: bool,
    relu: bool,
) -> Tensor:
    normalisation = Normalisation(*norm, epsilon) if norm else None  # type: ignore[arg-type, call-arg]
    layer = LayerArguments(x, mixing, weight, bias, Pattern(*pattern), softmax, normalisation, relu)
    with torch.autocast("cuda", enabled=False):
        form = _form_of(layer)
        return parts_forward(layer) if form is None else whole_layer(layer, form)


def _forward_fake(x: Tensor, mixing: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    return empty_by_node(x, weight.shape[2])


def _backward(
    gradient: Tensor,
    x: Tensor,
    mixing: Tensor,
    weight: Tensor,
    pattern: list[Tensor],
    softmax: bool,
    needs: list[bool],
) -> LayerGradients:
    layer = LayerArguments(x, mixing, weight, None, Pattern(*pattern), softmax)
    with torch.autocast("cuda", enabled=False):
        form = _form_of(layer)
        if form is not None:
            found = whole_layer_backward(layer, gradient, needs, form)
            if found is not None:
                return found
        return parts_backward(layer, gradient, needs)


def _backward_fake(
    gradient: Tensor,
    x: Tensor,
    mixing: Tensor,
    weight: Tensor,
    pattern: list[Tensor],
    softmax: bool,
    needs: list[bool],
) -> LayerGradients:
    layer = LayerArguments(x, mixing, weight, None, Pattern(*pattern), softmax)
    return empty_gradients(layer, needs)


FORWARD = define(
    "graph_convolution(Tensor x, Tensor given, Tensor weight, Tensor? bias, Tensor[] pattern, "
    "Tensor?[] norm, float epsilon, bool softmax, bool relu) -> Tensor",
    cuda=_forward,
    fake=_forward_fake,
)
BACKWARD = define(
    "graph_convolution_backward(Tensor gradient, Tensor x, Tensor given, Tensor weight, "
    "Tensor[] pattern, bool softmax, bool[] needs) -> (Tensor, Tensor, Tensor, Tensor)",
    cuda=_backward,
    fake=_backward_fake,
)


class _GraphConvolutionOnCuda(DifferentiableFunction):
    """Saves its arguments alone: the backward pass needs nothing that the forward pass made."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        mixing: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        softmax: bool,
        *pattern: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x, mixing, weight, *pattern)
        ctx.softmax = softmax
        result: Tensor = FORWARD(x, mixing, weight, bias, pattern, [], 0.0, softmax, False)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mixing, weight, *pattern = ctx.saved_tensors
        needs = list(ctx.needs_input_grad[:4])
        found = BACKWARD(gradient, x, mixing, weight, pattern, ctx.softmax, needs)
        gradients = (g if need else None for g, need in zip(found, needs, strict=True))
        return (*gradients, None, *(None for _ in pattern))
