"""Where the entries of a sparse symmetric matrix stand, as tensors."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Pattern(NamedTuple):
    """A symmetric CSR pattern with a full diagonal, for the operators of this package.

    Values on a pattern are tensors of shape (nnz,), or (channels, nnz) for one matrix a channel.
    :class:`multiscale_gcn.nn.GraphPattern` makes one from a graph.
    """

    indptr: Tensor  # [N + 1] int64
    rows: Tensor  # [nnz] int64, increasing
    columns: Tensor  # [nnz] int64, increasing within a row
    diagonal: Tensor  # [N] int64: the place of entry (i, i)
    mirror: Tensor  # [nnz] int64: the place of entry (j, i) for every entry (i, j)

    @property
    def num_nodes(self) -> int:
        return self.diagonal.shape[0]
