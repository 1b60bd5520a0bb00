"""Batch normalisation with known statistics on CUDA devices: ``known_statistics.cu``."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.kernels.arguments import empty_by_node
from multiscale_gcn.ops.kernels.launch import kernels_of
from multiscale_gcn.ops.kernels.number_types import DTYPES, real
from multiscale_gcn.ops.kernels.registration import define
from multiscale_gcn.ops.layout import by_node

KERNELS = "batch_norm/known_statistics.cu"
THREADS, LANES, ROWS = 256, 32, 32


def known_batch_norm(
    x: Tensor,  # [B, N, C]
    norm: Normalisation,
    *,
    before: Tensor | None = None,  # [C]
    relu: bool = False,
    add: Tensor | None = None,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """f(norm(x + before)) + add, without a gradient; f is ReLU or nothing."""
    result: Tensor = KNOWN(x, before, *norm[:4], add, norm.epsilon, relu)
    return result


def _known(
    x: Tensor,
    before: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    add: Tensor | None,
    epsilon: float,
    relu: bool,
) -> Tensor:
    batch, nodes, channels = x.shape
    y = empty_by_node(x, channels)
    rows = by_node(x).transpose(0, 1)
    more = None if add is None else by_node(add.to(x.dtype)).transpose(0, 1)
    known = [real(tensor, x) for tensor in (before, mean, variance, weight, bias)]
    grid = (-(-batch * nodes // ROWS), -(-channels // LANES))
    options = {"THREADS": THREADS, "LANES": LANES, "ROWS": ROWS}
    kernels = kernels_of(KERNELS, ELEMENT=DTYPES[x.dtype], **options)
    arguments = (y, rows, more, *known, float(epsilon), int(relu), batch * nodes, channels)
    kernels.launch("normalise_known", grid, (THREADS,), arguments, x.device)
    return y


def _known_fake(x: Tensor, *rest: Any) -> Tensor:
    return empty_by_node(x, x.shape[2])


KNOWN = define(
    "batch_norm_known(Tensor x, Tensor? before, Tensor mean, Tensor variance, Tensor? weight, "
    "Tensor? bias, Tensor? add, float epsilon, bool relu) -> Tensor",
    cuda=_known,
    fake=_known_fake,
)
