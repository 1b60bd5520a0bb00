"""Files that are cut, changed or something else: a graph, or a refusal in words of our own."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from file_samples import COUNTED, EDGES, SAMPLES, edges, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tally import tried

from multiscale_gcn import Graph

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

SUFFIXES = sorted({Path(name).suffix for name in SAMPLES})


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_holds_the_same_graph(name: str, tmp_path: Path) -> None:
    graph = read(name, SAMPLES[name], tmp_path)
    assert isinstance(graph, Graph), graph
    assert graph.num_nodes == 5
    if name.endswith(".stl"):  # whose nodes are numbered as their corners appear: 0 1 4 2 3
        assert edges(graph) == {(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (3, 4), (2, 4), (0, 4)}
    else:
        assert edges(graph) == EDGES


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_cut_is_refused(name: str, tmp_path: Path) -> None:
    """Unless nothing is missing but the end of the last line, or of what follows the last edge."""
    whole = read(name, SAMPLES[name], tmp_path)
    for length in range(len(SAMPLES[name])):
        found = read(name, SAMPLES[name][:length], tmp_path)
        tried("graph files cut")
        if isinstance(found, Graph):
            assert found == whole, f"of the first {length} bytes"
            assert length > 0.85 * len(SAMPLES[name])


def test_cut_lists_without_counts_are_refused_or_shorter(tmp_path: Path) -> None:
    for name in SAMPLES.keys() - COUNTED.keys():
        for length in range(len(SAMPLES[name])):
            found = read(name, SAMPLES[name][:length], tmp_path, **_mirrored(name))
            tried("graph files cut")
            if isinstance(found, Graph):
                assert 1 <= found.num_nodes <= 5
                assert found.num_edges <= 9  # with a diagonal, where a face lost its last corner


def _mirrored(name: str) -> dict[str, bool]:
    return {} if name.endswith(".obj") else {"symmetrize": True}


@pytest.mark.parametrize("name", SAMPLES)
@in_one_folder
@given(st.data())
def test_changed_files_are_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = st.sampled_from([b"9", b"-", b"\0", b" ", b"\n", b"999999999999", b"nan", b"e9"])
        replacement = data.draw(st.one_of(st.binary(max_size=2), piece))
        content[at : at + data.draw(st.integers(0, 4))] = replacement
        if not content:
            break
    _read(name, bytes(content), tmp_path)
    tried("graph files changed")


@pytest.mark.parametrize("suffix", SUFFIXES)
@in_one_folder
@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_random_bytes_are_read_or_refused(suffix: str, tmp_path: Path, content: bytes) -> None:
    _read(f"random{suffix}", content, tmp_path)
    tried("graph files of random bytes")


def _read(name: str, content: bytes, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networkx warns of what it leaves out
        found = read(name, content, folder)
    assert isinstance(found, str) or found.num_nodes <= 100 * (len(content) + 1)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".vtk", ".vtu", ".msh", ".inp", ".mesh"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"<!DOCTYPE html>\n<html><body>\n<p>404 not found</p>\n</body></html>\n",
        b"Dear all,\nplease find the mesh attached.\n",
        b"{}",
        "solid only in name\nvertices and faces\n".encode("utf-16"),
    ],
)
def test_something_else_under_the_suffix_is_refused(
    suffix: str, content: bytes, tmp_path: Path
) -> None:
    if suffix in (".vtk", ".vtu", ".msh", ".inp", ".mesh"):
        pytest.importorskip("meshio", reason="optional: meshes of many formats")
    found = read(f"other{suffix}", content, tmp_path)
    assert isinstance(found, str), found
    assert f"other{suffix}" in found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 99999999999\nproperty float x\n"
                  b"end_header\n1\n"),
        ("a.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999999\n"
                  b"property float x\nend_header\n1234"),
        ("a.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty char x\n"
                  b"element face 1\nproperty list uint int vertex_indices\nend_header\n"
                  b"1\xff\xff\xff\xff1234"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 99999999999\nend_header\n"),
        ("a.off", b"OFF\n99999999999 99999999999 0\n0 0 0\n"),
        ("a.stl", b" " * 80 + b"\xff\xff\xff\xff" + bytes(50)),
        ("a.graph", b"99999999999 0\n"),
        ("a.mtx", b"%%MatrixMarket matrix coordinate real general\n9 9 99999999999\n1 2 1\n"),
        ("a.mtx", b"%%MatrixMarket matrix coordinate real general\n99999999999 99999999999 1\n"
                  b"1 2 1\n"),
        ("a.mtx", b"%%MatrixMarket matrix array real general\n999999 999999\n1\n"),
        ("a.txt", b"0 99999999999\n"),
        ("a.txt", b"0 1999999999\n"),
        ("a.obj", b"v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 99999999999999999999\n"),
        ("a.gltf", b'{"meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "accessors": '
                   b'[{"count": 99999999999, "componentType": 5126, "type": "VEC3", "bufferView": '
                   b'0}], "bufferViews": [{"buffer": 0, "byteLength": 99999999999}], "buffers": '
                   b'[{"uri": "data:,AAAA"}]}'),
    ],
)  # fmt: skip
def test_a_file_asks_for_no_more_than_it_holds(name: str, content: bytes, tmp_path: Path) -> None:
    assert isinstance(read(name, content, tmp_path), str)
