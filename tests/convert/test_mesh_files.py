"""Mesh files of every dialect, compared with what was written and with other readers."""

from __future__ import annotations

import base64
import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_samples import (
    EDGES,
    POSITIONS,
    TRIANGLES,
    edges,
    gltf_parts,
    obj,
    ply_text,
    read,
    stl_binary,
    stl_text,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.convert import UnreferencedNodes

CODES = {
    "char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I",
    "float": "f", "double": "d", "int8": "b", "uint32": "I", "float64": "d",
}  # fmt: skip
FORMS = ["ascii", "binary_little_endian", "binary_big_endian"]
WHOLE = [name for name, code in CODES.items() if code not in "fd"]


def graph_of(name: str, content: bytes | str, folder: Path) -> Graph:
    found = read(name, content if isinstance(content, bytes) else content.encode(), folder)
    assert isinstance(found, Graph), found
    return found


def sides(faces: list[list[int]]) -> set[tuple[int, int]]:
    pairs = [pair for face in faces if face for pair in [*pairwise(face), (face[-1], face[0])]]
    return {(min(u, v), max(u, v)) for u, v in pairs if u != v}


# PLY


class Writer:
    """PLY of any properties, which knows nothing of the reader."""

    def __init__(self, form: str) -> None:
        self.form, self.head, self.body = form, ["ply", f"format {form} 1.0"], b""

    def element(self, name: str, properties: list[tuple], rows: list[list[Any]]) -> None:
        self.head.append(f"element {name} {len(rows)}")
        self.head += ["property " + " ".join(words) for words in properties]
        order = ">" if "big" in self.form else "<"
        for row in rows:
            parts: list[tuple[str, float]] = []
            for words, value in zip(properties, row, strict=True):
                kind = words[-2]
                if words[0] == "list":
                    parts += [(words[1], len(value)), *((kind, item) for item in value)]
                else:
                    parts.append((kind, value))
            if self.form == "ascii":
                self.body += (" ".join(str(value) for _, value in parts) + "\n").encode()
            else:
                codes = "".join(CODES[kind] for kind, _ in parts)
                self.body += struct.pack(order + codes, *(value for _, value in parts))

    def content(self) -> bytes:
        return "\n".join([*self.head, "end_header", ""]).encode() + self.body


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_ply_with_any_properties_in_any_order(tmp_path: Path, data: st.DataObject) -> None:
    n = data.draw(st.integers(3, 9))
    face = st.lists(st.integers(0, n - 1), max_size=5)
    faces = data.draw(st.lists(face, min_size=1, max_size=6).filter(any))
    kinds, whole = st.sampled_from(sorted(CODES)), st.sampled_from(WHOLE)
    more: list[tuple] = [(data.draw(kinds), f"s{k}") for k in range(data.draw(st.integers(0, 2)))]
    more += [
        ("list", data.draw(whole), data.draw(kinds), f"l{k}")
        for k in range(data.draw(st.integers(0, 2)))
    ]
    corners = ("list", data.draw(whole), data.draw(whole), "vertex_indices")
    of_face = data.draw(st.permutations([corners, *more]))
    of_vertex = data.draw(st.permutations([*(("double", axis) for axis in "xyz"), *more]))
    number = st.integers(0, 99)

    def row(properties: list[tuple], corners: list[int]) -> list[Any]:
        values: list[Any] = []
        for words in properties:
            if words[-1] == "vertex_indices":
                values.append(corners)
            elif words[0] == "list":
                values.append(data.draw(st.lists(number, max_size=3)))
            else:
                values.append(data.draw(number))
        return values

    elements: list[tuple[str, list[tuple], list[list[Any]]]] = [
        ("vertex", of_vertex, [row(of_vertex, []) for _ in range(n)]),
        ("face", of_face, [row(of_face, face) for face in faces]),
        ("range_grid", [("int", "a")], [[7]] * data.draw(st.integers(0, 2))),
    ]
    writer = Writer(data.draw(st.sampled_from(FORMS)))
    for element in data.draw(st.permutations(elements)):
        writer.element(*element)
    graph = graph_of("a.ply", writer.content(), tmp_path)
    assert graph.num_nodes == n
    assert edges(graph) == sides(faces)


def test_textured_ply_keeps_its_vertices(tmp_path: Path) -> None:
    """trimesh splits vertices at seams of the texture, where it can read that."""
    content = """ply
format ascii 1.0
comment TextureFile a.png
element vertex 4
property float x
property float y
property float z
element face 2
property list uchar int vertex_indices
property list uchar float texcoord
end_header
0 0 0
1 0 0
1 1 0
0 1 0
3 0 1 2 6 0 0 1 0 1 1
3 0 2 3 6 0.5 0 1 1 0 1
"""
    graph = graph_of("a.ply", content, tmp_path)
    assert graph.num_nodes == 4
    assert edges(graph) == {(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)}


@pytest.mark.parametrize("form", FORMS)
def test_ply_of_strips_and_edges(form: str, tmp_path: Path) -> None:
    writer = Writer(form)
    writer.element("vertex", [("float", axis) for axis in "xyz"], [[k, k, 0] for k in range(9)])
    strip = [("list", "int", "int", "vertex_indices")]
    writer.element("tristrips", strip, [[[0, 1, 2, 3, -1, 4, 5, 6]], [[6, 7, 8]]])
    writer.element("edge", [("int", "vertex1"), ("int", "vertex2")], [[3, 4], [8, 0]])
    graph = graph_of("a.ply", writer.content(), tmp_path)
    triangles = [[0, 1, 2], [1, 2, 3], [4, 5, 6], [6, 7, 8]]
    assert edges(graph) == sides(triangles) | {(3, 4), (0, 8)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("vertex_indices", "indices"), "not one list vertex_indices"),
        (("element face 5", "element material 5"), "holds 5 vertices and no faces or edges"),
        (("element face 5", "element face 4"), "line 15 of .* is no vertex|is no vertex"),
        (("element face 5", "element face 6"), "is no face|is no vertex|ends at line"),
        (("float x", "quad x"), "line 10 of .* is no property"),
        (("ascii 1.0", "ascii 2.0"), "line 2 of .* is no line of a PLY header"),
        (("0.5 1.0 1.0 0.0", "0.5 1.0 one 0.0"), "holds 'one', which is no number"),
        (("0.5 1.0 1.0 0.0", "0.5 1.0 1.0"), "line 21 of .* is no vertex.*it takes nx x y z"),
        (("7 3 0 1 4", "7 3 0 1 5"), "= 5 is not a node"),
        (("7 3 0 1 4", "7 3 0 1 1.5"), "= 1.5 is no whole number"),
        (("end_header\n", "end_header\n\n9 9\n"), "is no face"),
    ],
)
def test_bad_ply_is_refused(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    content = ply_text().decode()
    assert change[0] in content
    (tmp_path / "a.ply").write_text(content.replace(*change, 1))
    with pytest.raises(ValueError, match=message):
        as_graph(tmp_path / "a.ply")


def test_ply_with_more_rows_than_it_says_is_refused(tmp_path: Path) -> None:
    found = read("a.ply", ply_text() + b"0.5 1 1 1\n", tmp_path)
    assert isinstance(found, str)
    assert "stands after the last row" in found


# OFF


@pytest.mark.parametrize(
    "content",
    [
        "OFF\n4 2 5\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n",
        "OFF4 2 5\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3",  # as in ModelNet40
        "OFF 4 2\n# four\n0 0 0 # first\n1 0 0\n\n1 1 0\n0 1 0\n3 0 1 2 7\n3 0 2 3 0.1 0.2 0.3 1\n",
        "STCNOFF\r\n4 2 0\r\n" + "0 0 0 0 0 1 9 9 9 9 0.5 0.5\r\n" * 4 + "3 0 1 2\r\n3 0 2 3\r\n",
        "4OFF\n4 2 0\n" + "0 0 0 1\n" * 4 + "3 0 1 2\n3 0 2 3\n",
        "nOFF\n2\n4 2 0\n" + "0 0\n" * 4 + "3 0 1 2\n3 0 2 3\n",
        "\ufeffOFF\n4 2 0\n" + "0 0 0\n" * 4 + "3 0 1 2\n3 0 2 3\n",
    ],
)
def test_dialects_of_off(content: str, tmp_path: Path) -> None:
    graph = graph_of("a.off", content, tmp_path)
    assert graph.num_nodes == 4
    assert edges(graph) == {(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("OFF\n2 1\n0 0 0\n0 0\n2 0 1\n", "line 4 of .* is no vertex: '0 0'; it takes 3 numbers"),
        ("OFF\n2 1\n0 0 0\n0 0 0\n3 0 1\n", "line 5 of .* is no face: '3 0 1'"),
        ("OFF\n2 1\n0 0 0\n0 0 0\n2 0 2\n", "line 5 of .* names no vertex: '2 0 2'; .* 0 to 1"),
        ("OFF\n2 2\n0 0 0\n0 0 0\n2 0 1\n", "ends at line 5, after 3 of 2 vertices and 2 faces"),
        ("OFF\n2 1\n0 0 0\n0 0 0\n2 0 1\n2 1 0\n", "line 6 of .* stands after the 2 vertices"),
        ("OFF\n2 x\n", "line 2 of .* is no line of counts"),
        ("OFF\n", "ends at line 1, before its counts"),
        ("OFF BINARY\n", "is a binary OFF file; save it as text"),
        ("2 1\n0 0 0\n0 0 0\n2 0 1\n", "does not begin with OFF"),
    ],
)
def test_bad_off_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.off").write_text(content)
    with pytest.raises(ValueError, match=message):
        as_graph(tmp_path / "a.off")


# OBJ


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_obj_under_any_mark(encoding: str, newline: str, tmp_path: Path) -> None:
    text = obj().decode().removeprefix("# a roof\n").replace("a.mtl", "dächer.mtl")
    assert edges(graph_of("a.obj", text.replace("\n", newline).encode(encoding), tmp_path)) == EDGES
    marked = text[text.index("v ") :].replace("\n", newline).encode(encoding)
    graph = graph_of("a.obj", marked, tmp_path)
    assert graph.num_nodes == 5, "the vertex behind the mark counts"
    assert edges(graph) == EDGES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("v 0 0\n", "line 1 of .* is no vertex: 'v 0 0'; it takes three numbers"),
        ("v 0 0 zero\n", "line 1 of .* is no vertex"),
        ("v 0 0 0\nv 1 1 1\nf 1 2\n", "line 3 of .* has too few corners for a face"),
        ("v 0 0 0\nl 1\n", "line 2 of .* has too few corners for a line"),
        ("v 0 0 0\n", "holds 1 vertices and no faces or edges"),
    ],
)
def test_bad_obj_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text(content)
    with pytest.raises(ValueError, match=message):
        as_graph(tmp_path / "a.obj")


