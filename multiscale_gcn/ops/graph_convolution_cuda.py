"""Graph convolution on CUDA devices, as operators of PyTorch.

On Hopper, graphs of up to 128 nodes take one kernel for the whole layer
(``whole_layer_cuda.py``), and one for all its gradients (``whole_layer_backward_cuda.py``). All
else is a matrix product of PyTorch beside kernels for neighbours (``layer_parts_cuda.py``).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops._launch import define
from multiscale_gcn.ops.arguments_cuda import empty_by_node, empty_gradients
from multiscale_gcn.ops.layer_parts_cuda import parts_backward, parts_forward
from multiscale_gcn.ops.normalisation import Normalisation
from multiscale_gcn.ops.pattern import Pattern
from multiscale_gcn.ops.whole_layer_backward_cuda import whole_layer_backward
from multiscale_gcn.ops.whole_layer_cuda import has_whole_layer, whole_layer


def _capability(x: Tensor) -> tuple[int, int]:
    return torch.cuda.get_device_capability(x.device)


def _takes_whole_layer(x: Tensor, given: Tensor, out_channels: int) -> bool:
    batch, nodes, in_channels = x.shape
    if given.dim() == 2 or batch == 0:
        return False
    return has_whole_layer(_capability(x), x.dtype, nodes, in_channels, out_channels)


def _forward(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: list[Tensor],
    norm: list[Tensor | None],
    epsilon: float,
    softmax: bool,
    relu: bool,
) -> Tensor:
    matrix = Pattern(*pattern)
    normalisation = Normalisation(*norm, epsilon) if norm else None  # type: ignore[arg-type, call-arg]
    with torch.autocast("cuda", enabled=False):
        if _takes_whole_layer(x, given, weight.shape[2]):
            return whole_layer(x, given, weight, bias, matrix, normalisation, softmax, relu)
        return parts_forward(x, given, weight, bias, matrix, normalisation, softmax, relu)


def _forward_fake(x: Tensor, given: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    return empty_by_node(x, weight.shape[2])


def _backward(
    gradient: Tensor,
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    pattern: list[Tensor],
    softmax: bool,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    arguments = (gradient, x, given, weight, Pattern(*pattern), softmax, needs)
    with torch.autocast("cuda", enabled=False):
        if _takes_whole_layer(x, given, weight.shape[2]):
            found = whole_layer_backward(*arguments)
            if found is not None:
                return found
        return parts_backward(*arguments)


def _backward_fake(
    gradient: Tensor,
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    pattern: list[Tensor],
    softmax: bool,
    needs: list[bool],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return empty_gradients(x, given, weight, needs)


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


class GraphConvolution(torch.autograd.Function):
    """Saves its arguments alone: the backward pass needs nothing that the forward pass made."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        given: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        softmax: bool,
        *pattern: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(x, given, weight, *pattern)
        ctx.softmax = softmax
        result: Tensor = FORWARD(x, given, weight, bias, pattern, [], 0.0, softmax, False)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, given, weight, *pattern = ctx.saved_tensors
        needs = list(ctx.needs_input_grad[:4])
        found = BACKWARD(gradient, x, given, weight, pattern, ctx.softmax, needs)
        gradients = (g if need else None for g, need in zip(found, needs, strict=True))
        return (*gradients, None, *(None for _ in pattern))
