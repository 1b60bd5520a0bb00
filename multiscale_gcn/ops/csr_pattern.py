"""Where the entries of a sparse matrix stand, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Pattern(NamedTuple):
    """A symmetric CSR pattern with a full diagonal, for the operators of this package.

    Values on a pattern are tensors of shape (nnz,), or (channels, nnz) for one matrix a channel.
    :class:`multiscale_gcn.nn.GraphPattern` makes one from a graph.

    Parameters
    ----------
    indptr : Tensor of int64, shape (N + 1,)
    rows, columns : Tensor of int64, shape (nnz,)
        Row by row, with columns that rise within a row.
    diagonal : Tensor of int64, shape (N,)
        The place of entry (i, i).
    mirror : Tensor of int64, shape (nnz,)
        The place of entry (j, i) for every entry (i, j).

    See Also
    --------
    CrossPattern : the entries of any matrix
    propagate : a sparse matrix times features

    Examples
    --------
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> pattern.rows.tolist(), pattern.columns.tolist(), pattern.mirror.tolist()
    ([0, 0, 1, 1], [0, 1, 0, 1], [0, 2, 1, 3])
    >>> pattern.num_nodes
    2
    """

    indptr: Tensor
    rows: Tensor
    columns: Tensor
    diagonal: Tensor
    mirror: Tensor

    @property
    def num_nodes(self) -> int:
        """N."""
        return self.diagonal.shape[0]

    @property
    def num_rows(self) -> int:
        """N, as of a :class:`CrossPattern`."""
        return shape_of(self)[0]

    @property
    def num_columns(self) -> int:
        """N, as of a :class:`CrossPattern`."""
        return shape_of(self)[1]

    @property
    def back_indptr(self) -> Tensor:
        """Of the transpose, which has the same pattern."""
        return self.indptr

    @property
    def back_columns(self) -> Tensor:
        """Of the transpose, which has the same pattern."""
        return self.columns


class CrossPattern(NamedTuple):
    """A CSR pattern of M x N between the nodes of two graphs, with that of its transpose.

    Values on it are tensors as on a :class:`Pattern`, which has all of its attributes.
    :class:`multiscale_gcn.nn.MatrixPattern` makes one from a sparse matrix.

    Parameters
    ----------
    indptr : Tensor of int64, shape (M + 1,)
    rows, columns : Tensor of int64, shape (nnz,)
        Row by row, with columns that rise within a row.
    back_indptr : Tensor of int64, shape (N + 1,)
        Of the transpose.
    back_columns : Tensor of int64, shape (nnz,)
        Of the transpose: rows of this pattern.
    mirror : Tensor of int64, shape (nnz,)
        The place here of every entry of the transpose.

    See Also
    --------
    Pattern : the entries of a square matrix
    joined_map : the maps before it

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from multiscale_gcn.nn import MatrixPattern
    >>> pattern = MatrixPattern(sp.csr_array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])).entries
    >>> pattern.num_rows, pattern.num_columns, pattern.columns.tolist()
    (2, 3, [0, 1, 2])
    """

    indptr: Tensor
    rows: Tensor
    columns: Tensor
    back_indptr: Tensor
    back_columns: Tensor
    mirror: Tensor

    @property
    def num_rows(self) -> int:
        """M."""
        return shape_of(self)[0]

    @property
    def num_columns(self) -> int:
        """N."""
        return shape_of(self)[1]


def shape_of(pattern: Pattern | CrossPattern) -> tuple[int, int]:
    """Rows and columns. ``torch.compile`` of PyTorch 2.7 follows no property of a named tuple."""
    ends = pattern.indptr if isinstance(pattern, Pattern) else pattern.back_indptr
    return pattern.indptr.shape[0] - 1, ends.shape[0] - 1


def as_pattern(tensors: Sequence[Tensor]) -> Pattern | CrossPattern:
    """The pattern that was spread over the arguments of a function."""
    square = len(tensors) == len(Pattern._fields)
    return Pattern(*tensors) if square else CrossPattern(*tensors)