# STL


def test_stl_in_all_forms_is_one_graph(tmp_path: Path) -> None:
    expected = graph_of("a.stl", stl_text(), tmp_path)
    assert expected.num_nodes == 5
    for content in (
        stl_binary(),
        stl_binary(b"solid a roof"),
        stl_binary(b"\0"),
        stl_text().upper().replace(b"\n", b"\r\n"),
        stl_text().decode().encode("utf-16"),
    ):
        assert graph_of("a.stl", content, tmp_path) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((" outer loop\n", ""), "line 3 of .* begins with 'vertex', not outer"),
        (("  vertex 1.0 0.0 0.0\n", ""), "makes 2 corners of a facet"),
        (("vertex 1.0 0.0 0.0", "vertex 1.0 0.0"), "line 5 of .* is no corner"),
        (("vertex 1.0 0.0 0.0", "vertex 1.0 0.0 nan"), r"corner 1 of facet 0 .*\[1.0, 0.0, nan\]"),
        (("endsolid a roof\n", ""), "ends at line 30, before its endsolid"),
    ],
)
def test_bad_stl_is_refused(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.stl").write_text(stl_text().decode().replace(*change, 1))
    with pytest.raises(ValueError, match=message):
        as_graph(tmp_path / "a.stl")


# glTF


def test_gltf_with_data_within_and_beside(tmp_path: Path) -> None:
    tree, binary = gltf_parts()
    (tmp_path / "a roof.bin").write_bytes(binary)
    for uri in (
        "data:application/octet-stream;base64," + base64.b64encode(binary).decode(),
        "a%20roof.bin",
    ):
        tree["buffers"][0]["uri"] = uri
        graph = graph_of("a.gltf", json.dumps(tree), tmp_path)
        assert edges(graph) == sides(TRIANGLES.tolist())
    (tmp_path / "a roof.bin").unlink()
    assert "needs the file" in str(read("a.gltf", json.dumps(tree).encode(), tmp_path))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (1, {(0, 1), (2, 3), (0, 4)}),
        (2, {(0, 1), (1, 2), (2, 3), (0, 3), (0, 4)}),
        (3, {(0, 1), (1, 2), (2, 3), (0, 3), (0, 4)}),
        (4, {(0, 1), (1, 2), (0, 2), (0, 3), (3, 4), (0, 4)}),
        (5, {(0, 1), (1, 2), (0, 2), (2, 3), (1, 3), (0, 3), (3, 4), (0, 4)}),
        (6, {(0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (0, 4)}),
    ],
)
def test_gltf_primitives_of_all_modes(mode: int, expected: set, tmp_path: Path) -> None:
    tree, binary = gltf_parts()
    corners = np.array([0, 1, 2, 3, 0, 4] if mode != 4 else [0, 1, 2, 0, 3, 4], "<u2")
    tree["accessors"][1]["count"] = 6
    tree["meshes"][0]["primitives"][0]["mode"] = mode
    held = base64.b64encode(binary[:60] + corners.tobytes() + bytes(12)).decode()
    tree["buffers"][0]["uri"] = f"data:;base64,{held}"
    assert edges(graph_of("a.gltf", json.dumps(tree), tmp_path)) == expected


