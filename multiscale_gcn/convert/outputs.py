"""A graph as objects of other libraries, which are imported when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.libraries import library
from multiscale_gcn.convert.pointers import check_pointers
from multiscale_gcn.convert.values import as_real
from multiscale_gcn.graph import Graph

if TYPE_CHECKING:
    import networkx as nx
    import torch
    from torch import Tensor
    from torch_geometric.data import Data


class GraphTensors(NamedTuple):
    """A graph's arrays as tensors on one device.

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_torch
    >>> to_torch(Graph([0, 1, 2], [1, 0])).edge_index
    tensor([[0, 1],
            [1, 0]])
    """

    indptr: Tensor  # [n + 1] int64
    indices: Tensor  # [nnz] int64
    weights: Tensor  # [nnz]
    node_weights: Tensor  # [n]

    @property
    def edge_index(self) -> Tensor:  # [2, nnz] int64
        """Every stored entry as (row, column), row by row."""
        import torch

        ids = torch.arange(len(self.node_weights), device=self.indptr.device)
        rows = ids.repeat_interleave(self.indptr.diff(), output_size=len(self.indices))
        return torch.stack([rows, self.indices])


def to_networkx(graph: Graph) -> nx.Graph:
    """The graph as a ``networkx.Graph`` with node and edge attribute ``weight``.

    Parameters
    ----------
    graph : Graph

    Returns
    -------
    networkx.Graph

    Raises
    ------
    TypeError
        For anything but a ``Graph``.

    See Also
    --------
    to_pyg : as edges of PyTorch Geometric
    to_torch : as tensors
    to_torch_sparse : as a sparse tensor

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_networkx
    >>> to_networkx(Graph([0, 1, 2], [1, 0])).edges(data=True)
    EdgeDataView([(0, 1, {'weight': 1.0})])
    """
    import networkx as nx

    _check_graph(graph, "to_networkx")
    result = nx.Graph()
    result.add_nodes_from((u, {"weight": w}) for u, w in enumerate(graph.node_weights.tolist()))
    rows = graph.rows()
    once = rows <= graph.indices
    result.add_weighted_edges_from(
        zip(
            rows[once].tolist(),
            graph.indices[once].tolist(),
            graph.weights[once].tolist(),
            strict=True,
        )
    )
    return result


def to_torch(
    graph: Graph,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> GraphTensors:
    """The graph's arrays as tensors: ``indptr``, ``indices``, ``weights``, ``node_weights``.

    Parameters
    ----------
    graph : Graph
    device : torch.device or str, optional
    dtype : torch.dtype, optional
        Of the weights; torch's default, float32 unless you changed it. ``torch.float64`` keeps
        them as they are.

    Returns
    -------
    GraphTensors
        A named tuple of copies, with an ``edge_index`` of shape (2, nnz) besides.

    Raises
    ------
    TypeError
        For anything but a ``Graph``, and for a ``dtype`` that is none of torch.
    ValueError
        If the dtype holds a weight as zero, as infinite or without its fraction, or torch has no
        such device.

    See Also
    --------
    to_networkx : as a graph of networkx
    to_pyg : as edges of PyTorch Geometric
    to_torch_sparse : as a sparse tensor

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_torch
    >>> tensors = to_torch(Graph([0, 1, 2], [1, 0]))
    >>> tensors.edge_index, tensors.weights
    (tensor([[0, 1],
            [1, 0]]), tensor([1., 1.]))
    """
    _check_graph(graph, "to_torch")
    torch = library("torch", "to_torch", "torch")
    device = _device(device)
    return GraphTensors(
        indptr=torch.tensor(graph.indptr, dtype=torch.int64, device=device),
        indices=torch.tensor(graph.indices, dtype=torch.int64, device=device),
        weights=_values(graph.weights, dtype, "weights").to(device),
        node_weights=_values(graph.node_weights, dtype, "node_weights").to(device),
    )


def to_torch_sparse(
    matrix: Any,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """A restriction, a prolongation or a graph's weight matrix as a sparse torch tensor.

    Parameters
    ----------
    matrix : Graph, or scipy sparse matrix or array of shape (m, n)
    device : torch.device or str, optional
    dtype : torch.dtype, optional
        torch's default, float32 unless you changed it.

    Returns
    -------
    Tensor
        Coalesced, in COO format; ``.to_sparse_csr()`` makes CSR of it.

    Raises
    ------
    TypeError
        For anything but a graph or a sparse matrix, and for a ``dtype`` that is none of torch.
    ValueError
        If the dtype holds a value as zero, as infinite or without its fraction, or torch has no
        such device.

    See Also
    --------
    to_networkx : as a graph of networkx
    to_pyg : as edges of PyTorch Geometric
    to_torch : as tensors

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> from multiscale_gcn import coarsen, to_torch_sparse
    >>> hierarchy = coarsen(nx.path_graph(4), sizes=[2])
    >>> to_torch_sparse(hierarchy.restriction(0, 1)) @ torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    tensor([[1.],
            [5.]])
    """
    torch = library("torch", "to_torch_sparse", "torch")
    csr = matrix.to_scipy() if isinstance(matrix, Graph) else _csr(matrix)
    csr.sum_duplicates()
    coo = csr.tocoo()
    tensor: Tensor = torch.sparse_coo_tensor(
        torch.tensor(np.stack([coo.row, coo.col]), dtype=torch.int64),
        _values(coo.data, dtype, "the matrix"),
        coo.shape,
        device=_device(device),
        is_coalesced=True,
        check_invariants=False,
    )
    return tensor


def to_pyg(
    graph: Graph,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Data:
    """The graph as a ``torch_geometric.data.Data``.

    Parameters
    ----------
    graph : Graph
    device : torch.device or str, optional
    dtype : torch.dtype, optional
        Of the weights; torch's default, float32 unless you changed it.

    Returns
    -------
    torch_geometric.data.Data
        With ``edge_index`` of shape (2, nnz), every edge in both directions; ``edge_weight`` of
        shape (nnz,), ``node_weight`` of shape (n,), and ``num_nodes``.

    Raises
    ------
    TypeError
        For anything but a ``Graph``, and for a ``dtype`` that is none of torch.
    ValueError
        If the dtype holds a weight as zero, as infinite or without its fraction, or torch has no
        such device.
    ImportError
        Without torch_geometric, with the line that installs it.

    See Also
    --------
    to_networkx : as a graph of networkx
    to_torch : as tensors
    to_torch_sparse : as a sparse tensor

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_pyg
    >>> to_pyg(Graph([0, 1, 2], [1, 0]))
    Data(edge_index=[2, 2], edge_weight=[2], node_weight=[2], num_nodes=2)
    """
    _check_graph(graph, "to_pyg")
    library("torch", "to_pyg", "pyg")
    geometric = library("torch_geometric.data", "to_pyg", "pyg")
    tensors = to_torch(graph, device=device, dtype=dtype)
    data: Data = geometric.Data(
        edge_index=tensors.edge_index,
        edge_weight=tensors.weights,
        node_weight=tensors.node_weights,
        num_nodes=graph.num_nodes,
    )
    return data


def _check_graph(graph: Any, function: str) -> None:
    if not isinstance(graph, Graph):
        raise TypeError(
            f"{function} takes a Graph, got {type(graph).__name__}; as_graph(...) makes one"
        )


def _csr(matrix: Any) -> Any:
    """A copy in rows, of whatever form."""
    import scipy.sparse as sp

    if not sp.issparse(matrix):
        raise TypeError(
            f"to_torch_sparse takes a Graph or a sparse matrix, got {type(matrix).__name__}; "
            "scipy.sparse.csr_array(...) makes one of an array"
        )
    if matrix.ndim != 2:
        raise ValueError(f"the matrix has shape {matrix.shape}; give one with two axes")
    check_pointers(matrix)
    return matrix.tocsr(copy=True)


def _device(device: Any) -> Any:
    import torch

    if device is None:
        return None
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except Exception:  # what torch raises differs from device to device
        raise ValueError(
            f"device = {shown(device)} is none that torch has here; 'cpu' always is"
        ) from None
    return found


def _values(values: np.ndarray, dtype: Any, name: str) -> Tensor:
    """As torch holds them, by which no value may become another one than by rounding."""
    import torch

    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"dtype = {shown(dtype)} is none of torch; give one such as torch.float32")
    exact = torch.tensor(as_real(values, name))
    tensor = exact.to(dtype)
    back = tensor.to(torch.complex128 if dtype.is_complex else torch.float64)
    lost = ((back == 0) != (exact == 0)) | (back.isinf() & ~exact.isinf())
    if not dtype.is_floating_point:
        lost |= back != exact
    if lost.any():
        at = int(lost.int().argmax())
        raise ValueError(
            f"{name} holds {exact[at].item()}, which {dtype} holds as {tensor[at].item()}; take "
            "dtype=torch.float64"
        )
    return tensor
