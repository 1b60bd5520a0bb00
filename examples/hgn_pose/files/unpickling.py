"""Read pickles of plain data and of nothing else; none of their code is ever called.

Published pose data and body models often come as pickles, and a pickle may name any function of
any module to be called while it is read. Here every name that a pickle uses is looked up in a
short table. Arrays and their dtypes are built from the pickle's words only after these were
checked, and never by numpy's own, trusting, ``__setstate__``.

A few bytes of a pickle may also ask for any amount of memory. So its words are counted before it is
read (:mod:`examples.hgn_pose.files.pickle_words`), and what it shares between many places after.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from examples.hgn_pose.files.pickle_words import Unhurried, count_words
from examples.hgn_pose.files.reading import reading
from multiscale_gcn.checks.npy import check_shape

MOST_SHARED = 64
"""Items to a byte of the pickle, each counted wherever it is used; no honest file has so many."""
REMEDY = "write arrays, numbers, text, dicts, lists and tuples with pickle, and nothing else"

_DTYPE = re.compile(r"[?biufcSUO]\d*")
_PRESENT_NAMES = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}
"""Modules as Python 2 and numpy 1 called them, and as they are called now."""
_PLAIN = (str, bytes, bytearray, bool, int, float, complex, np.generic, type(None))


@dataclass
class Record:
    """An object of a class that the caller expects, as its bare attributes.

    The class itself is neither imported nor built.
    """

    kind: str = ""
    """Module and name of the class, such as ``scipy.sparse.csc.csc_matrix``."""
    state: dict[str, Any] = field(default_factory=dict)
    """Its attributes by name."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(f"the attributes of a {self.kind} are no dict")
        self.state = state


def unpickle(file: IO[bytes], source: str, records: Collection[str] = ()) -> Any:
    """Read one pickle that holds plain data only.

    Parameters
    ----------
    file : binary file
        At the beginning of the pickle; left behind its end.
    source : str
        Name of the file, for errors.
    records : collection of str
        Classes whose objects come as :class:`Record`, by module and name as the pickle writes
        them, such as ``"chumpy.ch.Ch"``.

    Returns
    -------
    object
        Nested dict, list, tuple, set, str, bytes, numbers, None, arrays and records. Arrays
        may be read-only. Text of Python 2 is read as latin-1.

    Raises
    ------
    ValueError
        If the pickle is damaged or asks for anything else; names the class and the source.

    Examples
    --------
    >>> import io, pickle
    >>> import numpy as np
    >>> from examples.hgn_pose.files.unpickling import unpickle
    >>> unpickle(io.BytesIO(pickle.dumps({"S1": np.arange(3)})), "poses.pkl")
    {'S1': array([0, 1, 2])}
    >>> unpickle(io.BytesIO(pickle.dumps(len)), "poses.pkl")
    Traceback (most recent call last):
    ValueError: poses.pkl cannot be used: it asks for builtins.len, and only arrays, numbers,
    text, dicts, lists and tuples are read; do not open it with other tools if you do not trust
    where it comes from
    """
    with reading(source, REMEDY):
        start = file.tell()
        most = MOST_SHARED * count_words(file)
        file.seek(start)
        try:
            return _Finished(most)(_Unpickler(Unhurried(file), records).load())
        except pickle.UnpicklingError as error:
            raise ValueError(str(error)) from error


