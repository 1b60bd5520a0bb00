"""Learned linear maps over the node axis, from one graph to another."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.nn.graph_buffers import GraphBuffers
from multiscale_gcn.nn.layer_checks import check_sparse
from multiscale_gcn.nn.pattern_buffers import MatrixPattern, as_buffer
from multiscale_gcn.ops import mix_nodes, propagate


class DenseMap(nn.Linear):
    """One weight for every pair of nodes, and a bias for every node of the target.

    Parameters
    ----------
    in_features, out_features : int
        Number of nodes of the source and of the target.

    See Also
    --------
    SparseMap : a map on the entries of a matrix
    CrossScaleFusion : learned maps between all scales

    Examples
    --------
    >>> import torch
    >>> DenseMap(17, 48).mix(torch.randn(8, 17, 4), None).shape
    torch.Size([8, 48, 4])
    """

    def mix(
        self,
        x: Tensor,  # [B, N_source, C]
        add: Tensor | None,  # [B, N_target, C]
    ) -> Tensor:  # [B, N_target, C]
        """The map without its bias, plus ``add``."""
        return mix_nodes(self.weight, x, add)


class SparseMap(GraphBuffers):
    """One weight for every entry of a sparse matrix, and a bias for every node of the target.

    It starts as the product with the matrix: the weights are its entries, the biases 0. Time and
    memory grow with the entries.

    Parameters
    ----------
    matrix : scipy.sparse matrix of finite numbers, shape (N_target, N_source)
        Zeros that it stores are weights too.

    Raises
    ------
    ValueError
        If it is no sparse matrix, or holds something else than finite real numbers.

    See Also
    --------
    DenseMap : a full map between nodes
    CrossScaleFusion : learned maps between all scales

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> SparseMap(sp.csr_array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]))
    SparseMap(
      (pattern): MatrixPattern(2 x 3, 3 entries)
    )
    """

    def __init__(self, matrix: Any) -> None:
        super().__init__()
        csr = _checked(matrix)
        self.out_features, self.in_features = csr.shape
        self.pattern: MatrixPattern = MatrixPattern(csr)
        initial = as_buffer(csr.data, torch.get_default_dtype())
        self.register_buffer("initial", initial, persistent=False)
        self.weight: nn.Parameter = nn.Parameter(torch.empty(csr.nnz))
        self.bias: nn.Parameter = nn.Parameter(torch.empty(self.out_features))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The entries of the matrix; biases of 0."""
        with torch.no_grad():
            self.weight.copy_(self.get_buffer("initial"))
        nn.init.zeros_(self.bias)

    def mix(
        self,
        x: Tensor,  # [B, N_source, C]
        add: Tensor | None,  # [B, N_target, C]
    ) -> Tensor:  # [B, N_target, C]
        """The map without its bias, plus ``add``."""
        mixed = propagate(x, self.weight.to(x.dtype), self.pattern.entries)
        return mixed if add is None else add + mixed


def node_map(source: int, target: int, matrix: Any, name: str = "matrix") -> DenseMap | SparseMap:
    """Between scales of so many nodes: dense, on a sparse matrix, or begun from an array."""
    import scipy.sparse as sp

    if matrix is None:
        return DenseMap(source, target)
    if not isinstance(matrix, np.ndarray):
        check_sparse(matrix, name)
    if matrix.shape != (target, source):
        raise ValueError(
            f"{name} has shape {matrix.shape}, expected ({target}, {source}): a row for each node "
            "of the target"
        )
    if sp.issparse(matrix):
        return SparseMap(matrix)
    weights = real_array(matrix, name).astype(np.float64)
    finite = np.isfinite(weights)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise ValueError(
            f"{name}: [{row}, {column}] = {weights[row, column]} must be finite: weights start "
            "from the entries"
        )
    dense = DenseMap(source, target)
    with torch.no_grad():
        dense.weight.copy_(torch.from_numpy(weights))
        dense.bias.zero_()
    return dense


def _checked(matrix: Any) -> Any:  # csr_array of float64, without duplicates
    import scipy.sparse as sp

    check_sparse(matrix, "matrix")
    if matrix.dtype.kind not in "buif":
        raise ValueError(
            f"matrix must hold real numbers, got dtype {matrix.dtype}; convert it "
            "with astype(float)"
        )
    csr = sp.csr_array(matrix, dtype=np.float64, copy=True)
    csr.sum_duplicates()
    finite = np.isfinite(csr.data)
    if not finite.all():
        place = int(np.argmin(finite))
        row = int(np.searchsorted(csr.indptr, place, side="right")) - 1
        raise ValueError(
            f"matrix[{row}, {csr.indices[place]}] = {csr.data[place]} must be finite: weights "
            "start from the entries"
        )
    return csr
