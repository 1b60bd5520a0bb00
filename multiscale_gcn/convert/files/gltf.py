"""glTF, as JSON and binary: the primitives of all meshes one behind the other, each once."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.polygons import (
    fan_of_faces,
    sides_of_faces,
    sides_of_strip,
    triangles_of_strip,
)
from multiscale_gcn.convert.values import count_nodes

JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
LINES, LOOP, LINE_STRIP, TRIANGLES, STRIP, FAN = range(1, 7)


def read_binary(path: Path, options: Options) -> Mesh:
    content = path.read_bytes()
    try:
        magic, _, length = struct.unpack_from("<4sII", content)
        if magic != b"glTF" or length != len(content):
            raise ValueError(f"it has {len(content)} bytes, and {length} by its header")
        chunks: dict[int, bytes] = {}
        at = 12
        while at < length:
            size, kind = struct.unpack_from("<II", content, at)
            at += 8
            if at + size > length:
                raise ValueError(f"a chunk of {size} bytes begins at byte {at}")
            chunks.setdefault(kind, content[at : at + size])
            at += size
        return _mesh(chunks[JSON_CHUNK], chunks.get(BINARY_CHUNK), path)
    except (ValueError, *DAMAGES) as error:
        raise _unreadable(path, error) from error


def read_json(path: Path, options: Options) -> Mesh:
    try:
        return _mesh(path.read_bytes(), None, path)
    except (ValueError, *DAMAGES) as error:
        raise _unreadable(path, error) from error


# What indices and attributes that are not there raise, in JSON of any form.
DAMAGES = (KeyError, IndexError, TypeError, AttributeError, OverflowError, struct.error)


def _mesh(text: bytes, binary: bytes | None, path: Path) -> Mesh:
    tree = json.loads(text)
    compressed = [name for name in tree.get("extensionsRequired", []) if "compression" in name]
    if compressed:
        raise ValueError(f"it needs the extension {compressed[0]}, which is not read")
    buffers: dict[int, bytes] = {}

    def buffer(index: int) -> bytes:
        if index not in buffers:
            buffers[index] = _buffer(tree["buffers"][index], binary, path)
        return buffers[index]

    sides, positions, n = [np.empty((0, 2), dtype=np.int64)], [np.empty((0, 3))], 0
    triangles = [np.empty((0, 3), dtype=np.int64)]
    numbered: dict[int, int] = {}  # primitives may share their vertices
    for mesh in tree.get("meshes", []):
        for primitive in mesh["primitives"]:
            at = primitive["attributes"]["POSITION"]
            if at not in numbered:
                numbered[at] = n
                positions.append(_accessor(tree, at, buffer))
                n += len(positions[-1])
            count = int(tree["accessors"][at]["count"])
            corners = np.arange(count)
            if primitive.get("indices") is not None:
                corners = _accessor(tree, primitive["indices"], buffer).reshape(-1)
            if corners.dtype.kind not in "ui":
                raise ValueError("indices of a primitive are no whole numbers")
            corners = corners.astype(np.int64)
            count_nodes(count, indices=corners)
            mode = primitive.get("mode", TRIANGLES)
            sides.append(_sides(corners, mode) + numbered[at])
            triangles.append(_triangles(corners, mode) + numbered[at])
    return Mesh(
        np.concatenate(sides),
        n,
        "faces",
        np.concatenate(positions),
        np.concatenate(triangles),
    )


def _sides(corners: np.ndarray, mode: int) -> np.ndarray:  # [S, 2]
    size = {LINES: 2, TRIANGLES: 3}.get(mode, 1)
    if len(corners) % size:
        raise ValueError(f"a primitive of mode {mode} has {len(corners)} corners")
    if mode == TRIANGLES:
        return sides_of_faces(corners.reshape(-1, 3))
    if mode == LINES:
        return corners.reshape(-1, 2)
    if mode == STRIP:
        return sides_of_strip(corners)
    around = np.stack([corners, np.roll(corners, -1)], axis=1)
    if mode == LOOP:
        return around
    if mode == LINE_STRIP:
        return around[:-1]
    if mode == FAN:
        spokes = np.stack([np.full(len(corners), corners[0]), corners], axis=1)
        return np.concatenate([spokes, around[1:-1]])
    raise ValueError(f"a primitive has mode {mode}, and so no sides")


def _triangles(corners: np.ndarray, mode: int) -> np.ndarray:  # [T, 3]
    if mode == TRIANGLES:
        return corners.reshape(-1, 3)
    if mode == STRIP:
        return triangles_of_strip(corners)
    if mode == FAN:
        return fan_of_faces(corners[None])
    return np.empty((0, 3), dtype=np.int64)


def _accessor(tree: Any, index: int, buffer: Any) -> np.ndarray:  # [count, width]
    accessor = tree["accessors"][index]
    if "sparse" in accessor:
        raise ValueError("it has a sparse accessor, which is not read")
    view = tree["bufferViews"][accessor["bufferView"]]
    content = buffer(view["buffer"])
    dtype, width = np.dtype(TYPES[accessor["componentType"]]), WIDTHS[accessor["type"]]
    count = int(accessor["count"])
    stride = int(view.get("byteStride", width * dtype.itemsize))
    first = int(view.get("byteOffset", 0)) + int(accessor.get("byteOffset", 0))
    end = min(int(view.get("byteOffset", 0)) + int(view["byteLength"]), len(content))
    last = first + (count - 1) * stride + width * dtype.itemsize
    if min(count, first) < 0 or stride < width * dtype.itemsize or (count and last > end):
        raise ValueError(f"accessor {index} asks for {count} values beyond its buffer")
    return np.ndarray(
        (count, width),
        dtype,
        content,
        offset=first if count else 0,
        strides=(stride, dtype.itemsize),
    )


def _buffer(entry: Any, binary: bytes | None, path: Path) -> bytes:
    uri = entry.get("uri")
    if uri is None:
        if binary is None:
            raise ValueError("it has no binary chunk")
        return binary
    if uri.startswith("data:"):
        try:
            return base64.b64decode(uri.split(",", 1)[1], validate=True)
        except binascii.Error:
            raise ValueError("data within it are no base64") from None
    beside = path.parent / unquote(uri)
    if not beside.is_file():
        raise ValueError(f"{path} needs the file {str(beside)!r}, which is not there")
    return beside.read_bytes()


def _unreadable(path: Path, error: Exception) -> ValueError:
    why = str(error) if type(error) is ValueError else "something in it is not as it should be"
    return ValueError(f"{path} is no whole glTF file: {why}; export it again, or as PLY")
