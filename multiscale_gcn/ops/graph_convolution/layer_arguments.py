"""What one application of a layer is made of, which travels from form to form as one value."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.epilogue import Normalisation, check_normalisation
from multiscale_gcn.ops.operand_checks import (
    check_entry_values,
    check_features_fit,
    check_operands,
    check_pattern,
    check_per_channel,
    check_weight,
    given,
)


class LayerArguments(NamedTuple):
    """The arguments of :func:`graph_convolution`, or of :func:`semgconv` if there is a softmax.

    A named tuple, since ``torch.compile`` follows those of every version.
    """

    x: Tensor  # [B, N, C_in]
    mixing: Tensor  # [nnz] or [C_out, nnz]: the values of the matrix, or logits of its rows
    weight: Tensor  # [1 or 2, C_in, C_out]
    bias: Tensor | None  # [C_out]
    pattern: Pattern
    softmax: bool  # whether ``mixing`` holds logits
    norm: Normalisation | None = None
    relu: bool = False


def mixes_per_channel(layer: LayerArguments) -> bool:
    """Whether there is a matrix for every output channel."""
    return layer.mixing.dim() == 2


def check_layer(layer: LayerArguments) -> None:
    """Refuse arguments that do not fit each other."""
    x, mixing, weight, bias, pattern, softmax, norm, _ = layer
    name, rest = "logits" if softmax else "values", given(bias=bias)
    check_operands(x=x, **{name: mixing}, weight=weight, **rest)
    check_pattern(pattern, x, "x", square=True)
    check_features_fit(x, pattern)
    check_weight(weight, x)
    check_entry_values(mixing, pattern, weight.shape[2], name)
    check_per_channel(weight.shape[2], "the result", **rest)
    if norm is not None:
        check_normalisation(norm, x, weight.shape[2])
