"""Where a person walks, by reprojection: on the rays of the pelvis, with feet that stand still."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import minimum_filter1d
from scipy.sparse.linalg import spsolve

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.lifting.over_time.smoothing import smooth

FEET = (JOINTS.index("R_Ankle"), JOINTS.index("L_Ankle"))
STANDING_SPEED, STANDING_HEIGHT = 0.5, 0.06
"""A foot stands that moves slower (m/s) and is hardly higher (m) than the feet around that time."""
CALM = 0.12
"""Seconds over which the speeds of feet are smoothed, to tell which of them stand."""
AROUND = 1.5
"""Seconds in which the lowest foot is looked for."""
ASIDE, ALONG = 0.02, 0.05
"""Metres by which reprojection may be off, across the ray and along it."""
SLIDE, LIFT, SHAKE = 0.002, 0.01, 0.01
"""Metres by which a standing foot may slide in a frame and leave the floor, and the root's step
may change."""


def reprojected(
    pose: np.ndarray,  # [T, 17, 3]
    slopes: np.ndarray,  # [T, 17, 2]
    weight: np.ndarray,  # [T, 17]
) -> np.ndarray:  # [T, 3]
    """The place of the pelvis from which the pose's joints lie nearest to their rays.

    Least squares in each frame: ``x + X = slope (z + Z)`` is linear in the place (x, y, z).

    Parameters
    ----------
    pose : array of float, shape (T, 17, 3)
        Relative to the pelvis, in the axes of the camera, metres.
    slopes : array of float, shape (T, 17, 2)
        Of the joints' rays: x to the right and y down, z being 1.
    weight : array of float, shape (T, 17)

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.over_time.trajectory import reprojected
    >>> pose = np.random.default_rng(0).normal(size=(1, 17, 3))
    >>> there = pose + [0.5, -0.2, 6.0]
    >>> reprojected(pose, there[..., :2] / there[..., 2:], np.ones((1, 17))).round(6).tolist()
    [[0.5, -0.2, 6.0]]
    """
    frames = len(pose)
    matrix = np.zeros((frames, 17, 2, 3))
    matrix[:, :, 0, 0] = matrix[:, :, 1, 1] = 1
    matrix[..., 2] = -slopes
    right = slopes * pose[..., 2:] - pose[..., :2]
    root = np.sqrt(weight)[:, :, None]
    matrix, right = matrix * root[..., None], right * root
    matrix, right = matrix.reshape(frames, -1, 3), right.reshape(frames, -1, 1)
    turned = matrix.transpose(0, 2, 1)
    return np.linalg.solve(turned @ matrix, turned @ right)[..., 0]


def scene_axes(
    down: np.ndarray,  # [3]
) -> np.ndarray:  # [3, 3]
    """Rows: to the right, away and up, in the axes of a camera in which things fall along down."""
    up = -down / np.linalg.norm(down)
    away = np.array([0.0, 0.0, 1.0]) - up[2] * up
    away /= np.linalg.norm(away)
    return np.stack([np.cross(away, up), away, up])


def standing(
    feet: np.ndarray,  # [T, 2, 3] scene, z up
    fps: float,
) -> np.ndarray:  # [T - 1, 2] bool
    """Which feet stand between each frame and the next."""
    time = np.arange(len(feet))
    calm = smooth(feet, time, CALM * fps)
    speed = np.linalg.norm(np.diff(calm, axis=0), axis=2) * fps
    height = (calm[1:, :, 2] + calm[:-1, :, 2]) / 2
    window = max(3, int(AROUND * fps))
    lowest = minimum_filter1d(height.min(axis=1), window, mode="nearest")
    return (speed < STANDING_SPEED) & (height < lowest[:, None] + STANDING_HEIGHT)


def trajectory(
    pose: np.ndarray,  # [T, 17, 3]
    slopes: np.ndarray,  # [T, 17, 2]
    weight: np.ndarray,  # [T, 17]
    down: np.ndarray,  # [3]
    fps: float,
) -> np.ndarray:  # [T, 3]
    """The pelvis over a clip: near its rays, smooth, with standing feet that stand on one floor.

    Reprojection tells each frame alone where the pelvis is, well across the ray and badly along it.
    The places sought are near these, change their steps little, and leave a foot that stands where
    it was and at the height of the floor: a linear least-squares problem over the clip, in whose
    terms the constants above are the standard deviations.

    Parameters
    ----------
    pose, slopes, weight
        As for :func:`reprojected`; frames follow each other without holes.
    down : array of float, shape (3,)
        Along which things fall, in the axes of the camera.
    fps : float

    Returns
    -------
    array of float64, shape (T, 3)
        In the axes of the camera, metres.
    """
    alone = reprojected(pose, slopes, weight)
    if len(pose) < 3:
        return alone
    axes = scene_axes(down)
    feet = pose[:, FEET].astype(np.float64)
    start = smooth(alone, np.arange(len(pose)), 0.25 * fps)
    stand = standing((feet + start[:, None]) @ axes.T, fps)
    count = 3 * len(pose)
    blocks: list[sp.csr_array] = []
    rights: list[np.ndarray] = []

    def add(rows: sp.csr_array, right: np.ndarray, deviation: float) -> None:
        wide = sp.csr_array(sp.hstack([rows, sp.csr_array((rows.shape[0], 1))]))
        blocks.append(wide / deviation)
        rights.append(right / deviation)

    # Across the ray, and along it.
    ray = np.concatenate([slopes[:, 0], np.ones((len(pose), 1))], axis=1)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    across = np.eye(3) - ray[:, :, None] * ray[:, None]
    add(sp.block_diag(list(across), "csr"), (across @ alone[..., None]).ravel(), ASIDE)
    add(sp.block_diag(list(ray[:, None]), "csr"), (ray * alone).sum(axis=1), ALONG)
    step = _differences(len(pose), (-1.0, 1.0))
    add(_differences(len(pose), (1.0, -2.0, 1.0)), np.zeros(count - 6), SHAKE)
    up = sp.csr_array(sp.kron(sp.eye_array(len(pose)), axes[2:]))
    for foot in range(2):
        still = np.flatnonzero(stand[:, foot])
        rows = (3 * still[:, None] + np.arange(3)).ravel()
        add(step[rows], -np.diff(feet[:, foot], axis=0)[still].ravel(), SLIDE)
        on = np.union1d(still, still + 1)
        # The floor is the last unknown.
        floor = sp.hstack([up[on], sp.csr_array(-np.ones((len(on), 1)))])
        blocks.append(sp.csr_array(floor) / LIFT)
        rights.append(-(feet[on, foot] @ axes[2]) / LIFT)
    blocks.append(sp.csr_array(([1e-6], ([0], [count])), shape=(1, count + 1)))
    rights.append(np.zeros(1))
    matrix, right = sp.csc_array(sp.vstack(blocks)), np.concatenate(rights)
    return spsolve(sp.csc_array(matrix.T @ matrix), matrix.T @ right)[:count].reshape(-1, 3)


def _differences(frames: int, weights: tuple[float, ...]) -> sp.csr_array:
    """Weighted sums of places of frames that follow each other, axis by axis."""
    rows = frames - len(weights) + 1
    band = sp.diags_array(weights, offsets=range(len(weights)), shape=(rows, frames))
    return sp.csr_array(sp.kron(band, np.eye(3)))
