"""The levels of a hierarchy in one file: arrays and a header of JSON, no pickled objects."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from os import PathLike
from types import MappingProxyType
from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.graph.names import as_json, from_json
from multiscale_gcn.hierarchy.archive import CHECKSUM, checksum, read_arrays, write_arrays
from multiscale_gcn.hierarchy.level import Level, check_levels, fingerprint

FORMAT = "multiscale_gcn."
HIERARCHY = "Hierarchy"
"""What the file holds, by the name of its class."""
FORMAT_VERSION = 4
"""The first had no checksum but the fingerprint, which leaves out constraints and the header; the
second no samples, no interpolations, and one quantum; the third no names. Files that need no more
are of the second or third."""

OF_GRAPH = ("indptr", "indices", "weights", "node_weights")
OF_MATRIX = ("data", "indices", "indptr")
OF_LEVEL = (
    *OF_GRAPH,
    "names",
    "parent",
    "sampled",
    *(f"interpolation_{part}" for part in OF_MATRIX),
    *(field.name for field in fields(Constraints)),
)


def save(
    path: str | PathLike[str],
    levels: Sequence[Level],
    method: str,
    rounding: Rounding,
    order_version: int,
    kind: str = HIERARCHY,
    further: Mapping[str, Sequence[np.ndarray]] = MappingProxyType({}),
) -> None:
    """Write everything, or nothing; ``further`` has arrays of each level, by their name."""
    quanta = [level.graph.quantum for level in levels]
    plain = set(quanta) == {quanta[0]} and all(
        level.sampled is None and level.interpolation is None for level in levels
    )
    named = any(level.graph.names is not None for level in levels)
    header = {
        "format": FORMAT + kind,
        "format_version": FORMAT_VERSION if named else 2 if plain else 3,
        "order_version": order_version,
        "num_levels": len(levels),
        "method": method,
        "quantum": quanta[0],
        "rounding": asdict(rounding),
        "fingerprint": fingerprint(levels, order_version),
    }
    if not plain:
        header["quanta"] = quanta
    arrays = {}
    for level in levels:
        for name in OF_GRAPH:
            arrays[f"{level.index}.{name}"] = getattr(level.graph, name)
        others = {"parent": level.parent, "sampled": level.sampled, **level.constraints.arrays()}
        if level.interpolation is not None:
            for part in OF_MATRIX:
                others[f"interpolation_{part}"] = getattr(level.interpolation, part)
        if level.graph.names is not None:
            text = json.dumps([as_json(name) for name in level.graph.names])
            others["names"] = np.frombuffer(text.encode(), dtype=np.uint8)
        for name, array in others.items():
            if array is not None:
                arrays[f"{level.index}.{name}"] = array
        for name, of_levels in further.items():
            arrays[f"{level.index}.{name}"] = of_levels[level.index]
    write_arrays(path, header, arrays)


Contents = tuple[tuple[Level, ...], str, Rounding, int]
"""The levels, the method, the rounding and the version of the order."""


def load(path: str | PathLike[str]) -> Contents:
    """What was saved of a hierarchy."""
    return load_with(path, HIERARCHY, ())[0]


def load_with(
    path: str | PathLike[str], kind: str, further: Sequence[str]
) -> tuple[Contents, dict[str, tuple[np.ndarray, ...]]]:
    """What was saved of a hierarchy of this kind, and the further arrays of its levels."""
    entry = re.compile(rf"\d+\.({'|'.join([*OF_LEVEL, *further])})")
    try:
        header, arrays = read_arrays(path, lambda name: entry.fullmatch(name) is not None)
        version = whole_number(header["format_version"], "format_version", least=1)
        if header["format"] != FORMAT + kind:
            raise ValueError(f"its format is {header['format']!r}")
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is not a hierarchy that {kind}.save wrote ({error}); save one"
        ) from None
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version}, this version reads up to {FORMAT_VERSION}; install a "
            "newer multiscale-gcn"
        )
    try:
        contents = _contents(header, arrays)
        if version > 1 and checksum(header, arrays) != header[CHECKSUM]:
            raise ValueError("its content does not have the checksum it was saved with")
        beside = {
            name: tuple(arrays[f"{level.index}.{name}"] for level in contents[0])
            for name in further
        }
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path} is damaged: {error}; save the hierarchy again") from None
    return contents, beside


def _contents(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Contents:
    order_version = whole_number(header["order_version"], "order_version")
    count = whole_number(header["num_levels"], "num_levels", least=1, most=len(arrays))
    quanta = header["quanta"] if "quanta" in header else [header["quantum"]] * count
    sizes = [len(arrays[f"{k}.node_weights"]) for k in range(count)]
    levels = tuple(
        _level(arrays, k, quantum, num_coarse)
        for k, (quantum, num_coarse) in enumerate(zip(quanta, [*sizes[1:], 0], strict=True))
    )
    check_levels(levels)
    if fingerprint(levels, order_version) != header["fingerprint"]:
        raise ValueError("its content does not have the fingerprint it was saved with")
    return levels, str(header["method"]), Rounding(**header["rounding"]), order_version


def _level(arrays: dict[str, np.ndarray], k: int, quantum: Any, num_coarse: int) -> Level:
    import scipy.sparse as sp

    names = None
    if f"{k}.names" in arrays:
        names = from_json(json.loads(arrays[f"{k}.names"].tobytes()))
    indptr, indices, weights, node_weights = (arrays[f"{k}.{name}"] for name in OF_GRAPH)
    graph = Graph(indptr, indices, weights, node_weights, names)
    constraints = Constraints.of(
        graph, **{field.name: arrays.get(f"{k}.{field.name}") for field in fields(Constraints)}
    )
    interpolation = None
    if f"{k}.interpolation_data" in arrays:
        parts = tuple(arrays[f"{k}.interpolation_{part}"] for part in OF_MATRIX)
        interpolation = sp.csr_array(parts, shape=(graph.num_nodes, num_coarse))
        interpolation.check_format()
    return Level(
        k,
        graph._with_quantum(None if quantum is None else float(quantum)),
        arrays.get(f"{k}.parent"),
        constraints,
        arrays.get(f"{k}.sampled"),
        interpolation,
    )
