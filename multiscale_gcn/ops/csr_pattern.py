"""Where the entries of a sparse matrix stand, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def num_rows(self) -> int:
        return shape_of(self)[0]

    @property
    def num_columns(self) -> int:
        return shape_of(self)[1]

    @property
    def back_indptr(self) -> Tensor:
        return self.indptr

    @property
    def back_columns(self) -> Tensor:
        return self.columns


class CrossPattern(NamedTuple):
    """A CSR pattern of M x N between the nodes of two graphs, with that of its transpose.

    Values on it are tensors as on a :class:`Pattern`, which has all of its attributes.
    :class:`multiscale_gcn.nn.MatrixPattern` makes one from a sparse matrix.
    """

    indptr: Tensor  # [M + 1] int64
    rows: Tensor  # [nnz] int64, increasing
    columns: Tensor  # [nnz] int64, increasing within a row
    back_indptr: Tensor  # [N + 1] int64, of the transpose
    back_columns: Tensor  # [nnz] int64, of the transpose: rows of this pattern
    mirror: Tensor  # [nnz] int64: the place here of every entry of the transpose

    @property
    def num_rows(self) -> int:
        return shape_of(self)[0]

    @property
    def num_columns(self) -> int:
        return shape_of(self)[1]


def shape_of(pattern: Pattern | CrossPattern) -> tuple[int, int]:
    """Rows and columns. ``torch.compile`` of PyTorch 2.7 follows no property of a named tuple."""
    ends = pattern.indptr if isinstance(pattern, Pattern) else pattern.back_indptr
    return pattern.indptr.shape[0] - 1, ends.shape[0] - 1


def as_pattern(tensors: Sequence[Tensor]) -> Pattern | CrossPattern:
    """The pattern that was spread over the arguments of a function."""
    square = len(tensors) == len(Pattern._fields)
    return Pattern(*tensors) if square else CrossPattern(*tensors)
