"""Arrays, archives, pickles and JSON that are damaged or ask for more than they hold."""

import json
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hostile import read_or_refuse, try_damages

from examples.hgn_pose.files.archives import names_in, read_npz, read_objects
from examples.hgn_pose.files.npy import read_npy
from examples.hgn_pose.files.texts import read_json, read_text
from examples.hgn_pose.files.unpickling import read_pickle

ARRAY = np.asfortranarray(np.arange(24.0).reshape(2, 3, 4))
PLAIN = {"S1": [ARRAY, {"text": "walk", "number": 2.5, "more": (None, True)}], "S2": np.arange(3)}


def same(found):
    return np.array_equal(found["a"], ARRAY) and np.array_equal(found["b"], ["x", "yz"])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_load_equal_or_not_at_all(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, a=ARRAY, b=np.array(["x", "yz"]))
    try_damages(path, lambda: read_npz(path, ["a", "b"]), same=same, most=300)
    try_damages(path, lambda: read_objects(path, ["a", "b"]), same=same)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_pickles(tmp_path, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(PLAIN, protocol))
    try_damages(path, lambda: read_pickle(path, ["scipy.sparse.csc.csc_matrix"]), most=200)


def test_arrays_and_texts(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, ARRAY)
    try_damages(path, lambda: read_npy(path), most=200)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": [1, 2.5, None, "text", {"b": True}]}))
    try_damages(path, lambda: read_json(path), most=200)
    try_damages(path, lambda: read_text(path))


def header(shape, descr="<f8"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("shape", "descr"),
    [
        ((2**40,), "<f8"),
        ((2**62, 2**62), "<f8"),
        ((2**40, 0), "<f8"),
        ((2**40,), "<U0"),
        ((-1,), "<f8"),
        ((1,) * 70, "<f8"),
        ((2**31,), "|S1"),
    ],
)
def test_no_shape_takes_more_than_the_bytes_that_are_there(tmp_path, shape, descr):
    path = tmp_path / "a.npy"
    path.write_bytes(header(shape, descr) + bytes(8))
    assert read_or_refuse(lambda: read_npy(path), "a.npy") is None
    path.write_bytes(header(shape, descr))
    assert read_or_refuse(lambda: read_npy(path), "a.npy") is None
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header(shape, descr) + bytes(8))
    assert read_or_refuse(lambda: read_npz(path, ["a"]), "a.npz") is None


def test_an_unknown_entry_costs_nothing(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("bomb.npy", "w", force_zip64=True) as file:
            for _ in range(1 << 5):
                file.write(bytes(1 << 22))
        with archive.open("a.npy", "w") as file:
            np.lib.format.write_array(file, ARRAY)
    tracemalloc.start()
    assert names_in(path) == ["bomb", "a"]
    assert np.array_equal(read_npz(path, ["a"])["a"], ARRAY)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_zeros_that_compress_well_are_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.zeros(1 << 22), b=np.zeros((0, 10_475, 3)))
    found = read_npz(path, ["a", "b"])
    assert found["a"].nbytes == 1 << 25
    assert found["b"].shape == (0, 10_475, 3)


def claims_more(path, size):
    """An archive whose entry says that it is longer than it is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header((size,), "|u1") + bytes(1000))
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = struct.pack("<I", size + 100)
    path.write_bytes(data)


def test_an_entry_cannot_claim_what_it_does_not_hold(tmp_path):
    path = tmp_path / "a.npz"
    claims_more(path, 2**31)
    with pytest.raises(ValueError, match=r"a claims \d+ bytes and holds \d+; give a whole npz"):
        read_npz(path, ["a"])


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header((1,)) + bytes(8))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", header((1,)) + bytes(range(8)))
    with pytest.raises(ValueError, match="it holds 'a' twice"):
        read_npz(path, ["a"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, "nested too deep"),
        (b"9" * 5000, "a number in it is too large"),
        (b'{"a": ', "it is no JSON"),
        (b"\xff\xfe\x00", "it is no JSON"),
        (b"", "it is no JSON"),
    ],
)
def test_what_is_wrong_with_json_is_said(tmp_path, content, reason):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_json(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_in_every_encoding_that_it_may_have(tmp_path, encoding):
    path = tmp_path / "a.json"
    path.write_bytes('{"ä": 1}'.encode(encoding))
    assert read_json(path) == {"ä": 1}


def test_folders_and_missing_files_are_named(tmp_path):
    for read in (read_json, read_text, read_npy, read_pickle, names_in):
        for path in (tmp_path, tmp_path / "none"):
            with pytest.raises(ValueError, match=f"there is no file {path}"):
                read(path)
