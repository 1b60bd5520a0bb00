"""Products of features at both ends of every entry, the gradient of the values of a matrix.

The kernel is ``entry_gradient.cu``.
"""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.kernels.arguments import place
from multiscale_gcn.ops.kernels.launch import multiprocessors
from multiscale_gcn.ops.kernels.number_types import real_type
from multiscale_gcn.ops.neighbour_softmax.on_cuda import SOFTMAX, SOFTMAX_BACKWARD
from multiscale_gcn.ops.sparse_sums.teams_on_cuda import (
    THREADS,
    TeamLaunch,
    check_pattern_size,
    numbers_at_once,
    within_reach,
)

WARP = 32
LANES_OF_ENTRY = 8
"""So many threads have one entry, where its gradient is computed."""


def entry_gradient(
    left: Tensor,  # [B, M, C]
    right: Tensor,  # [B, N, C]
    indptr: Tensor,
    columns: Tensor,
    own: tuple[Tensor, Tensor] | None = None,  # [B, N, C] each
) -> Tensor:  # [nnz]
    """Of entry (i, j) the product <left_i, right_j>; of (i, i) that of both in ``own``.

    In float32 or better.
    """
    return _entry_gradient(left, right, indptr, columns, own, None)[0]


def logit_gradient(
    left: Tensor,  # [B, M, C]
    right: Tensor,  # [B, N, C]
    indptr: Tensor,
    columns: Tensor,
    own: tuple[Tensor, Tensor] | None,
    logits: Tensor,  # [nnz]
) -> tuple[Tensor, Tensor]:  # [nnz], [nnz]
    """What :func:`entry_gradient` gives, through the softmax of every row; and this softmax."""
    return _entry_gradient(left, right, indptr, columns, own, logits)


def _flat(*features: Tensor) -> tuple[Tensor, ...]:
    """The numbers of all graphs as those of one, if they lie so."""
    if any(x.stride(0) != x.shape[2] or x.stride(2) != 1 for x in features):
        return features
    return tuple(x.transpose(0, 1).flatten(1).unsqueeze(0) for x in features)


def _entry_gradient(
    left: Tensor,
    right: Tensor,
    indptr: Tensor,
    columns: Tensor,
    own: tuple[Tensor, Tensor] | None,
    logits: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Of the values, or of the logits, and the softmax of these.

    Where there are few rows, several blocks have parts of the features each, and their sums are
    added up; the softmax is then left to kernels of its own.
    """
    check_pattern_size(indptr, columns)
    left, right = within_reach(left), within_reach(right)
    left_own, right_own = (left, right) if own is None else map(within_reach, own)
    features = _flat(left, right, left_own, right_own)
    left, right, left_own, right_own = features
    batch, _, channels = left.shape
    num_rows, num_entries = indptr.shape[0] - 1, columns.shape[0]
    wide = real_type(left.dtype)
    if num_entries == 0 or batch * channels == 0:
        nothing = left.new_zeros(num_entries, dtype=wide)
        return nothing, nothing if logits is None else SOFTMAX(logits, indptr)
    vector = numbers_at_once(*features)
    packs = _packs(batch, channels, vector)
    slices = -(-batch * channels // (LANES_OF_ENTRY * vector * packs))
    rooms = multiprocessors(left.device.index) * THREADS["entry_gradient"] // WARP
    slices = min(slices, -(-4 * rooms // num_rows))
    fused = logits is not None and slices == 1
    gradient = left.new_empty((slices, num_entries), dtype=wide)
    shares = left.new_empty(num_entries if fused else 0, dtype=wide)
    launch = TeamLaunch.divide("entry_gradient", num_rows, slices, WARP, left.device.index)
    launch(
        (
            gradient,
            shares if fused else None,
            *(number for x in features for number in place(x)),
            logits if fused else None,
            indptr,
            columns,
            num_rows,
            num_entries,
            launch.rows_of_tile,
            batch,
            channels,
        ),
        left,
        VECTOR=vector,
        PACKS=packs,
        SOFTMAX=int(fused),
        OWN=int(own is not None),
    )
    total = gradient.sum(0) if slices > 1 else gradient[0]
    if fused or logits is None:
        return total, shares
    shares = SOFTMAX(logits, indptr)
    return SOFTMAX_BACKWARD(total, shares, indptr), shares


def _packs(batch: int, channels: int, vector: int) -> int:
    """Of ``vector`` numbers, that a thread has of one entry: they belong to the same graph."""
    step = LANES_OF_ENTRY * vector
    most = next((packs for packs in (1, 2) if step * packs >= batch * channels), 4)
    while most > 1 and batch > 1 and channels % (step * most):
        most //= 2
    return most
