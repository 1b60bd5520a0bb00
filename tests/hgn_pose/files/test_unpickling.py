import contextlib
import copyreg
import io
import os
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tally import tried

from examples.hgn_pose.files.archives import read_objects
from examples.hgn_pose.files.unpickling import Record, read_pickle, unpickle

RECONSTRUCTOR = copyreg._reconstructor  # type: ignore[attr-defined]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def load(data, records=()):
    return unpickle(io.BytesIO(data), "some.pkl", records)


def equal(first, second):
    if isinstance(first, np.ndarray):
        assert isinstance(second, np.ndarray)
        assert first.dtype == second.dtype.newbyteorder("=")
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for key in first:
            equal(first[key], second[key])
    elif isinstance(first, list | tuple):
        assert type(first) is type(second)
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            equal(one, other)
    else:
        assert type(first) is type(second)
        assert first == second or (first != first and second != second)


dtypes = (
    npst.boolean_dtypes()
    | npst.integer_dtypes(endianness="?")
    | npst.floating_dtypes(endianness="?")
    | npst.complex_number_dtypes(endianness="?")
    | npst.unicode_string_dtypes(endianness="?")
    | npst.byte_string_dtypes()
)
arrays = dtypes.flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, min_side=0, max_side=3))
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | arrays
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(trees, st.sampled_from(PROTOCOLS))
def test_plain_data_come_back_as_pickle_reads_them(value, protocol):
    data = pickle.dumps(value, protocol)
    equal(load(data), pickle.loads(data))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_orders_scalars_and_shared_objects(protocol):
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    shared = [1, 2]
    value = {
        "fortran": fortran,
        "scalar": np.float32(1.5),
        "ordered": OrderedDict(b=1, a=2),
        "sets": {1, 2},
        "twice": [shared, shared],
    }
    got = load(pickle.dumps(value, protocol))
    equal(got["fortran"], fortran)
    equal(got["scalar"], np.float32(1.5))
    assert list(got["ordered"].items()) == [("b", 1), ("a", 2)]
    assert got["sets"] == {1, 2}
    assert got["twice"][0] is got["twice"][1]


def test_an_object_array_holds_plain_data():
    value = np.array([{"a": np.arange(2)}, "text", None], dtype=object)
    got = load(pickle.dumps(value))
    assert got.dtype == object
    equal(got.tolist(), value.tolist())


class Calls:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("attack", "name"),
    [
        (Calls(os.system, "true"), "system"),
        (Calls(eval, "1"), "builtins.eval"),
        (Calls(exec, "pass"), "builtins.exec"),
        (Calls(getattr, "", "join"), "builtins.getattr"),
        (Calls(np.load, "x.npy"), "numpy.load"),
        (Calls(np.memmap, "x"), "numpy.memmap"),
        (np.random.default_rng(0), "numpy.random"),
        (np.ma.array([1]), "numpy.ma"),
        (struct.Struct("i").pack, "getattr"),
        (Record(), "examples.hgn_pose.files.unpickling.Record"),
    ],
)
def test_whatever_else_a_pickle_asks_for_is_refused_by_name(attack, name, protocol):
    try:
        data = pickle.dumps({"poses": [attack]}, protocol)
    except TypeError:
        pytest.skip("this protocol cannot hold it")
    with pytest.raises(ValueError, match=rf"some.pkl cannot be used: it asks for .*{name}"):
        load(data)


def test_nothing_is_called(tmp_path):
    victim = tmp_path / "made"
    data = pickle.dumps(Calls(os.mkdir, str(victim)))
    with pytest.raises(ValueError, match="mkdir"):
        load(data)
    assert not victim.exists()
    pickle.loads(data)
    assert victim.exists()


def reconstruct(shape, dtype, data):
    """A pickle of an array that numpy did not write."""
    built = Calls(np.dtype, "f8", False, True)

    class Array:
        def __reduce__(self):
            start = np.empty(0).__reduce__()
            return start[0], start[1], (1, shape, dtype or built, False, data)

    return pickle.dumps(Array())


def shared_lists(depth):
    """A list of a list twice, which holds a list twice, and so on."""
    value: list = [0]
    for _ in range(depth):
        value = [value, value]
    return pickle.dumps(value)