def test_glb_of_trimesh_holds_all_meshes_once(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="optional: writes glTF")
    scene = trimesh.Scene()
    first = trimesh.creation.icosphere(subdivisions=1)
    second = trimesh.creation.box()
    scene.add_geometry(first, node_name="a", geom_name="first")
    scene.add_geometry(second, node_name="b", geom_name="second")
    scene.graph.update("c", geometry="first", matrix=trimesh.transformations.scale_matrix(3))
    n = len(first.vertices)
    expected = as_graph(np.concatenate([first.faces, second.faces + n]))
    assert as_graph(scene) == expected
    content = scene.export(file_type="glb")
    assert graph_of("a.glb", content, tmp_path) == expected


def test_a_scene_with_something_else_is_refused() -> None:
    trimesh = pytest.importorskip("trimesh", reason="optional: has scenes")
    scene = trimesh.Scene([trimesh.PointCloud(POSITIONS)])
    with pytest.raises(TypeError, match=r"is a PointCloud, and no mesh"):
        as_graph(scene)


@pytest.mark.filterwarnings("ignore::multiscale_gcn.convert.UnreferencedNodes")
@pytest.mark.parametrize("form", ["{0}", "{0}/{0}", "{0}//{0}", "{0}/{0}/{0}"])
def test_an_obj_file_cut_within_its_last_face_is_refused(form: str, tmp_path: Path) -> None:
    """Unless nothing but digits of its last number is missing."""
    path, vertices = tmp_path / "a.obj", "v 0 0 0\n" * 13
    whole, last = (
        "f " + " ".join(form.format(corner) for corner in face)
        for face in ((1, 2, 3, 4), (10, 11, 12, 13))
    )
    for length in range(1, len(last) + 1):
        path.write_text(f"{vertices}{whole}\n{last[:length]}")
        if length >= len(last) - 1:
            assert as_graph(path).num_edges == 8
        else:
            with pytest.raises(ValueError, match=r"line 15 of .*: .*; (it|vertices)"):
                as_graph(path)
    path.write_text(f"{vertices}{last}\nf 1 2 3\n")  # which ends as it should
    assert as_graph(path).num_edges == 7


