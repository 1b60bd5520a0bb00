"""Entries of npz files: equal to what NumPy reads, or refused before they take any memory."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from multiscale_gcn import Hierarchy, as_graph
from multiscale_gcn.checks.archives import names_in, opened, write


def test_what_is_written_is_what_was_given_and_nothing_else() -> None:
    stream = io.BytesIO()
    write(stream, {"a": [1.5, 2], "b": "text"})
    with zipfile.ZipFile(stream) as archive:
        assert names_in(archive) == ["a", "b"]
    assert read(stream.getvalue()).tolist() == [1.5, 2]
    assert read(stream.getvalue(), "b") == "text"
    with pytest.raises(ValueError, match="b holds objects, which are not pickled"):
        write(io.BytesIO(), {"a": [1], "b": [None]})


def read(content: bytes, name: str = "a", **limits: Any) -> np.ndarray:
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        opened(archive, name, **limits) as entry,
    ):
        return entry.array()


def saved(**held: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **held)
    return stream.getvalue()


def zipped(data: bytes, *names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("a.npy",):
            archive.writestr(name, data)
    return stream.getvalue()


def npy(shape: tuple[int, ...], contents: bytes, descr: str = "<f8") -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + contents


@given(arrays(scalar_dtypes(), array_shapes(min_dims=0, min_side=0)))
def test_arrays_are_those_that_numpy_reads(array: np.ndarray) -> None:
    for held in (array, np.asfortranarray(array)):
        content = saved(a=held)
        found, expected = read(content), np.load(io.BytesIO(content))["a"]
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(npy((2,), bytes(8))), r"a of shape \(2,\) and dtype float64 has another number"),
        (zipped(npy((1,), bytes(9))), r"a of shape \(1,\) and dtype float64 has another number"),
        (zipped(npy((-1,), b"")), "has another number of bytes"),
        (zipped(npy((2**40, 0), b"")), "claims the shape .* and holds nothing"),
        (zipped(npy((2**62, 2**62), bytes(8))), "has another number of bytes"),
        (zipped(b"text"), "it is no npy file"),
        (zipped(b"\x93NUMPY\x03\x00" + bytes(8)), r"the format \(3, 0\), not"),
        (saved(a=np.array([{}])), "a is pickled, and pickled arrays are not read here"),
    ],
)
def test_what_is_no_array_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(content)


def test_contents_are_held_to_the_checksum_of_the_archive() -> None:
    stream = io.BytesIO()
    np.savez(stream, a=np.arange(8))
    content = bytearray(stream.getvalue())
    content[content.index(np.arange(8).tobytes())] ^= 1
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        read(bytes(content))


def test_an_entry_may_have_no_more_bytes_than_it_is_allowed() -> None:
    content = saved(a=np.zeros(100))
    assert read(content, most=1000).nbytes == 800
    with pytest.raises(ValueError, match=r"a claims 928 bytes and holds \d+"):
        read(content, most=900)


def test_two_entries_of_one_name_are_refused() -> None:
    with (
        zipfile.ZipFile(io.BytesIO(zipped(npy((0,), b""), "a", "a.npy"))) as archive,
        pytest.raises(ValueError, match="it holds 'a' twice"),
    ):
        names_in(archive)


@pytest.mark.parametrize("read_file", [Hierarchy.load, as_graph])
def test_no_reader_takes_memory_for_a_claim(read_file: Any, tmp_path: Path) -> None:
    """Of an entry that says of itself that it has 2 GB, and holds a hundred bytes."""
    path = tmp_path / "a.npz"
    sp.save_npz(path, sp.eye_array(3, format="csr"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", npy((2**28,), bytes(100)))
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<I", len(npy((2**28,), b"")) + 2**31)
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"claims \d+ bytes|damaged"):
        read_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22
