"""Model files of SMPL and SMPL-X that a user owns, and regressors of joints."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.body.smpl import SmplBody
from examples.hgn_pose.files.archives import read_npz
from examples.hgn_pose.files.npy import read_npy
from examples.hgn_pose.files.reading import numbers, reading
from examples.hgn_pose.files.unpickling import Record, read_pickle
from multiscale_gcn.checks.arguments import shown, whole_number

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
LARGEST_MATRIX = 10_000_000
"""Places of a sparse matrix: SMPL-X's regressor has 600,000, and few bytes can claim any number."""
MIRROR_TOLERANCE = 0.005  # metres


def load_smpl(path: str | Path) -> SmplBody:
    """Read a model file of SMPL or SMPL-X.

    Parameters
    ----------
    path : str or Path
        ``.npz``, or ``.pkl``: pickles are read without trust and without chumpy, see
        :func:`examples.hgn_pose.files.unpickling.unpickle`.

    Raises
    ------
    ValueError
        If the file is missing or damaged, lacks an array, asks for anything but arrays and the
        two sorts of chumpy object that such files hold, or has arrays that do not fit together.
    """
    path = Path(path)
    with reading(path, "give a model file of SMPL or SMPL-X"):
        return _body(path)


def _body(path: Path) -> SmplBody:
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


def load_joint_regressor(path: str | Path, body: SmplBody) -> SmplBody:
    """The body with its 17 joints from a matrix, such as Pose2Mesh's J_regressor_h36m_correct.npy.

    Parameters
    ----------
    path : str or Path
        ``.npy`` file of 17 rows, the joints of Human3.6M in the order of ``skeleton.JOINTS``, and
        a column for every vertex.
    body : SmplBody

    Raises
    ------
    ValueError
        If the file is missing or damaged, or holds no such matrix.
    """
    path = Path(path)
    matrix = read_npy(path)
    wanted = (len(JOINTS), body.num_vertices)
    if matrix.shape != wanted or matrix.dtype.kind != "f":
        raise ValueError(
            f"{path} cannot be used: it is {matrix.dtype} of shape {matrix.shape}, expected floats "
            f"of shape {wanted}"
        )
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise ValueError(
            f"{path} cannot be used: [{row}, {column}] is {matrix[row, column]}; numbers must be "
            "finite"
        )
    with np.errstate(over="ignore"):
        off = np.flatnonzero(~(np.abs(matrix.sum(axis=1) - 1) < 1e-2))
    if len(off):
        raise ValueError(
            f"{path} cannot be used: row {off[0]} ({JOINTS[off[0]]}) sums to "
            f"{matrix[off[0]].sum():.4g}, not 1"
        )
    shares = matrix.astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    return replace(body, surface_joints=sp.csr_array(shares))


def find_mirror(
    vertices: np.ndarray,  # [V, 3]
) -> np.ndarray | None:  # [V]
    """The vertex nearest to each vertex's reflection in x = 0; None if they do not pair up.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.body.smpl_files import find_mirror
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
            size = math.prod(whole_number(n, "its shape", least=0) for n in shape)
            if size > LARGEST_MATRIX:
                raise ValueError(f"its shape {shown(shape)} has {shown(size)} places")
            parts = (state["data"], state["indices"], state["indptr"])
            matrix = _SPARSE[value.kind](parts, shape=shape)
            matrix.check_format(full_check=True)  # unchecked indices lie anywhere in the memory
            return np.asarray(matrix.toarray())
        if value.kind == _CHUMPY_SELECT:
            source = _dense(value.state["a"]).ravel()
            indices, shape = _dense(value.state["idxs"]), value.state["preferred_shape"]
            return source[indices].reshape(tuple(int(n) for n in shape))
        value = value.state["x"]
    return numbers(value, "its values")


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
