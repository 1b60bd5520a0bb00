"""Saved hierarchies: whatever befalls a file, it is read as it was saved or refused."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from tally import tried

from multiscale_gcn import Hierarchy, coarsen


def constrained() -> Hierarchy:
    """A hierarchy with all that a file of clusters can hold."""
    n = 12
    return coarsen(
        nx.disjoint_union(nx.cycle_graph(n), nx.cycle_graph(n)),
        levels=2,
        labels=[0] * n + [1] * n,
        survivors=np.arange(2 * n) % n == 0,
        symmetry=[*range(n, 2 * n), *range(n)],
    )


def sampled() -> Hierarchy:
    """One with all that a file can hold."""
    fine, *coarser = constrained().levels
    assert fine.parent is not None
    _, first = np.unique(fine.parent, return_index=True)
    both = sp.csr_array(np.eye(coarser[0].num_nodes)[fine.parent] + np.eye(24, 12))
    return Hierarchy((replace(fine, sampled=first, interpolation=both), *coarser))


def everything(hierarchy: Hierarchy) -> list[object]:
    of_levels = [
        (
            level.graph,
            level.graph.quantum,
            level.parent,
            level.constraints.arrays(),
            level.sampled,
            None if level.interpolation is None else level.interpolation.toarray().tolist(),
        )
        for level in hierarchy
    ]
    head = (hierarchy.method, hierarchy.rounding, hierarchy.order_version, hierarchy.fingerprint)
    return [repr(head), *map(repr, of_levels)]


def rewritten(content: bytes, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> bytes:
    """The archive with other entries: names, and content, as a careful forger would."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        for info in old.infolist():
            entry = change(info.filename, old.read(info))
            if entry is not None:
                new.writestr(*entry)
    return result.getvalue()


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, bytes, Hierarchy]:
    hierarchy = constrained()
    path = tmp_path / "h.npz"
    hierarchy.save(path)
    return path, path.read_bytes(), hierarchy


@pytest.mark.parametrize("made", [constrained, sampled])
def test_everything_comes_back(made: Callable[[], Hierarchy], tmp_path: Path) -> None:
    hierarchy = made()
    hierarchy.save(tmp_path / "h.npz")
    assert everything(Hierarchy.load(tmp_path / "h.npz")) == everything(hierarchy)


@cache
def intact(made: Callable[[], Hierarchy], folder: Path) -> tuple[bytes, list[object]]:
    """What is saved, and what must be read of it."""
    hierarchy = made()
    hierarchy.save(folder / "intact.npz")
    return (folder / "intact.npz").read_bytes(), everything(hierarchy)


