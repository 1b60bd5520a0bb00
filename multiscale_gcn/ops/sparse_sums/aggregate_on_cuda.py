"""Sums of features over the neighbours of every node: ``aggregate.cu``."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.epilogue import Normalisation, finish
from multiscale_gcn.ops.kernels.arguments import norm_arguments, place
from multiscale_gcn.ops.kernels.number_types import real, real_type
from multiscale_gcn.ops.sparse_sums.teams_on_cuda import (
    TeamLaunch,
    check_pattern_size,
    numbers_at_once,
    within_reach,
)

LARGEST_GRID_Y = 65535
MOST_FINISHED_CHANNELS = 8192
"""So many fit into the table that a block makes for bias and normalisation."""


def aggregate_neighbours(
    own: Tensor | None,  # [B, N, C]
    others: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz]
    indptr: Tensor,
    columns: Tensor,
    places: Tensor | None = None,
    *,
    softmax: bool = False,
    apart: bool = False,
    bias: Tensor | None = None,
    norm: Normalisation | None = None,
    relu: bool = False,
) -> Tensor:  # [B, M, C], or [B, M, 2 C]
    """y_i = f(v_ii own_i + sum over the others of v_ij others_j + bias).

    Parameters
    ----------
    own : Tensor, optional
        Without it all entries are alike, and the matrix need not be square.
    others, values, indptr, columns
    places : Tensor, optional
        Where the value of every entry stands.
    softmax : bool
        The values are the softmax of what is given, over every row.
    apart : bool
        v_ii own_i and the sum over the others, side by side.
    bias, norm, relu
        f is the batch normalisation and ReLU, as far as asked for.
    """
    check_pattern_size(indptr, columns)
    batch, _, channels = others.shape
    num_rows = indptr.shape[0] - 1
    others, values = within_reach(others), values.to(real_type(others.dtype)).contiguous()
    own = others if own is None else within_reach(own)
    y = others.new_empty((num_rows, batch, channels * (1 + apart))).transpose(0, 1)
    if y.numel() == 0:
        return y
    inside = channels <= MOST_FINISHED_CHANNELS
    finishes = inside and (bias is not None or norm is not None or relu)
    vector = numbers_at_once(others, own, y[..., :channels])
    lanes = _lanes(batch * channels, vector)
    slices = min(-(-batch * channels // (lanes * vector)), LARGEST_GRID_Y)
    launch = TeamLaunch.divide("aggregate", num_rows, slices, lanes, others.device.index)
    launch(
        (
            *place(y),
            *place(own),
            *place(others),
            values,
            indptr,
            columns,
            places,
            num_rows,
            launch.rows_of_tile,
            batch,
            channels,
            real(bias if inside else None, others),
            *norm_arguments(norm if inside else None, others),
            int(relu and inside),
        ),
        others,
        2 * channels * values.element_size() if finishes else 0,
        VECTOR=vector,
        SOFTMAX=int(softmax),
        OWN=2 if apart else int(own is not others),
        PLACES=int(places is not None),
    )
    if inside:
        return y
    return finish(y if bias is None else y + bias.to(y.dtype), norm, relu)


def _lanes(width: int, vector: int) -> int:
    return next((lanes for lanes in (8, 16) if width <= lanes * vector), 32)
