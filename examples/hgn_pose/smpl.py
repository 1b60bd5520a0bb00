"""SMPL and SMPL-X bodies, from the model files that a user owns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from examples.hgn_pose.archives import read_npz
from examples.hgn_pose.body_model import BodyModel, Shape, fingerprint_of
from examples.hgn_pose.poses import BodyPose
from examples.hgn_pose.unpickling import Record, read_pickle

KEYS = (
    "v_template",
    "f",
    "weights",
    "shapedirs",
    "posedirs",
    "J_regressor",
    "kintree_table",
)
_SPARSE = {
    f"scipy.sparse.{module}.{kind}_matrix": getattr(sp, f"{kind}_array")
    for kind in ("csc", "csr")
    for module in (kind, f"_{kind}")
}
_CHUMPY, _CHUMPY_SELECT = "chumpy.ch.Ch", "chumpy.reordering.Select"
MIRROR_TOLERANCE = 0.005  # metres


@dataclass(frozen=True, eq=False)
class SmplBody(BodyModel):
    """SMPL (Loper et al. 2015), SMPL-X (Pavlakos et al. 2019) or a body of the same form.

    At rest y points up and the body looks along z. A person's ``blend`` holds the first of the
    shape coefficients (betas).

    Parameters
    ----------
    template : array of float64, shape (V, 3)
        The mean person at rest, metres.
    shape_directions : array of float64, shape (V, 3, S)
        How the vertices move with each shape coefficient.
    joint_regressor : csr_array of float64, shape (J, V)
        Bone heads from the vertices of a person at rest.

    Notes
    -----
    ``faces``, ``mirror``, ``parents``, ``skin_weights`` and ``pose_directions`` are those of
    :class:`~examples.hgn_pose.body_model.BodyModel`. The mirror pairs vertices that lie within 5 mm
    of each other's reflection.
    """

    template: np.ndarray
    shape_directions: np.ndarray
    joint_regressor: sp.csr_array

    def shape(self, blend: np.ndarray, scale: np.ndarray | None = None) -> Shape:
        """The person of shape coefficients.

        Parameters
        ----------
        blend : array of float, shape (S',)
            The first S' <= S coefficients; the others are zero.
        scale : array of float, shape (J,), optional
            Ones: the bones of SMPL have no sizes of their own.

        Raises
        ------
        ValueError
            For too many coefficients, and for a scale that is not 1.
        """
        betas = np.asarray(blend, dtype=np.float64)
        most = self.shape_directions.shape[2]
        if betas.ndim != 1 or len(betas) > most:
            raise ValueError(
                f"blend has shape {betas.shape}; give at most {most} shape coefficients"
            )
        if scale is not None and not np.all(np.asarray(scale) == 1):
            raise ValueError("scale must be 1: the bones of SMPL have no sizes of their own")
        vertices = self.template + self.shape_directions[..., : len(betas)] @ betas
        return Shape(vertices, self.joint_regressor @ vertices)

    def poses(
        self,
        pose: np.ndarray,  # [T, 3 J]
        betas: np.ndarray,  # [T, S']
        translation: np.ndarray,  # [T, 3]
    ) -> BodyPose:
        """SMPL's own parameters as poses; a person for every different row of ``betas``.

        Parameters
        ----------
        pose : array of float, shape (T, 3 J)
            Rotation vectors, the root's first.
        betas : array of float, shape (T, S')
            Shape coefficients.
        translation : array of float, shape (T, 3)
            Added to the posed vertices, metres. SMPL turns the root about its own joint.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        count = len(self.parents)
        if pose.ndim != 2 or pose.shape[1] != 3 * count:
            raise ValueError(f"pose has shape {pose.shape}, expected (T, {3 * count})")
        for name, array in (("betas", betas), ("translation", translation)):
            if array.ndim != 2 or len(array) != len(pose):
                raise ValueError(f"{name} has shape {array.shape}, pose is for {len(pose)} frames")
        blend, person = np.unique(betas, axis=0, return_inverse=True)
        person = person.reshape(-1)
        roots = np.array([self.shape(one).heads[0] for one in blend]).reshape(-1, 3)
        return BodyPose(
            rotations=pose.reshape(len(pose), count, 3),
            translation=(translation + roots[person]).astype(pose.dtype),
            person=person,
            blend=blend.astype(np.float64),
            scale=np.ones((len(blend), count)),
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 over every array, in hexadecimal."""
        assert self.pose_directions is not None
        return fingerprint_of(
            (
                self.template,
                self.faces,
                self.parents,
                self.skin_weights.toarray(),
                self.shape_directions,
                self.pose_directions,
                self.joint_regressor.toarray(),
            )
        )

    def __repr__(self) -> str:
        return (
            f"SmplBody({self.num_vertices} vertices, {len(self.faces)} faces, "
            f"{len(self.parents)} bones, {self.shape_directions.shape[2]} shape coefficients)"
        )


def load_smpl(path: str | Path) -> SmplBody:
    """Read a model file of SMPL or SMPL-X.

    Parameters
    ----------
    path : str or Path
        ``.npz``, or ``.pkl``: pickles are read without trust and without chumpy, see
        :func:`examples.hgn_pose.unpickling.unpickle`.

    Raises
    ------
    ValueError
        If the file is missing or damaged, lacks an array, asks for anything but arrays and the
        two sorts of chumpy object that such files hold, or has arrays that do not fit together.
    """
    path = Path(path)
    if path.suffix == ".npz":
        data: dict[str, Any] = dict(read_npz(path, KEYS))
    elif path.suffix == ".pkl":
        data = read_pickle(path, (*_SPARSE, _CHUMPY, _CHUMPY_SELECT))
        if not isinstance(data, dict):
            raise ValueError(f"{path} cannot be used: it holds no dict")
    else:
        raise ValueError(f"{path} is no .npz or .pkl file; give a model file of SMPL or SMPL-X")
    arrays: dict[str, np.ndarray] = {}
    for name in KEYS:
        if name not in data:
            raise ValueError(f"{path} cannot be used: it has no array {name!r}")
        try:
            arrays[name] = _dense(data[name])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"{path} cannot be used: {name} cannot be read: {error}") from error
    _check(path, arrays)
    vertices = arrays["v_template"].astype(np.float64)
    faces = arrays["f"].astype(np.int64)
    weights = arrays["weights"].astype(np.float64)
    parents = arrays["kintree_table"][0].astype(np.int64)
    parents[0] = -1
    return SmplBody(
        faces=faces,
        mirror=find_mirror(vertices),
        parents=parents,
        skin_weights=sp.csr_array(weights / weights.sum(axis=1, keepdims=True)),
        pose_directions=arrays["posedirs"].astype(np.float64),
        template=vertices,
        shape_directions=arrays["shapedirs"].astype(np.float64),
        joint_regressor=sp.csr_array(arrays["J_regressor"].astype(np.float64)),
    )


def find_mirror(
    vertices: np.ndarray,  # [V, 3]
) -> np.ndarray | None:  # [V]
    """The vertex nearest to each vertex's reflection in x = 0; None if they do not pair up.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.smpl import find_mirror
    >>> find_mirror(np.array([[1.0, 0, 0], [0, 2, 0], [-1, 0, 0]])).tolist()
    [2, 1, 0]
    >>> find_mirror(np.array([[1.0, 0, 0], [0, 2, 0], [-1, 0, 0.5]])) is None
    True
    """
    distance, mirror = cKDTree(vertices).query(vertices * np.array([-1.0, 1.0, 1.0]))
    if distance.max() > MIRROR_TOLERANCE:
        return None
    if not np.array_equal(mirror[mirror], np.arange(len(mirror))):
        return None
    result: np.ndarray = mirror.astype(np.int64)
    return result


def _dense(value: Any) -> np.ndarray:
    """An array of plain numbers from what the file holds."""
    if isinstance(value, Record):
        if value.kind in _SPARSE:
            state = value.state
            shape = state["_shape"] if "_shape" in state else state["shape"]
            parts = (state["data"], state["indices"], state["indptr"])
            return np.asarray(_SPARSE[value.kind](parts, shape=shape).toarray())
        if value.kind == _CHUMPY_SELECT:
            source = _dense(value.state["a"]).ravel()
            indices, shape = _dense(value.state["idxs"]), value.state["preferred_shape"]
            return source[indices].reshape(tuple(int(n) for n in shape))
        value = value.state["x"]
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"it is of type {array.dtype}, not of numbers")
    return array


def _check(path: Path, arrays: dict[str, np.ndarray]) -> None:
    vertices = len(arrays["v_template"])
    bones = arrays["kintree_table"].shape[-1]
    expected: dict[str, tuple[int | None, ...]] = {
        "v_template": (vertices, 3),
        "f": (None, 3),
        "weights": (vertices, bones),
        "shapedirs": (vertices, 3, None),
        "posedirs": (vertices, 3, 9 * (bones - 1)),
        "J_regressor": (bones, vertices),
        "kintree_table": (2, bones),
    }
    for name, shape in expected.items():
        found = arrays[name].shape
        if len(found) != len(shape) or any(
            n not in (None, m) for n, m in zip(shape, found, strict=True)
        ):
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise ValueError(f"{path} cannot be used: {name} has shape {found}, not ({wanted})")
        bad = np.argwhere(~np.isfinite(arrays[name]))
        if len(bad):
            raise ValueError(f"{path} cannot be used: {name}{bad[0].tolist()} is not finite")
    faces = arrays["f"].astype(np.int64)
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= vertices:
        raise ValueError(f"{path} cannot be used: f names vertices beyond the {vertices} there are")
    parents = arrays["kintree_table"][0].astype(np.int64)
    late = np.flatnonzero((parents < 0) | (parents >= np.arange(bones)))
    if (late > 0).any():
        bone = int(late[late > 0][0])
        raise ValueError(
            f"{path} cannot be used: kintree_table gives bone {bone} the parent {parents[bone]}, "
            "which does not stand before it"
        )
    sums = arrays["weights"].sum(axis=1)
    off = np.flatnonzero((np.abs(sums - 1) > 1e-3) | (arrays["weights"].min(axis=1) < 0))
    if len(off):
        raise ValueError(
            f"{path} cannot be used: weights[{off[0]}] are no shares that sum to 1 "
            f"(sum {sums[off[0]]:.6g})"
        )
