"""A hierarchy whose levels are triangle meshes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import items
from multiscale_gcn.checks.arrays import integer_array, real_array
from multiscale_gcn.checks.immutable import read_only
from multiscale_gcn.hierarchy import Hierarchy, files

KIND = "MeshPyramid"


@dataclass(frozen=True, eq=False, repr=False)
class MeshPyramid(Hierarchy):
    """A hierarchy whose levels are triangle meshes. :func:`~multiscale_gcn.mesh_pyramid` makes one.

    Whatever takes a :class:`Hierarchy` takes it too. ``prolongation(j, i, "interpolated")`` has the
    barycentric weights of every vertex in the nearest triangle of the coarser mesh, and
    ``restriction(i, j, "sampled")`` picks the vertices that the coarser mesh has kept.

    Parameters
    ----------
    levels, method, rounding, order_version
        As of :class:`Hierarchy`.
    vertices : sequence of arrays of float, shape (n_k, d)
        Of every level.
    faces : sequence of arrays of int, shape (F_k, 3)
        Of every level, in its own numbers.

    Raises
    ------
    ValueError
        If the levels do not follow each other, or a mesh does not fit its level.

    See Also
    --------
    mesh_pyramid : simplifies a mesh to given sizes
    Hierarchy : levels and the maps between them

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.spatial import ConvexHull
    >>> from multiscale_gcn import mesh_pyramid
    >>> points = np.random.default_rng(0).normal(size=(60, 3))
    >>> points /= np.linalg.norm(points, axis=1, keepdims=True)
    >>> pyramid = mesh_pyramid((points, ConvexHull(points).simplices), sizes=[30, 12])
    >>> pyramid
    MeshPyramid of 3 levels: mesh_pyramid(placement='subset')
    level    nodes    edges  ratio  heaviest / mean
        0       60      174                    1.00
        1       30       84   2.00             2.50
        2       12       30   2.50             1.60
    >>> [faces.shape for faces in pyramid.faces]
    [(116, 3), (56, 3), (20, 3)]
    """

    vertices: tuple[np.ndarray, ...] = field(kw_only=True)
    faces: tuple[np.ndarray, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, check in (("vertices", _vertices), ("faces", _faces)):
            given = list(items(getattr(self, name), name))
            if len(given) != len(self.levels):
                raise ValueError(
                    f"{name} has {len(given)} entries, and there are {len(self.levels)} levels; "
                    "give one for each"
                )
            checked = tuple(
                read_only(check(array, f"{name}[{level.index}]", level.num_nodes))
                for array, level in zip(given, self.levels, strict=True)
            )
            object.__setattr__(self, name, checked)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that :attr:`Hierarchy.fingerprint` covers, and of the meshes."""
        digest = hashlib.sha256(super().fingerprint.encode())
        for arrays, dtype in ((self.vertices, "<f8"), (self.faces, "<i8")):
            for array in arrays:
                digest.update(f"{array.shape}".encode())
                digest.update(np.ascontiguousarray(array, dtype).tobytes())
        return digest.hexdigest()

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one ``.npz`` file without pickled objects, all or nothing.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        OSError
            If it cannot be written; what stood there before is still there.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from multiscale_gcn import mesh_pyramid
        >>> square = [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]]
        >>> faces = [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
        >>> with TemporaryDirectory() as folder:
        ...     mesh_pyramid((square, faces), sizes=[4]).save(Path(folder) / "square.npz")
        """
        files.save(
            path,
            self.levels,
            self.method,
            self.rounding,
            self.order_version,
            KIND,
            {"vertices": self.vertices, "faces": self.faces},
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> MeshPyramid:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : str or os.PathLike

        Returns
        -------
        MeshPyramid

        Raises
        ------
        ValueError
            If the file is none of ours, of a later format, or damaged.
        OSError
            If it cannot be read.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from multiscale_gcn import MeshPyramid, mesh_pyramid
        >>> square = [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]]
        >>> faces = [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
        >>> pyramid = mesh_pyramid((square, faces), sizes=[4])
        >>> with TemporaryDirectory() as folder:
        ...     pyramid.save(Path(folder) / "square.npz")
        ...     again = MeshPyramid.load(Path(folder) / "square.npz")
        >>> again.fingerprint == pyramid.fingerprint
        True
        """
        contents, meshes = files.load_with(path, KIND, ("vertices", "faces"))
        try:
            return cls(*contents, vertices=meshes["vertices"], faces=meshes["faces"])
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}; save the pyramid again") from None

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles are read-only too
        make = partial(type(self), vertices=self.vertices, faces=self.faces)
        return make, (self.levels, self.method, self.rounding, self.order_version)


def _vertices(given: Any, name: str, num_nodes: int) -> np.ndarray:
    vertices = real_array(given, name).astype(np.float64)
    if vertices.ndim != 2 or len(vertices) != num_nodes:
        raise ValueError(
            f"{name} has shape {vertices.shape}, expected ({num_nodes}, d); give a place for each "
            "node of the level"
        )
    bad = np.argwhere(~np.isfinite(vertices))
    if len(bad):
        node, axis = bad[0].tolist()
        raise ValueError(
            f"{name}[{node}, {axis}] = {vertices[node, axis]} must be finite; place the vertex"
        )
    return vertices


def _faces(given: Any, name: str, num_nodes: int) -> np.ndarray:
    faces = integer_array(given, name)
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"{name} has shape {faces.shape}, expected (F, 3); give triangles")
    outside = ((faces < 0) | (faces >= num_nodes)).any(axis=1)
    if outside.any():
        at = int(np.argmax(outside))
        raise ValueError(f"{name}[{at}] = {faces[at].tolist()}: ids run from 0 to {num_nodes - 1}")
    return faces
