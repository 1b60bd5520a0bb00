"""Features of edges beside those of nodes: the blocks of MeshGraphNets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.graph import Graph
from multiscale_gcn.nn.feature_checks import check_features, check_fits_layer
from multiscale_gcn.nn.graph_buffers import GraphBuffers
from multiscale_gcn.nn.layer_checks import positive
from multiscale_gcn.nn.pattern_buffers import as_buffer, graph_with_nodes
from multiscale_gcn.nn.segment_sums import SegmentSpread, SegmentSum
from multiscale_gcn.ops.layout import by_node
from multiscale_gcn.ops.operand_checks import check_operands

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MOST_LAYERS = 1000


class MeshGraphBlock(nn.Module):
    """A step of message passing with features of edges: Pfaff et al. 2021 (MeshGraphNets).

    Every edge (i, j) reads itself and both its ends, every node i the sum of its edges, and what
    they find is added to what they were:

        e_ij' = e_ij + f([e_ij, v_i, v_j])
        v_i'  = v_i  + g([v_i, sum over j of e_ij'])

    f and g are perceptrons with hidden layers, ReLUs between, and a layer normalisation behind. The
    sum is over e_ij', as in the paper's equation; the code published with it adds up what f gives.

    Parameters
    ----------
    channels : int
        Of nodes, of edges, and of hidden layers.
    graph : Graph, or anything that as_graph takes
        Its entries off the diagonal are the edges, row by row, each in both directions: E of them.
        The edge (i, j) sends from j to i.
    hidden_layers : int
        Of both perceptrons, from 1.

    Raises
    ------
    ValueError
        If a number is not positive, if the graph has no nodes, and in ``forward`` for features of
        other shapes, types or devices.
    TypeError
        In ``forward`` for what is no tensor.

    See Also
    --------
    relative_positions : where the ends of edges lie
    multiscale_gcn.BiStride : every other layer of a breadth-first search

    Notes
    -----
    The first map of f is applied to the nodes before they are gathered: N products instead of E.
    Sums over edges, and the gradients of gathers, run segment by segment in a fixed order, in
    float32 or better.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> from multiscale_gcn import as_graph
    >>> mesh = as_graph(nx.grid_2d_graph(3, 4))
    >>> places = torch.rand(12, 2)
    >>> encode_nodes, encode_edges = torch.nn.Linear(5, 16), torch.nn.Linear(3, 16)
    >>> block = MeshGraphBlock(16, mesh)
    >>> x = encode_nodes(torch.randn(8, 12, 5))
    >>> edges = encode_edges(relative_positions(mesh, places)).expand(8, -1, -1)
    >>> x, edges = block(x, edges)
    >>> x.shape, edges.shape
    (torch.Size([8, 12, 16]), torch.Size([8, 34, 16]))
    """

    def __init__(self, channels: int, graph: Any, *, hidden_layers: int = 2) -> None:
        super().__init__()
        self.channels = positive(channels, "channels")
        hidden = whole_number(hidden_layers, "hidden_layers", least=1, most=MOST_LAYERS)
        self.edges: EdgeEnds = EdgeEnds(graph)
        self.edge_update: nn.Sequential = _perceptron(3, self.channels, hidden)
        self.node_update: nn.Sequential = _perceptron(2, self.channels, hidden)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
        edges: Tensor,  # [B, E, C]
    ) -> tuple[Tensor, Tensor]:  # [B, N, C], [B, E, C]
        """Features of the nodes and of the edges, one step later."""
        check_features(x, self.edges.num_nodes, self.channels)
        check_features(edges, None, self.channels, "edges")
        if edges.shape[:2] != (x.shape[0], self.edges.num_edges):
            raise ValueError(
                f"edges has shape {list(edges.shape)}, expected "
                f"{[x.shape[0], self.edges.num_edges, self.channels]}: one row for each entry of "
                "the graph off its diagonal"
            )
        check_fits_layer(self.edge_update[0].weight, x=x, edges=edges)  # type: ignore[arg-type]
        nodes, messages = by_node(x), by_node(edges)
        messages = messages + self._edge_news(nodes, messages)
        both = torch.cat([nodes, self.edges.sums(messages)], dim=-1)
        nodes = nodes + self.node_update(both)
        return nodes.transpose(0, 1), messages.transpose(0, 1)

    def _edge_news(self, nodes: Tensor, messages: Tensor) -> Tensor:
        first, *rest = self.edge_update
        of_edge, of_receiver, of_sender = first.weight.chunk(3, dim=1)  # type: ignore[operator]
        news = F.linear(messages, of_edge, first.bias)  # type: ignore[arg-type]
        news = news + self.edges.at_receivers(F.linear(nodes, of_receiver))
        news = news + self.edges.at_senders(F.linear(nodes, of_sender))
        for step in rest:
            news = step(news)
        return news

    def extra_repr(self) -> str:
        return f"{self.channels}"


class EdgeEnds(GraphBuffers):
    """The ends of a graph's edges, as buffers that are not in the ``state_dict``.

    Features are [N, B, C] of nodes and [E, B, C] of edges.
    """

    receivers: Tensor  # [E]
    senders: Tensor  # [E]
    starts: Tensor  # [N + 1]: the edges that node i receives from starts[i] on
    order: Tensor  # [E]: 0, 1, ..., in which they come receiver by receiver
    by_sender: Tensor  # [E]: edges, sender by sender

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self.graph: Graph = graph_with_nodes(graph)
        receivers, senders = edge_ends(self.graph)
        arrays = {
            "receivers": receivers,
            "senders": senders,
            "starts": np.searchsorted(receivers, np.arange(self.graph.num_nodes + 1)),
            "order": np.arange(len(receivers)),
            "by_sender": np.argsort(senders, kind="stable"),
        }
        for name, array in arrays.items():
            self.register_buffer(name, as_buffer(array), persistent=False)

    @property
    def num_nodes(self) -> int:
        """Of the graph."""
        return self.graph.num_nodes

    @property
    def num_edges(self) -> int:
        """E, each edge in both directions."""
        return len(self.receivers)

    def at_receivers(self, nodes: Tensor) -> Tensor:
        """Of every edge what its receiver has."""
        return _on_rows(SegmentSpread, nodes, self.receivers, self.order, self.starts)

    def at_senders(self, nodes: Tensor) -> Tensor:
        """Of every edge what its sender has. As many edges leave a node as reach it."""
        return _on_rows(SegmentSpread, nodes, self.senders, self.by_sender, self.starts)

    def sums(self, messages: Tensor) -> Tensor:
        """Of every node the sum of the edges that it receives."""
        return _on_rows(SegmentSum, messages, self.receivers, self.order, self.starts)

    def extra_repr(self) -> str:
        return f"{self.num_nodes} nodes, {self.num_edges} edges"


def relative_positions(
    graph: Any,
    positions: ArrayLike | Tensor,  # [..., N, d]
) -> Tensor:  # [..., E, d + 1]
    """Where the ends of edges lie from each other, and how far: the edge features of MeshGraphNets.

    Parameters
    ----------
    graph : Graph, or anything that as_graph takes
        Its entries off the diagonal are the edges (i, j), row by row, as in
        :class:`MeshGraphBlock`.
    positions : array or Tensor, shape (..., N, d)
        Of the nodes, in any unit.

    Raises
    ------
    ValueError
        If the positions are no real numbers, or not of this shape.
    TypeError
        For what is no array.

    See Also
    --------
    MeshGraphBlock : with features of edges

    Examples
    --------
    >>> import networkx as nx
    >>> relative_positions(nx.path_graph(2), [[0.0, 0.0], [3.0, 4.0]])
    tensor([[-3., -4.,  5.],
            [ 3.,  4.,  5.]])
    """
    checked = graph_with_nodes(graph)
    if not isinstance(positions, Tensor):
        places = real_array(positions, "positions").astype(np.float64)
        positions = as_buffer(places, torch.get_default_dtype())
    check_operands(positions=positions)
    if not positions.is_floating_point():
        raise ValueError(f"positions is {positions.dtype}; convert it with .to(torch.float32)")
    if positions.dim() < 2 or positions.shape[-2] != checked.num_nodes:
        raise ValueError(
            f"positions has shape {list(positions.shape)}, expected "
            f"[..., {checked.num_nodes}, d]: one place for each node"
        )
    receivers, senders = (
        torch.from_numpy(ends).to(positions.device) for ends in edge_ends(checked)
    )
    steps = positions.index_select(-2, receivers) - positions.index_select(-2, senders)
    lengths = torch.linalg.vector_norm(steps, dim=-1, keepdim=True)
    return torch.cat([steps, lengths], dim=-1)


def edge_ends(graph: Graph) -> tuple[np.ndarray, np.ndarray]:  # [E], [E]
    """Receivers and senders of the entries off the diagonal, row by row."""
    rows, columns = graph.rows().astype(np.int64), graph.indices.astype(np.int64)
    apart = rows != columns
    return rows[apart], columns[apart]


def _perceptron(inputs: int, channels: int, hidden_layers: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(inputs * channels, channels)]
    for _ in range(hidden_layers):
        layers += [nn.ReLU(), nn.Linear(channels, channels)]
    return nn.Sequential(*layers, nn.LayerNorm(channels))


def _on_rows(function: Any, x: Tensor, *places: Tensor) -> Tensor:
    wide = torch.promote_types(x.dtype, torch.float32)
    result: Tensor = function.apply(x.to(wide).flatten(1).contiguous(), *places, None)
    return torch.unflatten(result, 1, x.shape[1:]).to(x.dtype)
