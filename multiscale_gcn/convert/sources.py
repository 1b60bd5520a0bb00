"""Which reader takes which source, and which options mean something for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

from multiscale_gcn.convert import arrays, data, files, frames, graphs, meshes, networks, sparse
from multiscale_gcn.convert.assembly import Entries, Mesh
from multiscale_gcn.convert.options import Kind, Options


@dataclass(frozen=True)
class Source:
    """A sort of source."""

    name: str
    is_one: Callable[[Any], bool]
    read: Callable[[Any, Options], Entries | Mesh]
    accepts: tuple[str, ...]
    kind: Kind | None = None
    """The one ``kind`` that may be said of it."""


EDGES = ("weights", "num_nodes", "symmetrize")
MESH = ("measures", "num_nodes", "weld")

# The first that fits takes it. Arrays and files know themselves which options go with what they
# turn out to be.
SOURCES = (
    Source("a Graph", graphs.is_graph, graphs.from_graph, ("symmetrize",)),
    Source("tensors of a graph", graphs.is_tensors, graphs.from_tensors, ("symmetrize",)),
    Source("a frame", frames.is_frame, frames.from_frame, EDGES, "edge_list"),
    Source("a DGL graph", data.is_dgl, data.from_dgl, ("weights", "symmetrize")),
    Source(
        "a networkx graph", networks.is_networkx, networks.from_networkx, ("weights", "symmetrize")
    ),
    Source("an igraph graph", networks.is_igraph, networks.from_igraph, ("weights", "symmetrize")),
    Source("a networkit graph", networks.is_networkit, networks.from_networkit, ("symmetrize",)),
    Source(
        "a rustworkx graph",
        networks.is_rustworkx,
        networks.from_rustworkx,
        ("weights", "symmetrize"),
    ),
    Source("a HeteroData", data.is_hetero, data.refuse_hetero, EDGES),
    Source("an object with edge_index", data.is_data, data.from_data, EDGES, "edge_index"),
    Source("an object with adj_t", data.has_adjacency, data.from_adjacency, ("symmetrize",)),
    Source("an object with face", data.has_face, data.from_face, MESH, "faces"),
    Source("a sparse tensor", sparse.is_tensor, sparse.from_tensor, ("symmetrize",), "dense"),
    Source("a sparse matrix", sparse.is_matrix, sparse.from_matrix, ("symmetrize",), "dense"),
    Source("a mesh of cells", meshes.is_cell_mesh, meshes.from_cells, MESH, "faces"),
    Source("a mesh", meshes.is_mesh, meshes.from_mesh, MESH, "faces"),
    Source("a triangulation", meshes.is_triangulation, meshes.from_triangulation, MESH, "faces"),
    Source("a scene", meshes.is_scene, meshes.from_scene, MESH, "faces"),
)


def read(source: Any, options: Options) -> Entries | Mesh:
    if isinstance(source, str | PathLike):
        return files.from_file(source, options)
    for sort in SOURCES:
        if sort.is_one(source):
            options.refuse_all_but(*sort.accepts, source=sort.name, kind=sort.kind)
            return sort.read(source, options)
    return arrays.from_array(source, options)