# What other libraries write


@pytest.mark.parametrize("suffix", ["ply", "off", "obj", "stl"])
def test_files_of_meshio(suffix: str, tmp_path: Path) -> None:
    meshio = pytest.importorskip("meshio", reason="optional: meshes of many formats")
    path = tmp_path / f"a.{suffix}"
    meshio.Mesh(POSITIONS, [("triangle", TRIANGLES)]).write(path)
    graph = as_graph(path)
    if suffix == "stl":
        assert (graph.num_nodes, graph.num_edges) == (5, 8)
    else:
        assert edges(graph) == EDGES


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_ply_of_trimesh_with_colours(encoding: str, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="optional: writes PLY")
    mesh = trimesh.creation.icosphere(subdivisions=2)
    mesh.visual.vertex_colors = np.arange(4 * len(mesh.vertices)).reshape(-1, 4) % 256
    mesh.vertex_normals  # noqa: B018, which are written then
    content = mesh.export(file_type="ply", encoding=encoding)
    assert graph_of("a.ply", content, tmp_path) == as_graph(mesh)


# Vertices of no face


def test_unreferenced_vertices_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\n" * 5 + "f 2 3 5\n")
    with pytest.warns(UnreferencedNodes, match=r"2 of 5 vertices .*, the first is 0; "):
        graph = as_graph(tmp_path / "a.obj")
    assert graph.num_nodes == 5
