"""A graph as objects of other libraries, which are imported when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from multiscale_gcn.graph import Graph

if TYPE_CHECKING:
    import networkx as nx
    import torch
    from torch import Tensor
    from torch_geometric.data import Data


class GraphTensors(NamedTuple):
    """A graph's arrays as tensors on one device."""

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

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_networkx
    >>> to_networkx(Graph([0, 1, 2], [1, 0])).edges(data=True)
    EdgeDataView([(0, 1, {'weight': 1.0})])
    """
    import networkx as nx

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

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_torch
    >>> tensors = to_torch(Graph([0, 1, 2], [1, 0]))
    >>> tensors.edge_index, tensors.weights
    (tensor([[0, 1],
            [1, 0]]), tensor([1., 1.]))
    """
    import torch

    dtype = torch.get_default_dtype() if dtype is None else dtype
    return GraphTensors(
        indptr=torch.tensor(graph.indptr, dtype=torch.int64, device=device),
        indices=torch.tensor(graph.indices, dtype=torch.int64, device=device),
        weights=torch.tensor(graph.weights, dtype=dtype, device=device),
        node_weights=torch.tensor(graph.node_weights, dtype=dtype, device=device),
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
    import torch

    csr = matrix.to_scipy() if isinstance(matrix, Graph) else matrix.tocsr(copy=True)
    csr.sum_duplicates()
    coo = csr.tocoo()
    return torch.sparse_coo_tensor(
        torch.tensor(np.stack([coo.row, coo.col]), dtype=torch.int64),
        torch.tensor(coo.data, dtype=torch.get_default_dtype() if dtype is None else dtype),
        coo.shape,
        device=device,
        is_coalesced=True,
        check_invariants=False,
    )


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

    Examples
    --------
    >>> from multiscale_gcn import Graph, to_pyg
    >>> to_pyg(Graph([0, 1, 2], [1, 0]))
    Data(edge_index=[2, 2], edge_weight=[2], node_weight=[2], num_nodes=2)
    """
    try:
        from torch_geometric.data import Data
    except ImportError:
        raise ImportError(
            "to_pyg needs torch_geometric: pip install 'multiscale-gcn[pyg]'"
        ) from None

    tensors = to_torch(graph, device=device, dtype=dtype)
    return Data(
        edge_index=tensors.edge_index,
        edge_weight=tensors.weights,
        node_weight=tensors.node_weights,
        num_nodes=graph.num_nodes,
    )
