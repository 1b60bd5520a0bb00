"""The levels of a hierarchy in one file: arrays and a header of JSON, no pickled objects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from os import PathLike
from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.hierarchy.archive import CHECKSUM, checksum, read_arrays, write_arrays
from multiscale_gcn.hierarchy.level import Level, check_levels, fingerprint

FORMAT = "multiscale_gcn.Hierarchy"
FORMAT_VERSION = 2
"""The first had no checksum but the fingerprint, which leaves out constraints and the header."""

OF_GRAPH = ("indptr", "indices", "weights", "node_weights")
OF_LEVEL = (*OF_GRAPH, "parent", *(field.name for field in fields(Constraints)))
ENTRY = re.compile(rf"\d+\.({'|'.join(OF_LEVEL)})")


def save(
    path: str | PathLike[str],
    levels: Sequence[Level],
    method: str,
    rounding: Rounding,
    order_version: int,
) -> None:
    """Write everything, or nothing."""
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "order_version": order_version,
        "num_levels": len(levels),
        "method": method,
        "quantum": levels[0].graph.quantum,
        "rounding": asdict(rounding),
        "fingerprint": fingerprint(levels, order_version),
    }
    arrays = {}
    for level in levels:
        for name in OF_GRAPH:
            arrays[f"{level.index}.{name}"] = getattr(level.graph, name)
        for name, array in {"parent": level.parent, **level.constraints.arrays()}.items():
            if array is not None:
                arrays[f"{level.index}.{name}"] = array
    write_arrays(path, header, arrays)


def load(path: str | PathLike[str]) -> tuple[tuple[Level, ...], str, Rounding, int]:
    """The levels, the method, the rounding and the version of the order that were saved."""
    try:
        header, arrays = read_arrays(path, lambda name: ENTRY.fullmatch(name) is not None)
        version = whole_number(header["format_version"], "format_version", least=1)
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}")
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is not a hierarchy that Hierarchy.save wrote ({error}); save one"
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
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path} is damaged: {error}; save the hierarchy again") from None
    return contents


def _contents(
    header: dict[str, Any], arrays: dict[str, np.ndarray]
) -> tuple[tuple[Level, ...], str, Rounding, int]:
    quantum = None if header["quantum"] is None else float(header["quantum"])
    order_version = whole_number(header["order_version"], "order_version")
    count = whole_number(header["num_levels"], "num_levels", least=1, most=len(arrays))
    levels = tuple(_level(arrays, k, quantum) for k in range(count))
    check_levels(levels)
    if fingerprint(levels, order_version) != header["fingerprint"]:
        raise ValueError("its content does not have the fingerprint it was saved with")
    return levels, str(header["method"]), Rounding(**header["rounding"]), order_version


def _level(arrays: dict[str, np.ndarray], k: int, quantum: float | None) -> Level:
    graph = Graph(*(arrays[f"{k}.{name}"] for name in OF_GRAPH))
    constraints = Constraints.of(
        graph, **{field.name: arrays.get(f"{k}.{field.name}") for field in fields(Constraints)}
    )
    return Level(k, graph._with_quantum(quantum), arrays.get(f"{k}.parent"), constraints)
