"""The levels of a hierarchy in one file: arrays and a header of JSON, no pickled objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from io import BytesIO
from os import PathLike
from pathlib import Path
from uuid import uuid4

import numpy as np

from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.hierarchy.level import Level, check_levels, fingerprint

FORMAT = "multiscale_gcn.Hierarchy"
FORMAT_VERSION = 1


def save(
    path: str | PathLike[str],
    levels: Sequence[Level],
    method: str,
    rounding: Rounding,
    order_version: int,
) -> None:
    """Write everything, or nothing."""
    path = Path(path)
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
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)}
    for level in levels:
        for name in ("indptr", "indices", "weights", "node_weights"):
            arrays[f"{level.index}.{name}"] = getattr(level.graph, name)
        for name, array in {"parent": level.parent, **level.constraints.arrays()}.items():
            if array is not None:
                arrays[f"{level.index}.{name}"] = array
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        with temporary.open("xb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | PathLike[str]) -> tuple[tuple[Level, ...], str, Rounding, int]:
    """The levels, the method, the rounding and the version of the order that were saved."""
    content = Path(path).read_bytes()
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            arrays = dict(file.items())
        header = json.loads(arrays["header"].tobytes())
        if header["format"] != FORMAT:
            raise KeyError(header["format"])
        is_later = header["format_version"] > FORMAT_VERSION
    except Exception as error:  # whatever zipfile, zlib, NumPy and json say of foreign bytes
        raise ValueError(f"{path} is not a hierarchy that Hierarchy.save wrote") from error
    if is_later:
        raise ValueError(
            f"{path} has format {header['format_version']}, this version reads up to "
            f"{FORMAT_VERSION}; install a newer multiscale-gcn"
        )
    try:
        levels = [_level(arrays, k, header["quantum"]) for k in range(header["num_levels"])]
        check_levels(levels)
        method, rounding = header["method"], Rounding(**header["rounding"])
        order_version = header["order_version"]
        is_whole = fingerprint(levels, order_version) == header["fingerprint"]
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}; save the hierarchy again") from None
    if not is_whole:
        raise ValueError(
            f"{path} is damaged: its content does not have the fingerprint it was saved with; "
            "save the hierarchy again"
        )
    return tuple(levels), method, rounding, order_version


def _level(arrays: dict[str, np.ndarray], k: int, quantum: float | None) -> Level:
    graph = Graph(
        arrays[f"{k}.indptr"],
        arrays[f"{k}.indices"],
        arrays[f"{k}.weights"],
        arrays[f"{k}.node_weights"],
    )
    constraints = Constraints.of(
        graph, **{field.name: arrays.get(f"{k}.{field.name}") for field in fields(Constraints)}
    )
    return Level(k, graph.with_quantum(quantum), arrays.get(f"{k}.parent"), constraints)
