"""3D poses and coarse meshes of one person over time, and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.skeleton import EDGES, JOINTS
from examples.hgn_pose.files.archives import names_in, read_npz, write_npz
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.writing import write_bytes
from examples.hgn_pose.lifting.detections import FARTHEST, LARGEST_FRAME
from multiscale_gcn import Hierarchy
from multiscale_gcn.checks.arguments import real_number, whole_number

FORMAT = "multiscale-gcn hgn_pose prediction"


@dataclass(frozen=True, eq=False)
class Mesh:
    """A coarse mesh over time.

    Parameters
    ----------
    vertices : array of float32, shape (T, N, 3)
        Metres, in the frame of the camera, relative to the pelvis.
    edges : array of int64, shape (E, 2)
    faces : array of int64, shape (F, 3)
    """

    vertices: np.ndarray
    edges: np.ndarray
    faces: np.ndarray


@dataclass(frozen=True, eq=False)
class Prediction:
    """One person in T frames, as the camera sees them: x to the right, y down, z away from it.

    Parameters
    ----------
    frame : array of int64, shape (T,)
    image : array of float32, shape (T, 17, 2)
        The 2D joints that were lifted, pixels.
    confidence : array of float32, shape (T, 17)
    origin : array of uint8, shape (T, 17)
        0: seen; 1: interpolated in time; 2: taken from views alike.
    pose : array of float32, shape (T, 17, 3)
        Metres relative to the pelvis.
    meshes : mapping of int to Mesh
        By number of nodes; none from a network without meshes.
    image_size : pair of int
    fps : float
        Frames per second, for the pace of the page.
    facts : dict
        What made it, as JSON values.
    root : array of float32, shape (T, 3), optional
        Where the pelvis is, metres from the camera; None where the camera is not known.
    """

    frame: np.ndarray
    image: np.ndarray
    confidence: np.ndarray
    origin: np.ndarray
    pose: np.ndarray
    meshes: Mapping[int, Mesh]
    image_size: tuple[int, int]
    fps: float
    facts: dict[str, Any] = field(default_factory=dict)
    root: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.frame)


def coarse_meshes(
    body: BodyModel, hierarchy: Hierarchy, vertices: list[np.ndarray]
) -> dict[int, Mesh]:
    """Predicted vertices with the edges of their coarse graphs and the faces between them."""
    meshes = {}
    for places in vertices:
        size = places.shape[1]
        level = hierarchy.level(size)
        edges = np.sort(level.graph.edge_index().T, axis=1)
        edges = np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0)
        faces = hierarchy.coarse_faces(body.faces, level.index)
        meshes[size] = Mesh(places, edges.astype(np.int64), faces.astype(np.int64))
    return meshes


def save(path: Path, prediction: Prediction) -> None:
    """Write ``path`` as npz, and the same beside it as JSON, each whole or not at all."""
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "joints": np.array(JOINTS),
        "skeleton_edges": np.array(EDGES),
        **{name: getattr(prediction, name) for name in _ARRAYS},
        "mesh_sizes": np.array(list(prediction.meshes), np.int64),
        "image_size": np.array(prediction.image_size),
        "fps": np.array(prediction.fps),
        "facts": json.dumps(prediction.facts, allow_nan=False),
    }
    if prediction.root is not None:
        arrays["root"] = prediction.root
    for size, mesh in prediction.meshes.items():
        for name in ("vertices", "edges", "faces"):
            arrays[f"mesh{size}_{name}"] = getattr(mesh, name)
    write_npz(path, arrays)
    write_bytes(path.with_suffix(".json"), as_json(prediction).encode())


_ARRAYS: dict[str, tuple[tuple[int, ...], str]] = {
    "frame": ((), "iu"),
    "image": ((len(JOINTS), 2), "f"),
    "confidence": ((len(JOINTS),), "f"),
    "origin": ((len(JOINTS),), "u"),
    "pose": ((len(JOINTS), 3), "f"),
}
"""Arrays of the file, their axes after the first, and the kind of their type."""


def as_json(prediction: Prediction) -> str:
    """The prediction as JSON text, a line a frame; metres to the tenth of a millimetre.

    Returns
    -------
    str
        An object with ``joints``, ``skeleton_edges``, ``image_size``, ``fps``, ``facts``,
        ``meshes`` (edges and faces by number of nodes) and ``frames``: for each its number, the 2D
        joints in pixels, their confidence and origin, the pose, and the vertices of each mesh.
    """
    head = {
        "format": FORMAT,
        "joints": JOINTS,
        "skeleton_edges": EDGES,
        "image_size": prediction.image_size,
        "fps": prediction.fps,
        "facts": prediction.facts,
        "meshes": {
            size: {"edges": mesh.edges.tolist(), "faces": mesh.faces.tolist()}
            for size, mesh in prediction.meshes.items()
        },
    }
    frames = [
        {
            "frame": int(prediction.frame[t]),
            "image": _rounded(prediction.image[t], 2),
            "confidence": _rounded(prediction.confidence[t], 3),
            "origin": prediction.origin[t].tolist(),
            "pose": _rounded(prediction.pose[t], 4),
            **({} if prediction.root is None else {"root": _rounded(prediction.root[t], 4)}),
            "meshes": {
                size: _rounded(mesh.vertices[t], 4) for size, mesh in prediction.meshes.items()
            },
        }
        for t in range(len(prediction))
    ]
    start = json.dumps(head, allow_nan=False)[:-1]
    lines = ",\n".join(json.dumps(f, allow_nan=False, separators=(",", ":")) for f in frames)
    return f'{start}, "frames": [\n{lines}\n]}}\n'


def load(path: Path) -> Prediction:
    """Read the npz file that :func:`save` wrote.

    Raises
    ------
    ValueError
        If it is missing, damaged, or no prediction.
    """
    with reading(path, "give an npz file that predict wrote"):
        return _prediction(path)


def _prediction(path: Path) -> Prediction:
    fixed = ["format", "mesh_sizes", "image_size", "fps", "facts", *_ARRAYS]
    data = read_npz(path, fixed)
    if str(data["format"]) != FORMAT:
        raise ValueError(f"{path} is no prediction; give an npz file that predict wrote")
    sizes = [
        whole_number(size, f"{path} is damaged: mesh_sizes", least=1)
        for size in data["mesh_sizes"].tolist()
    ]
    parts = {n: [f"mesh{n}_{part}" for part in ("vertices", "edges", "faces")] for n in sizes}
    more = read_npz(path, [name for names in parts.values() for name in names])
    count = len(data["frame"])
    for name, (axes, kinds) in _ARRAYS.items():
        array = data[name]
        wrong = array.shape != (count, *axes) or array.dtype.kind not in kinds or not count
        most = LARGEST_FRAME if name == "frame" else FARTHEST
        if wrong or not (np.abs(array) <= most).all():
            raise ValueError(
                f"{path} is damaged: {name} has shape {array.shape}, or numbers too large; "
                "predict again"
            )
    if (np.diff(data["frame"].astype(np.int64)) <= 0).any():
        raise ValueError(f"{path} is damaged: its frames do not rise; predict again")
    for size, names in parts.items():
        vertices, edges, faces = (more[name] for name in names)
        ends = np.concatenate([edges.ravel(), faces.ravel()])
        if (
            vertices.shape != (count, size, 3)
            or vertices.dtype.kind != "f"
            or not (np.abs(vertices) <= FARTHEST).all()
            or (edges.shape[1:], faces.shape[1:]) != ((2,), (3,))
            or ends.dtype.kind not in "iu"
            or not ((ends >= 0) & (ends < size)).all()
        ):
            raise ValueError(
                f"{path} is damaged: the mesh of {size} nodes does not fit together; predict again"
            )
    facts = json.loads(str(data["facts"]))
    if not isinstance(facts, dict):
        raise ValueError(f"{path} is damaged: facts is no object of JSON; predict again")
    width, height = data["image_size"].tolist()
    root = read_npz(path, ["root"])["root"] if "root" in names_in(path) else None
    if root is not None and (
        root.shape != (count, 3) or root.dtype.kind != "f" or not (np.abs(root) <= FARTHEST).all()
    ):
        raise ValueError(f"{path} is damaged: root has shape {root.shape}; predict again")
    return Prediction(
        **{name: data[name] for name in _ARRAYS},
        meshes={n: Mesh(*(more[name] for name in names)) for n, names in parts.items()},
        image_size=(
            whole_number(width, f"{path} is damaged: width", least=1),
            whole_number(height, f"{path} is damaged: height", least=1),
        ),
        fps=real_number(data["fps"].item(), f"{path} is damaged: fps", above=0),
        facts=facts,
        root=root,
    )


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    return np.round(values.astype(np.float64), digits).tolist()


def select(prediction: Prediction, rows: np.ndarray) -> Prediction:
    """The frames at the given places."""
    return replace(
        prediction,
        **{name: getattr(prediction, name)[rows] for name in _ARRAYS},
        root=None if prediction.root is None else prediction.root[rows],
        meshes={
            size: replace(mesh, vertices=mesh.vertices[rows])
            for size, mesh in prediction.meshes.items()
        },
    )
