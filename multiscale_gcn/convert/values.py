"""Arrays of foreign objects, checked to hold what they are asked for: ids, or real numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from multiscale_gcn.checks.arrays import LARGEST_INT64 as LARGEST_INT64
from multiscale_gcn.checks.foreign import attribute as attribute
from multiscale_gcn.checks.foreign import has as has
from multiscale_gcn.checks.foreign import is_tensor as is_tensor
from multiscale_gcn.checks.foreign import tensor_to_array as tensor_to_array
from multiscale_gcn.graph import LARGEST_INT32

# Ids beyond these make so many lonely nodes that they are hardly meant as numbers of nodes.
MANY_NODES = 10_000_000
NODES_PER_ID = 100


def as_array(source: Any, name: str = "") -> np.ndarray:
    """An array of real numbers; without a name of an argument, of what may be a graph."""
    array = as_any_array(source, name)
    if array.dtype.kind in "buif":
        return array
    if name:
        raise ValueError(f"{name} must be real numbers, got {_described(array)}")
    if array.dtype.kind in "US":
        raise TypeError(
            f"cannot read a {type(source).__name__} of text as a graph; number names with "
            "numpy.unique(names, return_inverse=True), or give edges of names to networkx.Graph"
        )
    if isinstance(source, np.ndarray):
        raise TypeError(
            f"cannot read an array of dtype {array.dtype} as a graph; cast it to a type of "
            "real numbers"
        )
    if _is_of_integers(array):
        raise ValueError(
            "the ids hold a number beyond int64; number the ids that occur with "
            "numpy.unique(ids, return_inverse=True)"
        )
    raise TypeError(
        f"cannot read a {type(source).__name__} as a graph; give a networkx graph, a sparse "
        "matrix, a dense array, an edge_index, faces, a mesh, the path of a file, a frame of "
        "edges, or a Graph"
    )


def as_any_array(source: Any, name: str = "") -> np.ndarray:
    try:
        if is_tensor(source):
            source = tensor_to_array(source)
        array = np.asarray(source)
    except Exception as error:  # whatever the object raises when numpy asks it for its items
        raise _unreadable(source, name) from error
    return _unmasked(source, name or "the array") if _has_mask(source) else array


@contextmanager
def asking(source: Any) -> Iterator[None]:
    """Around what is asked of a foreign object, which may raise whatever it likes."""
    try:
        yield
    except (ImportError, MemoryError, Warning):
        raise
    except Exception as error:
        raise TypeError(
            f"cannot read a {type(source).__name__} as a graph: asked for its nodes and edges it "
            f"raised {type(error).__name__}; pass its edges as an edge_index"
        ) from error


def as_ids(values: Any, name: str) -> np.ndarray:
    array = as_any_array(values, name)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "ui":
        if _is_of_integers(array):
            raise ValueError(
                f"{name} holds an id beyond int64; number the ids that occur with "
                "numpy.unique(ids, return_inverse=True)"
            )
        raise ValueError(
            f"{name} must hold integer node ids, got {_described(array)}: cast them, or number "
            "names with numpy.unique(names, return_inverse=True)"
        )
    if array.dtype.kind == "u" and array.max() > LARGEST_INT64:
        at = np.unravel_index(int(array.argmax()), array.shape)
        raise ValueError(
            f"{name}[{_place(at)}] = {array[at]} is not a node: it lies beyond int64; a number "
            "below zero that was cast to unsigned looks so"
        )
    return array.astype(np.int64)


def as_whole_ids(values: Any, name: str) -> np.ndarray:
    """Ids that came through a floating point type, as ``numpy.loadtxt`` gives them."""
    array = as_any_array(values, name)
    if array.dtype.kind != "f":
        return as_ids(array, name)
    with np.errstate(all="ignore"):
        array = array.astype(np.float64)
        bad = np.argwhere(~((array == np.floor(array)) & (np.abs(array) < 2**53)))
    if len(bad):
        at = tuple(bad[0])
        if abs(array[at]) >= 2**53:
            raise ValueError(
                f"{name}[{_place(at)}] = {array[at]:.0f} is too large for a node id: nodes are "
                "counted from 0; number the ids that occur with numpy.unique(ids, "
                "return_inverse=True), or give them as texts in a frame, where texts are names"
            )
        raise ValueError(
            f"{name}[{_place(at)}] = {array[at]} is no whole number, and no node id; number "
            "names with numpy.unique(names, return_inverse=True)"
        )
    return array.astype(np.int64)


def as_real(values: Any, name: str = "weights") -> np.ndarray:
    array = as_array(values, name)
    with np.errstate(over="ignore"):  # what overflows is seen, and refused, as infinite
        return array.astype(np.float64)


def as_weights(weights: Any) -> np.ndarray:
    if isinstance(weights, str):
        raise ValueError(
            f"weights = {weights!r} is a name, and an array has no attributes; give the array of "
            "weights"
        )
    return as_real(weights)


def weights_of(weights: Any, number: int) -> np.ndarray:
    """A weight for each of so many edges, 1 where none are given."""
    values = np.ones(number) if weights is None else as_weights(weights)
    if values.shape != (number,):
        raise ValueError(
            f"weights has shape {values.shape}, expected ({number},); give one for each edge"
        )
    return values


def as_node_weights(values: Any, n: int) -> np.ndarray:
    if values is None:
        return np.ones(n)
    if isinstance(values, str):
        raise ValueError(f"node_weights = {values!r} is a name; give an array of shape ({n},)")
    array = as_real(values, "node_weights")
    if array.shape != (n,):
        raise ValueError(
            f"node_weights has shape {array.shape}, expected ({n},); give one for each node"
        )
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if len(bad):
        raise ValueError(
            f"node_weights[{bad[0]}] = {array[bad[0]]} must be positive and finite; "
            "drop such entries or replace their weight"
        )
    return array


def as_positions(values: Any, name: str) -> np.ndarray:  # [V, D]
    array = as_real(values, name)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (V, 3), got {array.shape}; one row a vertex")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name}[{bad[0]}] = {array[bad[0]].tolist()} is no position; vertices are compared by "
            "their positions, so all must be finite"
        )
    return array


def count_nodes(num_nodes: int | None, **ids: np.ndarray) -> int:
    """``num_nodes``, or one more than the largest id; refuses ids outside."""
    largest = max((int(array.max()) for array in ids.values() if array.size), default=-1)
    n = largest + 1 if num_nodes is None else num_nodes
    for name, array in ids.items():
        if array.size and (int(array.min()) < 0 or int(array.max()) >= n):
            at = tuple(np.argwhere((array < 0) | (array >= n))[0])
            raise ValueError(
                f"{name}[{_place(at)}] = {array[at]} is not a node: ids run from 0 to "
                f"num_nodes - 1 = {n - 1}; correct it, or say num_nodes if there are more"
            )
    if num_nodes is None:
        refuse_gaps(n, sum(array.size for array in ids.values()))
    return n


def refuse_gaps(n: int, num_ids: int) -> None:
    """Refuse so many more nodes than ids that memory would go to nodes which nobody meant."""
    if n > LARGEST_INT32 or (n > MANY_NODES and n > NODES_PER_ID * num_ids):
        raise ValueError(
            f"the largest node id is {n - 1}, which would make as many nodes and more of "
            f"{num_ids} ids; number the ids that occur with numpy.unique(ids, "
            "return_inverse=True), give them as texts in a frame, where texts are names, or say "
            "num_nodes"
        )


def _is_of_integers(array: np.ndarray) -> bool:
    return array.dtype == object and array.size > 0 and all(type(x) is int for x in array.flat)


def _described(array: np.ndarray) -> str:
    return "text" if array.dtype.kind in "US" else f"dtype {array.dtype}"


def _place(at: Any) -> str:
    return ", ".join(str(int(i)) for i in at)


def _has_mask(source: Any) -> bool:
    return isinstance(source, np.ma.MaskedArray)


def _unmasked(source: np.ma.MaskedArray, name: str) -> np.ndarray:
    masked = np.argwhere(np.ma.getmaskarray(source))
    if len(masked):
        raise ValueError(
            f"{name} is a masked array, with {len(masked)} masked, the first at "
            f"[{_place(masked[0])}]; fill them, or leave those edges out"
        )
    return np.asarray(source.data)


def _unreadable(source: Any, name: str) -> Exception:
    """Why numpy makes no array of it."""
    if name:
        return ValueError(
            f"{name}, a {type(source).__name__}, is no array; give numbers in rows of one length"
        )
    if isinstance(source, list | tuple) and all(isinstance(row, list | tuple) for row in source):
        return ValueError(
            f"the rows of the {type(source).__name__} differ in length, as lists of neighbours do; "
            "networkx.from_dict_of_lists(dict(enumerate(rows))) makes a graph of these, which is "
            "read"
        )
    return TypeError(
        f"cannot read a {type(source).__name__} as a graph: numpy makes no array of it; give "
        "numbers in rows of one length, on a device that holds them"
    )
