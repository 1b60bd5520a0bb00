"""Networks that pass messages on one mesh, or up and down a hierarchy of meshes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
from scipy.sparse import csr_array
from torch import Tensor, nn

from examples.mesh_flow.channel import Channel
from examples.mesh_flow.simulations import IN_CHANNELS
from multiscale_gcn import BiStride, Hierarchy, as_graph, coarsen
from multiscale_gcn.nn import MeshGraphBlock, SparseMap, relative_positions


@dataclass(frozen=True, eq=False)
class Scales:
    """The graphs that a network works on, with the ways between them.

    Attributes
    ----------
    graphs : tuple of Graph
        From fine to coarse.
    positions : tuple of array, each of shape (n_k, 2)
    down, up : tuple of csr_array
        To the next coarser scale, and back.
    """

    graphs: tuple[object, ...]
    positions: tuple[np.ndarray, ...]
    down: tuple[csr_array, ...]
    up: tuple[csr_array, ...]

    @classmethod
    def one(cls, mesh: Channel) -> Scales:
        """The mesh alone."""
        return cls((as_graph(mesh.triangles, kind="faces"),), (mesh.positions,), (), ())

    @classmethod
    def heavy_edges(cls, mesh: Channel, count: int) -> Scales:
        """Clusters of about four nodes at each of ``count`` scales: two matchings a scale."""
        hierarchy = coarsen(as_graph(mesh.triangles, kind="faces"), levels=2 * (count - 1))
        levels = range(0, 2 * count - 1, 2)
        return cls.of(hierarchy, mesh, levels, "mean", "linear")

    @classmethod
    def bi_stride(cls, mesh: Channel, count: int) -> Scales:
        """Every other front of a breadth-first search, again and again: Cao et al. 2023."""
        method = BiStride(positions=mesh.positions)
        hierarchy = coarsen(as_graph(mesh.triangles, kind="faces"), levels=count - 1, method=method)
        return cls.of(hierarchy, mesh, range(count), "sampled", "interpolated")

    @classmethod
    def of(
        cls, hierarchy: Hierarchy, mesh: Channel, levels: Sequence[int], down: str, up: str
    ) -> Scales:
        """Some levels of a hierarchy, and the kinds of the matrices between them."""
        pairs = list(pairwise(levels))
        place = {"positions": mesh.positions} if up == "linear" else {}
        return cls(
            tuple(hierarchy[k].graph for k in levels),
            tuple(hierarchy.coarse_positions(mesh.positions, k, down) for k in levels),  # type: ignore[arg-type]
            tuple(hierarchy.restriction(fine, coarse, down) for fine, coarse in pairs),  # type: ignore[arg-type]
            tuple(hierarchy.prolongation(coarse, fine, up, **place) for fine, coarse in pairs),  # type: ignore[arg-type]
        )


class FlowNet(nn.Module):
    """Message passing from the mesh to the coarsest scale and back, as a U.

    Encode nodes and edges, work on every scale on the way down and again on the way up, where what
    comes up is added to what was there; decode. With one scale it is MeshGraphNets: Pfaff et al.
    2021.

    Parameters
    ----------
    scales : Scales
    channels : int
    blocks : sequence of int
        How many blocks work at each stop on the way down and up: 2 k - 1 numbers for k scales.
    """

    def __init__(self, scales: Scales, channels: int, blocks: Sequence[int]) -> None:
        super().__init__()
        count = len(scales.graphs)
        self.path = [*range(count), *reversed(range(count - 1))]
        assert len(blocks) == len(self.path)
        self.encode = _perceptron(IN_CHANNELS, channels)
        self.edge_encoders = nn.ModuleList(_perceptron(3, channels) for _ in range(count))
        for k, (graph, positions) in enumerate(zip(scales.graphs, scales.positions, strict=True)):
            places = relative_positions(graph, positions).float()
            self.register_buffer(f"edges_{k}", places / places[:, -1].mean(), persistent=False)
        self.stops = nn.ModuleList(
            nn.ModuleList(
                MeshGraphBlock(channels, scales.graphs[k], hidden_layers=1) for _ in range(number)
            )
            for k, number in zip(self.path, blocks, strict=True)
        )
        self.down = _fixed(scales.down)
        self.up = _fixed(scales.up)
        self.decode = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, 1)
        )

    def forward(
        self,
        x: Tensor,  # [B, n, C_in]
    ) -> Tensor:  # [B, n, 1]
        here = self.encode(x)
        edges = [
            encoder(self.get_buffer(f"edges_{k}")).expand(len(x), -1, -1)
            for k, encoder in enumerate(self.edge_encoders)
        ]
        features: dict[int, Tensor] = {}
        before = 0
        for k, stop in zip(self.path, self.stops, strict=True):
            if k > before:
                here = cast("SparseMap", self.down[before]).mix(here, None)
            elif k < before:
                here = cast("SparseMap", self.up[k]).mix(here, features[k])
            for block in cast("nn.ModuleList", stop):
                here, edges[k] = block(here, edges[k])
            features[k] = here
            before = k
        answer: Tensor = self.decode(here)
        return answer


def _fixed(matrices: Sequence[csr_array]) -> nn.ModuleList:
    """Maps that stay what they are."""
    return nn.ModuleList(SparseMap(matrix) for matrix in matrices).requires_grad_(False)


def _perceptron(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_channels, channels),
        nn.ReLU(),
        nn.Linear(channels, channels),
        nn.LayerNorm(channels),
    )