@pytest.mark.parametrize("made", [constrained, sampled])
@settings(max_examples=max(400, settings().max_examples))
@given(data=st.data())
def test_every_flipped_bit_is_noticed_or_harmless(
    made: Callable[[], Hierarchy], data: st.DataObject, tmp_path_factory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / "flipped.npz"
    original, expected = intact(made, folder)
    content = bytearray(original)
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    refusal, found = "", None
    try:
        found = Hierarchy.load(path)
    except ValueError as error:
        refusal = str(error)
    if found is None:
        assert str(path) in refusal
        assert "; save" in refusal
    else:
        assert everything(found) == expected
    tried("bits flipped in saved hierarchies")


@pytest.mark.parametrize("method", [*range(8), *range(9, 20)])
def test_another_compression_than_it_has_is_noticed(
    method: int, saved: tuple[Path, bytes, Hierarchy]
) -> None:
    """Of which bzip2 complains as if the system could not read the file."""
    path, content, _ = saved
    at = content.index(b"PK\x01\x02") + 10  # of the first entry in the archive's list
    assert content[at] == zipfile.ZIP_DEFLATED
    path.write_bytes(content[:at] + bytes([method]) + content[at + 1 :])
    with pytest.raises(ValueError, match="; save"):
        Hierarchy.load(path)


@pytest.mark.parametrize("bit", range(32))
def test_entries_elsewhere_than_they_stand_are_noticed(
    bit: int, saved: tuple[Path, bytes, Hierarchy]
) -> None:
    path, content, _ = saved
    end = content.rindex(b"PK\x05\x06") + 16  # where the list of entries begins
    (begin,) = struct.unpack_from("<I", content, end)
    path.write_bytes(content[:end] + struct.pack("<I", begin ^ 1 << bit) + content[end + 4 :])
    with pytest.raises(ValueError, match="; save"):
        Hierarchy.load(path)


def test_what_the_system_says_of_a_file_is_handed_on(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Hierarchy.load(tmp_path / "none.npz")


@pytest.mark.parametrize("name", ["labels", "survivors", "symmetry", "parent", "weights"])
def test_an_array_by_another_name_is_noticed(
    name: str, saved: tuple[Path, bytes, Hierarchy]
) -> None:
    """One letter of the name in the archive, whose own checksums do not cover it."""
    path, content, _ = saved
    path.write_bytes(
        rewritten(content, lambda entry, data: (entry.replace(f"0.{name}", f"0.x{name}"), data))
    )
    with pytest.raises(ValueError, match="is damaged: "):
        Hierarchy.load(path)


@pytest.mark.parametrize("name", ["method", "rounding", "quantum", "order_version"])
def test_a_changed_header_is_noticed(name: str, saved: tuple[Path, bytes, Hierarchy]) -> None:
    path, content, _ = saved
    other = {
        "method": "another",
        "quantum": 0.5,
        "order_version": 7,
        "rounding": {"edge_weights": 3},
    }

    def change(entry: str, data: bytes) -> tuple[str, bytes]:
        if entry != "header.npy":
            return entry, data
        array = np.load(io.BytesIO(data))
        header = json.loads(array.tobytes()) | {name: other[name]}
        return entry, _npy(np.frombuffer(json.dumps(header).encode(), np.uint8))

    path.write_bytes(rewritten(content, change))
    with pytest.raises(ValueError, match=r"is damaged: .* saved with; save the hierarchy again"):
        Hierarchy.load(path)


def test_an_unknown_entry_is_not_even_read(saved: tuple[Path, bytes, Hierarchy]) -> None:
    path, _, hierarchy = saved
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bomb.npy", b"never looked at, so it may be anything")
        archive.writestr("../escape", b"")
    assert everything(Hierarchy.load(path)) == everything(hierarchy)


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31), (3,)])
def test_an_array_that_claims_more_than_the_file_holds_is_refused(
    shape: tuple[int, ...], saved: tuple[Path, bytes, Hierarchy]
) -> None:
    path, content, _ = saved
    head = repr({"descr": "<i8", "fortran_order": False, "shape": shape}).encode()
    claim = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + b"\0" * 16

    def change(entry: str, data: bytes) -> tuple[str, bytes]:
        return (entry, claim) if entry == "0.indptr.npy" else (entry, data)

    path.write_bytes(rewritten(content, change))
    with pytest.raises(ValueError, match=r"indptr of shape .* has another number of bytes"):
        Hierarchy.load(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"[]", "its header is a list"),
        (b"[" * 100_000, "is not a hierarchy"),
        (b'{"format": 10' + b"0" * 5000, "is not a hierarchy"),
        (b'{"format": "multiscale_gcn.Hierarchy", "format_version": "2"}', "must be an integer"),
        (b'{"format": "other", "format_version": 2}', "its format is 'other'"),
        (b'{"format": "multiscale_gcn.Hierarchy", "format_version": 2}', "is damaged"),
        (b"\xff\xfe", "is not a hierarchy"),
    ],
)
def test_strange_headers_end_in_one_sentence(
    header: bytes, message: str, saved: tuple[Path, bytes, Hierarchy]
) -> None:
    path, content, _ = saved

    def change(entry: str, data: bytes) -> tuple[str, bytes]:
        is_header = entry == "header.npy"
        return entry, _npy(np.frombuffer(header, np.uint8)) if is_header else data

    path.write_bytes(rewritten(content, change))
    with pytest.raises(ValueError, match=message):
        Hierarchy.load(path)


def test_files_of_the_first_format_are_read(saved: tuple[Path, bytes, Hierarchy]) -> None:
    path, content, hierarchy = saved

    def change(entry: str, data: bytes) -> tuple[str, bytes]:
        if entry != "header.npy":
            return entry, data
        header = json.loads(np.load(io.BytesIO(data)).tobytes())
        assert header.pop("checksum")
        assert header["format_version"] == 2
        header["format_version"] = 1
        return entry, _npy(np.frombuffer(json.dumps(header).encode(), np.uint8))

    path.write_bytes(rewritten(content, change))
    assert everything(Hierarchy.load(path)) == everything(hierarchy)


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
