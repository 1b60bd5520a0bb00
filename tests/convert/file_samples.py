"""One small file of every format, each of one square with a roof, and how to read damaged ones."""

from __future__ import annotations

import io
import json
import struct
import warnings
from pathlib import Path

import networkx as nx
import numpy as np
import scipy.io
import scipy.sparse as sp

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.convert import UnreferencedNodes

POSITIONS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 1]])
TRIANGLES = np.array([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])
SQUARE = [0, 1, 2, 3]
EDGES = {(0, 1), (1, 2), (2, 3), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4)}


def edges(graph: Graph) -> set[tuple[int, int]]:
    return {(int(u), int(v)) for u, v in graph.edge_index().T if u <= v}


def ply_text() -> bytes:
    head = """ply
format ascii 1.0
comment a square with a roof
element face 5
property uchar flags
property list uchar int vertex_indices
property list uchar float texcoord
element vertex 5
property float nx
property float x
property double y
property float z
end_header
"""
    faces = [*TRIANGLES.tolist(), SQUARE]
    body = [
        f"7 {len(face)} {' '.join(map(str, face))} 2 0.5 {k}.25" for k, face in enumerate(faces)
    ]
    body += [f"0.5 {x} {y} {z}" for x, y, z in POSITIONS]
    return (head + "\n".join(body) + "\n").encode()


def ply_binary(order: str, newline: str = "\n") -> bytes:
    name = {"<": "little", ">": "big"}[order]
    head = f"""ply
format binary_{name}_endian 1.0
obj_info nothing
element vertex 5
property double x
property float y
property float z
property uchar red
element face 5
property list ushort uint vertex_index
property short flags
end_header
""".replace("\n", newline).encode()
    body = b"".join(struct.pack(f"{order}dffB", *row, 255) for row in POSITIONS)
    for face in [*TRIANGLES.tolist(), SQUARE]:
        body += struct.pack(f"{order}H{len(face)}Ih", len(face), *face, -3)
    return head + body


def off() -> bytes:
    lines = ["COFF # colours", "# a comment", "5 5 0", ""]
    lines += [f"{x} {y} {z} 255 0 0 255" for x, y, z in POSITIONS]
    lines += [f"{len(face)} {' '.join(map(str, face))}" for face in TRIANGLES.tolist()]
    lines += ["4  0 1 2 3  0.5 0.5 0.5 1 # blue"]
    return ("\n".join(lines) + "\n").encode()


def obj() -> bytes:
    lines = ["# a roof", "mtllib a.mtl", *[f"v {x} {y} {z}" for x, y, z in POSITIONS], "vt 0 0"]
    lines += [f"f {' '.join(f'{i + 1}/1' for i in face)}" for face in TRIANGLES]
    return ("\n".join([*lines, "f -5 -4 -3 -2"]) + "\n").encode()


def stl_text() -> bytes:
    lines = ["solid a roof"]
    for face in TRIANGLES:
        lines += ["facet normal 0 0 1", " outer loop"]
        lines += ["  vertex {} {} {}".format(*POSITIONS[i]) for i in face]
        lines += [" endloop", "endfacet"]
    return ("\n".join([*lines, "endsolid a roof"]) + "\n").encode()


def stl_binary(head: bytes = b"solid") -> bytes:
    facets = [struct.pack("<12fH", 0, 0, 1, *POSITIONS[face].ravel(), 0) for face in TRIANGLES]
    return head.ljust(80) + struct.pack("<I", len(facets)) + b"".join(facets)


def gltf_parts() -> tuple[dict, bytes]:
    indices = TRIANGLES.astype("<u2").tobytes()
    binary = POSITIONS.astype("<f4").tobytes() + indices
    tree = {
        "asset": {"version": "2.0"},
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 5, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 60},
            {"buffer": 0, "byteOffset": 60, "byteLength": 24},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }
    return tree, binary


def glb() -> bytes:
    tree, binary = gltf_parts()
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def network(write: object) -> bytes:
    stream = io.BytesIO()
    graph = nx.empty_graph(5)
    graph.add_edges_from(EDGES)
    write(graph, stream)  # type: ignore[operator]
    return stream.getvalue()


def matrix() -> sp.coo_array:
    return sp.coo_array(nx.to_scipy_sparse_array(nx.Graph(sorted(EDGES)), range(5), dtype=float))


def matrix_market() -> bytes:
    stream = io.BytesIO()
    scipy.io.mmwrite(stream, matrix(), symmetry="symmetric")
    return stream.getvalue()


def npz() -> bytes:
    stream = io.BytesIO()
    sp.save_npz(stream, matrix().tocsr())
    return stream.getvalue()


def metis() -> bytes:
    graph = nx.Graph(sorted(EDGES))
    rows = [" ".join(f"{v + 1} 2" for v in sorted(graph[u])) for u in range(5)]
    lines = ["% a roof", "5 8 011", *[f"3 {row}" for row in rows], ""]
    return "\n".join(lines).encode()


def both_directions(form: str) -> list[str]:
    return [form.format(a, b) for u, v in sorted(EDGES) for a, b in ((u, v), (v, u))]


COUNTED = {  # formats that say how much they hold
    "text.ply": ply_text(),
    "little.ply": ply_binary("<"),
    "big.ply": ply_binary(">", "\r\n"),
    "colours.off": off(),
    "text.stl": stl_text(),
    "binary.stl": stl_binary(),
    "binary.glb": glb(),
    "roof.graph": metis(),
    "roof.mtx": matrix_market(),
    "roof.npz": npz(),
    "roof.graphml": network(nx.write_graphml),
    "roof.gexf": network(nx.write_gexf),
}
UNCOUNTED = {
    "roof.obj": obj(),
    "roof.gml": network(nx.write_gml),
    "roof.txt": "\n".join(["# from to", *both_directions("{} {}")]).encode(),
    "roof.csv": "\n".join(["source,target,weight", *both_directions("{},{},0.5")]).encode(),
    "roof.tsv": "\n".join(both_directions("{}\t{}\t3")).encode(),
}
SAMPLES = COUNTED | UNCOUNTED


def read(name: str, content: bytes, folder: Path, **options: object) -> Graph | str:
    """The graph, or why it was refused, in the words that all refusals share."""
    path = folder / name
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreferencedNodes)
        try:
            return as_graph(path, **options)  # type: ignore[arg-type]
        except ValueError as error:
            refusal = error
    assert type(refusal) is ValueError, repr(refusal)
    message = str(refusal)
    assert ";" in message or ":" in message, message
    assert len(message) < 2000
    return message
