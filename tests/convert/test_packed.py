"""Packed text: the graph of what is in it, or a refusal that names the file."""

from __future__ import annotations

import bz2
import gzip
import lzma
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from file_samples import SAMPLES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multiscale_gcn import EdgeFiles, Graph, as_graph
from multiscale_gcn.__main__ import main

PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".XZ": lzma.compress}
LISTS = (".csv", ".graph", ".mtx", ".tsv", ".txt")
TEXTS = [name for name in SAMPLES if name.endswith((*LISTS, ".obj", ".off"))]

packing = pytest.mark.parametrize(("suffix", "packed"), PACKED.items())


def read(path: Path) -> Graph | str:
    """The graph, or why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if any(part in LISTS for part in path.suffixes):
                return as_graph(path, symmetrize=True)
            return as_graph(path)
        except ValueError as error:
            return str(error)


@packing
@pytest.mark.parametrize("name", TEXTS)
def test_it_is_the_graph_of_the_text(
    name: str, suffix: str, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(SAMPLES[name])
    other = path.with_name(path.name + suffix)
    other.write_bytes(packed(SAMPLES[name]))
    plain = read(path)
    assert isinstance(plain, Graph), plain
    assert read(other) == plain


def long_list() -> bytes:
    ids = np.random.default_rng(0).integers(0, 50, (200, 2))
    return "".join(f"{u} {v}\n" for u, v in ids).encode()


@packing
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_damaged_is_refused_or_the_same(
    data: st.DataObject, suffix: str, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """All three hold sums of their bytes; what changes nothing of these may change."""
    whole = packed(long_list())
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    changed = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
    damaged = whole[:place] if cut else whole[:place] + changed + whole[place + 1 :]
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(whole)
    expected = read(path)
    path.write_bytes(damaged)
    found = read(path)
    if isinstance(found, Graph):
        assert not cut
        assert found == expected
    else:
        assert str(path) in found
        assert "cannot be unpacked" in found or "holds no text" in found


@packing
def test_plain_text_under_such_a_name_is_refused(
    suffix: str, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(b"0 1\n1 2\n")
    with pytest.raises(ValueError, match=r"a\.txt.* cannot be unpacked .*; look whether"):
        as_graph(path, symmetrize=True)


@packing
def test_a_few_bytes_that_hold_too_many_are_refused(
    suffix: str,
    packed: Callable[[bytes], bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("multiscale_gcn.convert.files.packed.MOST", 1000)
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(packed(b"0 1\n" * (1 << 16)))
    with pytest.raises(ValueError, match=r"holds more than \d+ bytes, 200 for each .*; if that"):
        as_graph(path, symmetrize=True)


@packing
def test_of_several_parts_all_are_read(
    suffix: str, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(packed(b"0 1\n") + packed(b"1 2\n") + bytes(4))
    assert as_graph(path, symmetrize=True).num_edges == 2


@packing
def test_nothing_behind_the_first_part_is_left_out_unsaid(
    suffix: str, packed: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    first, second = packed(b"0 1\n"), packed(b"1 2\n")
    path = tmp_path / f"a.txt{suffix}"
    for behind in (b"?" + second[1:], second[:-1], second[:3], b"1 2\n"):
        path.write_bytes(first + behind)
        with pytest.raises(ValueError, match="cannot be unpacked"):
            as_graph(path, symmetrize=True)


def test_directions_are_asked_for_as_of_plain_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"source,target\n0,1\n1,2\n2,3\n"))
    main(["coarsen", str(path), "--levels", "1"])
    assert "Hierarchy of 2 levels" in capsys.readouterr().out


def test_larger_than_memory_they_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv.gz"
    path.write_bytes(gzip.compress(b"u,v\n0,1\n"))
    with pytest.raises(ValueError, match=r"is packed; unpack it first: gunzip edges\.csv\.gz"):
        EdgeFiles(path)
