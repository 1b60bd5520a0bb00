"""Convolutions that tell the neighbours of a node apart: a weight matrix for each kind of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.checks.arrays import integer_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.nn.layer_checks import check_callable
from multiscale_gcn.nn.pattern_buffers import (
    MatrixPattern,
    as_buffer,
    graph_with_nodes,
    with_loops,
)
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import Normalisation, mix_channels, propagate
from multiscale_gcn.ops.epilogue import finish

if TYPE_CHECKING:
    import scipy.sparse as sp

MOST_HOPS = 1000
"""A body, a grid or a clip has no path that long; a graph's powers are full before."""

Groups = Callable[[np.ndarray, np.ndarray], Any]
"""Of (nodes, neighbours), two arrays of ids, one place for every entry: the group of each."""


def itself_and_others(nodes: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """Group 0 for a node itself, 1 for its neighbours."""
    groups: np.ndarray = (nodes != neighbours).astype(np.int64)
    return groups


class _SumOfGroups(WeightedConvolution):
    """X' = sum over the groups g of A_g X W_g, plus b."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        matrices: dict[int, sp.csr_array],
        bias: bool,
    ) -> None:
        super().__init__(in_channels, out_channels, graph, len(matrices), bias)
        self.groups: tuple[int, ...] = tuple(matrices)
        self.patterns: nn.ModuleList = nn.ModuleList(map(MatrixPattern, matrices.values()))
        for place, matrix in enumerate(matrices.values()):
            values = as_buffer(matrix.data, torch.get_default_dtype())
            self.register_buffer(f"values_{place}", values, persistent=False)
        self.reset_parameters()

    def convolve(self, x: Tensor, norm: Normalisation | None, relu: bool) -> Tensor:
        result = None if self.bias is None else self.bias
        for place, (pattern, matrix) in enumerate(zip(self.patterns, self.weight, strict=True)):
            values = self.get_buffer(f"values_{place}").to(x.dtype)
            mixed = propagate(x, values, pattern.entries)  # type: ignore[arg-type]
            result = mix_channels(mixed, matrix, result)
        assert result is not None
        return finish(result, norm, relu)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, groups={list(self.groups)}"


class KHopConv(_SumOfGroups):
    """Graph convolution with a weight matrix for each distance between nodes, up to some hops.

    X' = sum over k = 0 .. K of D_k^-1/2 A_k D_k^-1/2 X W_k, plus b. A_k has a 1 where the shortest
    path between two nodes has exactly k edges, A_0 is I, and D_k holds the row sums of A_k: the
    high-order convolution of Zou et al. 2020, without the powers of a matrix, in which nearer nodes
    appear again.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        Only its pattern counts.
    hops : int
        The largest distance, from 1. A distance that no two nodes have gets no weight matrix.
    bias : bool

    Raises
    ------
    ValueError
        If a number is not positive, if the graph has no nodes, and in ``forward`` if ``x`` does not
        have the shape [B, N, C_in], the device and the type of the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    See Also
    --------
    NeighbourGroupConv : groups of neighbours by weights of their own
    ChebConv : polynomials of the Laplacian
    spatio_temporal : a graph at every frame

    Notes
    -----
    The pattern of distance k is stored, N^2 entries of all distances at most.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> layer = KHopConv(2, 5, nx.path_graph(4), hops=2)
    >>> layer(torch.zeros(8, 4, 2)).shape, layer.weight.shape
    (torch.Size([8, 4, 5]), torch.Size([3, 2, 5]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        hops: int = 2,
        bias: bool = True,
    ) -> None:
        hops = whole_number(hops, "hops", least=1, most=MOST_HOPS)
        checked = graph_with_nodes(graph)
        matrices = {
            k: _normalised(matrix) for k, matrix in enumerate(_rings(checked, hops)) if matrix.nnz
        }
        super().__init__(in_channels, out_channels, checked, matrices, bias)

    def reset_parameters(self) -> None:
        """As of other convolutions, so small that the sum over distances is of their size."""
        super().reset_parameters()
        with torch.no_grad():
            self.weight.div_(math.sqrt(len(self.groups)))


class NeighbourGroupConv(_SumOfGroups):
    """Graph convolution with a weight matrix for each group of neighbours.

    X' = sum over the groups g of A~_g X W_g, plus b. A~ = D^-1/2 (A + I) D^-1/2 is the matrix of
    :class:`GConv`, and A~_g has those of its entries that belong to group g: the convolution of Cai
    et al. 2019, whose groups are a node itself, its neighbours nearer to the root, those farther
    from it, the symmetric joint, and the same joint before and after. With the groups "itself" and
    "others" this is ``GConv(separate_self=True)``.

    Parameters
    ----------
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes
        Only its pattern counts; every node gets a self loop.
    groups : callable (nodes, neighbours) -> array of int
        Is given the ends of all entries of A + I, two arrays of ids of shape (nnz,), row by row,
        and returns the group of each. A group is any integer from 0, and has one weight matrix. A
        node itself and its neighbours are the two groups by default.
    bias : bool

    Raises
    ------
    ValueError
        If a number of channels is not positive, if ``groups`` does not return one group for every
        entry, if the graph has no nodes, and in ``forward`` if ``x`` does not have the shape
        [B, N, C_in], the device and the type of the layer.
    TypeError
        If ``groups`` is no such function, and in ``forward`` if ``x`` is no tensor.

    See Also
    --------
    KHopConv : neighbours of each distance by weights of their own

    Examples
    --------
    Neighbours by their distance to node 0, as in a skeleton whose root is node 0:

    >>> import networkx as nx
    >>> import numpy as np
    >>> import torch
    >>> skeleton = nx.star_graph(3)
    >>> depth = np.array([0, 1, 1, 1])
    >>> def toward_root(nodes, neighbours):
    ...     return np.sign(depth[neighbours] - depth[nodes]) + 1  # nearer, itself, farther
    >>> layer = NeighbourGroupConv(2, 5, skeleton, groups=toward_root)
    >>> layer(torch.zeros(8, 4, 2)).shape, layer.weight.shape
    (torch.Size([8, 4, 5]), torch.Size([3, 2, 5]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        graph: Any,
        *,
        groups: Groups = itself_and_others,
        bias: bool = True,
    ) -> None:
        check_callable(groups, "groups", "nodes", "neighbours")
        checked = graph_with_nodes(graph)
        matrix = with_loops(checked)
        nodes = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        found = _groups(groups(nodes, matrix.indices.astype(np.int64)), matrix.nnz)
        whole = _normalised(matrix)
        matrices = {int(group): _part(whole, nodes, found == group) for group in np.unique(found)}
        super().__init__(in_channels, out_channels, checked, matrices, bias)


def _rings(graph: Graph, hops: int) -> list[sp.csr_array]:
    """For each distance from 0 to ``hops`` the pairs of nodes that far apart, ones on a pattern."""
    import scipy.sparse as sp

    step = with_loops(graph).astype(np.int64)
    step.data[:] = 1
    reached = sp.eye_array(graph.num_nodes, dtype=np.int64, format="csr")
    rings = [reached]
    for _ in range(hops):
        further = (reached @ step).tocsr()
        further.data[:] = 1
        ring = (further - reached).tocsr()
        ring.eliminate_zeros()
        ring.sort_indices()
        rings.append(ring)
        reached = further
        if ring.nnz == 0:
            break
    return rings


def _normalised(matrix: sp.csr_array) -> sp.csr_array:
    """D^-1/2 A D^-1/2 of the pattern, D its row sums; float64."""
    lengths = np.diff(matrix.indptr)
    scale = np.maximum(lengths, 1) ** -0.5
    result: sp.csr_array = matrix.astype(np.float64)
    result.data = np.repeat(scale, lengths) * scale[matrix.indices]
    return result


def _part(matrix: sp.csr_array, rows: np.ndarray, chosen: np.ndarray) -> sp.csr_array:
    import scipy.sparse as sp

    starts = np.searchsorted(rows[chosen], np.arange(matrix.shape[0] + 1))
    return sp.csr_array((matrix.data[chosen], matrix.indices[chosen], starts), shape=matrix.shape)


def _groups(values: Any, entries: int) -> np.ndarray:
    found = integer_array(values, "what groups returns")
    if found.shape != (entries,):
        raise ValueError(
            f"groups returned an array of shape {list(found.shape)}, expected [{entries}]: one "
            "group for each pair that it is given"
        )
    if found.min() < 0:
        place = int(found.argmin())
        raise ValueError(f"groups returned {found[place]} at place {place}; groups count from 0")
    return found