def read_pickle(path: str | Path, records: Collection[str] = ()) -> Any:
    """Read a file that is one pickle of plain data; see :func:`unpickle`.

    Raises
    ------
    ValueError
        If the file is missing, and as :func:`unpickle`.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    with path.open("rb") as file:
        return unpickle(file, str(path), records)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Unhurried, records: Collection[str]) -> None:
        super().__init__(file, encoding="latin1")
        self._records = {name: type("Record", (_Named,), {"name": name}) for name in records}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{_PRESENT_NAMES.get(module, module)}.{name}"
        found = self._records.get(full) or _ADMITTED.get(full)
        if found is None:
            raise pickle.UnpicklingError(
                f"it asks for {full}, and only arrays, numbers, text, dicts, lists and tuples are "
                "read; do not open it with other tools if you do not trust where it comes from"
            )
        return found


class _Named(Record):
    name = ""

    def __new__(cls, *_: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, *_: Any) -> None:
        super().__init__()

    @property
    def record(self) -> Record:
        return Record(type(self).name, self.state)


class _DataType:
    """A dtype of plain numbers, text or objects."""

    def __init__(self, code: str, *_: Any) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise pickle.UnpicklingError(
                f"it holds an array of dtype {code!r}, which is not read; write arrays of numbers"
            )
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        order, *parts = state[1:5]
        if any(part is not None for part in parts):
            raise pickle.UnpicklingError("it holds a structured array; write arrays of numbers")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """An array whose contents are still to come."""

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray | None = None
        self.shape: tuple[int, ...] = ()
        self.items: list[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, self.shape, data_type, fortran, data = state
        if data_type.dtype.hasobject:
            if not isinstance(data, list) or len(data) != math.prod(self.shape):
                raise pickle.UnpicklingError(f"an array of shape {self.shape} is not complete")
            check_shape(self.shape, np.dtype(bool), len(data), "an array of objects")
            if fortran:
                raise pickle.UnpicklingError("it holds objects in Fortran order")
            self.items = data
        else:
            self.array = _from_bytes(data, data_type, self.shape, "F" if fortran else "C")


class _Finished:
    """Replaces the stand-ins by what they stand for, from the leaves to the root.

    Parameters
    ----------
    most : int
        Items that all may hold together, each counted wherever it is used.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._items = 0
        self._done: dict[int, Any] = {}
        self._counts: dict[int, int] = {}
        self._open: set[int] = set()

    def __call__(self, value: Any) -> Any:
        if isinstance(value, _PLAIN):
            self._items += 1
            return value
        key = id(value)
        if key in self._open:
            raise pickle.UnpicklingError("it holds an object that contains itself")
        if key in self._done:
            self._items += self._counts[key]
        else:
            before = self._items
            self._open.add(key)
            self._done[key] = self._finish(value)
            self._open.remove(key)
            self._counts[key] = self._items - before
        if self._items > self._most:
            raise pickle.UnpicklingError(
                f"it holds more than {self._most} items, as the same ones stand in many places"
            )
        return self._done[key]

    def _finish(self, value: Any) -> Any:
        self._items += 1
        if isinstance(value, dict):
            return {self(key): self(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return type(value)(self(item) for item in value)
        if isinstance(value, _Array):
            if value.items is not None:
                return self._objects(value)
            value = value.array
        if isinstance(value, np.ndarray):
            self._items += value.size
            return value
        if isinstance(value, _Named):
            record = value.record
            return Record(record.kind, self(record.state))
        raise pickle.UnpicklingError(f"it holds a bare {type(value).__name__}")

    def _objects(self, value: _Array) -> np.ndarray:
        flat = np.empty(len(value.items or ()), dtype=object)
        for place, item in enumerate(value.items or ()):
            flat[place] = self(item)
        array = flat.reshape(value.shape)
        array.flags.writeable = False
        return array


def _from_bytes(data: Any, data_type: _DataType, shape: tuple[int, ...], order: str) -> np.ndarray:
    raw = data.encode("latin1") if isinstance(data, str) else data
    dtype = data_type.dtype
    if not isinstance(raw, (bytes, bytearray)) or dtype.hasobject:
        raise pickle.UnpicklingError(f"an array of dtype {dtype} has no bytes")
    check_shape(shape, dtype, len(raw), "an array")
    array: np.ndarray = np.ndarray(shape, dtype, raw, order="F" if order == "F" else "C")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _scalar(data_type: _DataType, data: Any) -> Any:
    return _from_bytes(data, data_type, (), "C")[()]


def _from_buffer(data: Any, data_type: _DataType, shape: tuple[int, ...], order: str) -> np.ndarray:
    return _from_bytes(data, data_type, shape, order)


def _empty_bytes() -> bytes:
    return b""


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes encoded as {encoding}")
    return text.encode("latin1")


def _reconstruct(kind: Any, *_: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, _Named)):
        raise pickle.UnpicklingError("it rebuilds an object of a class that is not expected")
    return kind()


# No function here has a default that a pickle could replace, and every class has a __setstate__,
# so a pickle cannot change them by "building" them.
_ADMITTED: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _DataType,
    "numpy._core.multiarray._reconstruct": _Array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "_codecs.encode": _encode,
    "collections.OrderedDict": dict,
    "builtins.bytes": _empty_bytes,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.object": object,
    "copyreg._reconstructor": _reconstruct,
}