def forged_dtype(*state):
    class Dtype:
        def __reduce__(self):
            return np.dtype, ("V8", False, True), state

    return Dtype()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (reconstruct((1000,), None, b"12345678"), "shape .1000,. and dtype float64 has another"),
        (reconstruct((-1,), None, b""), "cannot be used"),
        (reconstruct((-1, -1), None, b"12345678"), "another number of bytes"),
        (reconstruct((1,), np.dtype("O"), b"12345678"), "not complete"),
        (reconstruct((2,), np.dtype("O"), ["one"]), "not complete"),
        (
            reconstruct((1,), forged_dtype(3, "|", None, None, None, 8, 1, 0), b"12345678"),
            "dtype 'V8'",
        ),
        (pickle.dumps(np.zeros(2, "f4,i4")), "dtype 'V8'"),
        (pickle.dumps(np.zeros(2, "M8[s]")), "dtype 'M8'"),
        (pickle.dumps(Calls(np.dtype, "O")), "a bare _DataType"),
        (pickle.dumps(object), "a bare type"),
        (pickle.dumps(Calls(RECONSTRUCTOR, object, object, None)), "not expected"),
        (pickle.dumps({})[:-1], "it is cut off"),
        (b"", "it is cut off"),
        (b"not a pickle", "cannot be used"),
        (b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".", "nested too deep"),
        (b"]q\x00h\x00a.", "contains itself"),
        (b"cnumpy\ndtype\n(S'f8'\ntR(I3\nS'>'\n(I1\ntNNtb.", "structured"),
        (b"]r\xff\xff\xff\x7f.", "under 2147483647, after 1 words"),
        (b"]p4000000000\n.", "under 4000000000, after 1 words"),
        (b"\x8e\x00\x00\x00\x00\x00\x01\x00\x00.", "1099511627776 bytes are announced and 1 are"),
        (b"\x96\x00\x00\x00\x00\x00\x01\x00\x00.", "1099511627776 bytes are announced and 1 are"),
        (b"\x95\x00\x00\x00\x00\x00\x01\x00\x00N.", "cannot be used"),
        (shared_lists(40), "the same ones stand in many places"),
        (b"\x80\x02cbuiltins\nset\nN}\x8c\x08__name__\x8c\x01xs\x86b.", "cannot be used"),
    ],
)
def test_forged_and_damaged_pickles_are_refused(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        load(data)
    assert str(caught.value).startswith("some.pkl cannot be used: ")


@given(st.binary(max_size=60))
def test_random_bytes_give_plain_data_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        load(data)
    tried("pickles of random bytes")


@given(trees, st.sampled_from(PROTOCOLS), st.data())
def test_flipped_bits_give_plain_data_or_a_value_error(value, protocol, data):
    content = bytearray(pickle.dumps(value, protocol))
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(ValueError):
        load(bytes(content))
    tried("bits flipped in pickles")


class Foreign:
    x: np.ndarray
    inner: list[np.float64]

    def __init__(self):
        raise AssertionError("built")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_expected_classes_come_as_records(protocol):
    foreign = object.__new__(Foreign)
    foreign.x = np.arange(3)
    foreign.inner = [np.float64(2)]
    name = f"{__name__}.Foreign"
    data = pickle.dumps({"weights": foreign, "again": foreign}, protocol)
    got = load(data, records=[name])
    assert isinstance(got["weights"], Record)
    assert got["weights"].kind == name
    equal(got["weights"].state, {"x": np.arange(3), "inner": [np.float64(2)]})
    assert got["again"] is got["weights"]
    with pytest.raises(ValueError, match="it asks for"):
        load(data)


def test_python_2_arrays_are_read():
    # pickle.dumps({'a': numpy.arange(2, dtype='<i2')}, 2) of Python 2, written down by hand.
    data = (
        b"\x80\x02}q\x00U\x01aq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03"
        b"K\x00\x85q\x04U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02\x85q\x08cnumpy\ndtype\nq\tU\x02i2q\nK"
        b"\x00K\x01\x87q\x0bRq\x0c(K\x03U\x01<q\rNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0eb"
        b"\x89U\x04\x00\x00\x01\x00q\x0ftq\x10bs."
    )
    equal(load(data), {"a": np.arange(2, dtype="<i2")})


def test_a_file_is_read_and_a_missing_one_named(tmp_path):
    path = tmp_path / "some.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    assert read_pickle(path) == [1, 2]
    with pytest.raises(ValueError, match=r"there is no file .*none.pkl"):
        read_pickle(tmp_path / "none.pkl")


def test_archives_of_objects_are_read_without_trust(tmp_path):
    path = tmp_path / "poses.npz"
    poses = {"S1": {"Walking 1": np.ones((2, 3, 3), np.float32)}}
    np.savez_compressed(path, positions_3d=np.array(poses, dtype=object), fps=50)
    got = read_objects(path, ["positions_3d", "fps"])
    equal(got["positions_3d"], poses)
    assert got["fps"] == 50
    with pytest.raises(ValueError, match=r"has no array 'data'; it has positions_3d, fps"):
        read_objects(path, ["data"])
    np.savez(path, positions_3d=np.array({"S1": Calls(os.system, "true")}, dtype=object))
    with pytest.raises(ValueError, match=r"poses.npz.* it asks for .*system"):
        read_objects(path, ["positions_3d"])


def test_damaged_archives_are_refused(tmp_path):
    path = tmp_path / "poses.npz"
    np.savez(path, positions_3d=np.array({"S1": b"\x07" * 3000}, dtype=object))
    data = bytearray(path.read_bytes())
    data[1500] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"poses.npz cannot be used: .*CRC"):
        read_objects(path, ["positions_3d"])
    path.write_bytes(bytes(data[:1000]))
    with pytest.raises(ValueError, match="no npz file, or cut off"):
        read_objects(path, ["positions_3d"])
    with pytest.raises(ValueError, match="there is no file"):
        read_objects(tmp_path / "none.npz", ["positions_3d"])
