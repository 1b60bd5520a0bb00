"""A convolution with weight matrices and a bias, which an operator mixes with neighbours."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import flag
from multiscale_gcn.nn.convolution_contract import ConvolutionLayer
from multiscale_gcn.nn.layer_calls import LayerCalls, Place
from multiscale_gcn.nn.layer_checks import check_features, positive
from multiscale_gcn.nn.onlookers import runs_as
from multiscale_gcn.nn.pattern_buffers import GraphPattern
from multiscale_gcn.ops import Normalisation
from multiscale_gcn.ops.learning import ConvolutionStep


class WeightedConvolution(ConvolutionLayer):
    """The pattern, the weight matrices and the bias; a normalisation may be taken along."""

    bias: Tensor | None

    def __init__(
        self, in_channels: int, out_channels: int, graph: Any, matrices: int, bias: bool
    ) -> None:
        super().__init__()
        self.in_channels = positive(in_channels, "in_channels")
        self.out_channels = positive(out_channels, "out_channels")
        with_bias = flag(bias, "bias")
        self.pattern: GraphPattern = GraphPattern(graph)
        self._calls = LayerCalls()
        self.weight: nn.Parameter = nn.Parameter(
            torch.empty(matrices, self.in_channels, self.out_channels)
        )
        if with_bias:
            self.bias = nn.Parameter(torch.empty(self.out_channels))
        else:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        """Uniform weights of variance 2 / C_in, so that a ReLU behind keeps the size of features.

        He et al. 2015. The bias is uniform(+-1 / sqrt(C_in)), as nn.Linear's.
        """
        bound = math.sqrt(6 / self.in_channels)
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_channels)
            nn.init.uniform_(self.bias, -bound, bound)

    @torch.no_grad()
    def scale_parameters(self, factor: float) -> None:
        self.weight.mul_(factor)
        if self.bias is not None:
            self.bias.mul_(factor)

    @abstractmethod
    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        """The operator, of features that fit."""

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
        norm: Normalisation | None = None,
        relu: bool = False,
    ) -> Tensor:  # [B, N, C_out]
        """The convolution; then, if asked for, a normalisation with known statistics and a ReLU."""
        if not isinstance(relu, bool) or not _is_normalisation(norm):
            return self._checked(x, norm, relu)
        statistics = () if norm is None else norm[:4]
        tensors = [x, *(tensor for tensor in statistics if tensor is not None)]
        absent = [tensor is None for tensor in statistics]
        constants = (relu, *absent, None if norm is None else norm.epsilon)
        alone = norm is None and not relu
        result: Tensor = self._calls(
            self,
            lambda: self._checked(x, norm, relu),
            tensors,
            constants,
            self._as_step if alone else None,
        )
        return result

    def _as_step(self, place: Place) -> ConvolutionStep | None:
        """What it is in training, if it is one step of kernels."""
        return None

    def _checked(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        check_features(x, self.pattern.num_nodes, self.in_channels)
        return self.convolve(x, norm, relu)

    def extra_repr(self) -> str:
        without_bias = "" if self.bias is not None else ", bias=False"
        return f"{self.in_channels}, {self.out_channels}{without_bias}"


def _is_normalisation(norm: Any) -> bool:
    return norm is None or (isinstance(norm, Normalisation) and isinstance(norm.epsilon, float))


def takes_normalisation(convolution: nn.Module) -> bool:
    """Whether its forward takes one along, and no hook waits for what lies between them.

    A forward of a subclass's own need not take one.
    """
    return runs_as(convolution, WeightedConvolution)
