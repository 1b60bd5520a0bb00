"""What a superstep begins with as arrays of an ``.npz`` file, without pickles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from multiscale_gcn.supersteps.cutting import Ranking
from multiscale_gcn.supersteps.messages import narrowed
from multiscale_gcn.supersteps.pairs import Pairs
from multiscale_gcn.supersteps.partition import Partition
from multiscale_gcn.supersteps.rounds import Search
from multiscale_gcn.supersteps.terms import Terms

KINDS: dict[str, type] = {
    kind.__name__: kind for kind in (Search, Pairs, Ranking, Partition, Terms)
}
OUTLINE = "outline"


def packed(value: Any) -> dict[str, np.ndarray]:
    """The arrays of a value, and what stands where.

    Parameters
    ----------
    value
        An array, a number, None, one of the dataclasses that supersteps leave, or a tuple or a
        dict of such.
    """
    arrays: dict[str, np.ndarray] = {}
    outline = json.dumps(_outline(value, arrays))
    small = {name: narrowed(array) for name, array in arrays.items() if array.dtype.kind in "iu"}
    return arrays | small | {OUTLINE: np.frombuffer(outline.encode(), np.uint8)}


def unpacked(arrays: Mapping[str, np.ndarray]) -> Any:
    """The value again."""
    return _filled(json.loads(arrays[OUTLINE].tobytes()), arrays)


def size_packed(value: Any) -> int:
    """Bytes of the arrays of a value."""
    arrays: dict[str, np.ndarray] = {}
    _outline(value, arrays)
    return sum(array.nbytes for array in arrays.values())


def _outline(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return [name, value.dtype.str]
    if isinstance(value, tuple):
        return ["tuple", *(_outline(one, arrays) for one in value)]
    if isinstance(value, dict):
        items = ((_outline(key, arrays), _outline(one, arrays)) for key, one in value.items())
        return ["dict", *(list(item) for item in items)]
    name = type(value).__name__
    if name in KINDS:
        parts = (getattr(value, field.name) for field in fields(value))
        return [name, *(_outline(part, arrays) for part in parts)]
    return value


def _filled(outline: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(outline, list):
        return outline
    name, *rest = outline
    if name in arrays:
        return arrays[name].astype(rest[0], copy=False)
    if name == "dict":
        return {_filled(key, arrays): _filled(one, arrays) for key, one in rest}
    parts = [_filled(one, arrays) for one in rest]
    return tuple(parts) if name == "tuple" else KINDS[name](*parts)
