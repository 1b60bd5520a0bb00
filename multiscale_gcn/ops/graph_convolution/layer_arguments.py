"""What one application of a layer is made of, which travels from form to form as one value."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.epilogue import Normalisation


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
