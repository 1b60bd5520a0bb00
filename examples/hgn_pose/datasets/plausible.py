"""Are these joints a person, in metres, in our order, and do the pixels show that person?

All checks look at a few frames only, so that reading stays fast. The bounds are wide: they let
children, giants and poor detections pass, and catch wrong units, wrong orders and wrong files.
"""

from __future__ import annotations

import numpy as np

from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS
from examples.hgn_pose.motion.lens import lens_misfit

UNITS = {"millimetres": 1000.0, "centimetres": 100.0, "inches": 39.37}
THIGH = (0.25, 0.65)
"""Metres from hip to knee."""
LONGEST_BONE = 0.8
"""Metres."""
BEND = 0.35
"""How much a bone's length may spread, relative to its mean: links of the spine span joints."""
MISFIT = 0.08
"""How far 2D joints may be from the 3D ones seen through the best lens, in half image widths."""
FEW = 200
"""Frames that are looked at."""
UPRIGHT = 0.8
"""Mean part of the way from feet to head along an axis above which that axis points up."""
BENT = 0.02
"""Metres from the line of hip and ankle at which a knee is bent."""
Z_UP = {
    "z": ((0, 1, 2), (1, 1, 1)),
    "y": ((0, 2, 1), (1, -1, 1)),
    "-y": ((0, 2, 1), (1, 1, -1)),
    "x": ((2, 1, 0), (-1, 1, 1)),
    "-x": ((2, 1, 0), (1, 1, -1)),
    "-z": ((0, 1, 2), (1, -1, -1)),
}
"""For each axis that may point up: which axes to take, and with which signs, for z to do so."""


def unit_of(
    positions: np.ndarray,  # [T, 17, 3]
) -> str | None:
    """The unit in which thighs have the length of thighs, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.datasets.plausible import unit_of
    >>> pose = np.zeros((1, 17, 3))
    >>> pose[:, [2, 5], 2] = -440.0
    >>> unit_of(pose)
    'millimetres'
    """
    thigh = _thigh(positions)
    for name, per_metre in {"metres": 1.0, **UNITS}.items():
        if THIGH[0] <= thigh / per_metre <= THIGH[1]:
            return name
    return None


def check_skeleton(positions: np.ndarray, where: str) -> None:
    """Refuse joints that are no person in metres in the order of ``skeleton.JOINTS``.

    Parameters
    ----------
    positions : array, shape (T, 17, 3)
    where : str
        For the message.

    Raises
    ------
    ValueError
        Naming the unit or the bone that is wrong.
    """
    positions = _few(np.asarray(positions, dtype=np.float64))
    positions = positions[np.isfinite(positions).all(axis=(1, 2))]
    if not len(positions):
        return
    unit = unit_of(positions)
    if unit in UNITS:
        raise ValueError(
            f"{where}: the positions are in {unit} (a thigh measures {_thigh(positions):.4g}); "
            f"divide them by {UNITS[unit]:g}, metres are needed"
        )
    length = np.linalg.norm(
        positions[:, [child for _, child in EDGES]] - positions[:, [parent for parent, _ in EDGES]],
        axis=-1,
    )
    for (parent, child), mean, spread in zip(
        EDGES, length.mean(axis=0), length.std(axis=0), strict=True
    ):
        if mean > LONGEST_BONE or spread > BEND * mean:
            what = "varies from frame to frame" if spread > BEND * mean else "is too long"
            raise ValueError(
                f"{where}: the bone from {JOINTS[parent]} to {JOINTS[child]} {what} "
                f"({mean:.2f} m, spread {spread:.2f} m), so the joints are in another order or "
                f"unit; the order must be {', '.join(JOINTS)}"
            )
    if unit is None:
        raise ValueError(
            f"{where}: a thigh measures {_thigh(positions):.4g}, which is no thigh in any unit; "
            f"metres are needed, and the order must be {', '.join(JOINTS)}"
        )


def axis_up(positions: np.ndarray) -> str | None:
    """The axis along which heads are above feet, such as ``-y``, if most people stand along one."""
    positions = _few(np.asarray(positions, dtype=np.float64))
    standing = positions[:, JOINTS.index("Head")] - positions[:, [3, 6]].mean(axis=1)
    length = np.linalg.norm(standing, axis=1, keepdims=True)
    usable = np.isfinite(length[:, 0]) & (length[:, 0] > 0)
    if not usable.any():
        return None
    up = (standing[usable] / length[usable]).mean(axis=0)
    axis = int(np.abs(up).argmax())
    if abs(up[axis]) < UPRIGHT:
        return None
    return ("" if up[axis] > 0 else "-") + "xyz"[axis]


def check_upright(positions: np.ndarray, where: str) -> None:
    """Refuse joints whose heads are above their feet along another axis than z.

    Parameters
    ----------
    positions : array, shape (T, 17, 3)
        Metres.
    where : str
        For the message.

    Raises
    ------
    ValueError
        Naming the axis that points up, and how to turn it.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.datasets.plausible import check_upright
    >>> pose = np.zeros((1, 17, 3))
    >>> pose[:, 10, 1] = 1.6
    >>> check_upright(pose, "mine.npy")
    Traceback (most recent call last):
    ValueError: mine.npy: which axis is up? Heads are above feet along y, and z must point up; turn
    them with positions[..., [0, 2, 1]] * [1, -1, 1], or give an npz file with up = 'y'; if these
    people lie, with up = 'z'
    """
    name = axis_up(positions)
    if name not in (None, "z"):
        order, signs = Z_UP[name]
        raise ValueError(
            f"{where}: which axis is up? Heads are above feet along {name}, and z must point up; "
            f"turn them with positions[..., {list(order)}] * {list(signs)}, or give an npz file "
            f"with up = {name!r}; if these people lie, with up = 'z'"
        )


def check_sides(positions: np.ndarray, where: str) -> None:
    """Refuse joints whose knees bend to the back: sides are swapped, or space is mirrored.

    Parameters
    ----------
    positions : array, shape (T, 17, 3)
        Metres.
    where : str
        For the message.

    Raises
    ------
    ValueError
        Saying so.
    """
    positions = _few(np.asarray(positions, dtype=np.float64))
    hips, knees, ankles = (positions[:, [left, left - 3]] for left in (4, 5, 6))
    leg = ankles - hips
    share = ((knees - hips) * leg).sum(axis=-1) / np.maximum((leg**2).sum(axis=-1), 1e-9)
    bend = knees - hips - share[..., None] * leg
    to_the_left = hips[:, 0] - hips[:, 1]
    forward = np.cross(to_the_left, positions[:, JOINTS.index("Neck")] - positions[:, 0])
    bent = np.linalg.norm(bend, axis=-1) > BENT
    ahead = ((bend * forward[:, None]).sum(axis=-1) > 0)[bent]
    if ahead.size and ahead.mean() < 0.2:
        raise ValueError(
            f"{where}: the knees bend to the back, so left and right are swapped, or an axis "
            "points the other way round; swap the sides, or turn the sign of one axis"
        )


def check_image(
    pixels: np.ndarray, seen: np.ndarray, size: tuple[float, float], where: str
) -> None:
    """Refuse 2D joints that are no pixels or do not show the 3D ones.

    Parameters
    ----------
    pixels : array, shape (T, 17, 2)
    seen : array, shape (T, 17, 3)
        The true joints in the camera's frame.
    size : tuple of float
        Width and height of the image.
    where : str
        For the message.

    Raises
    ------
    ValueError
        Naming what is wrong.
    """
    pixels, seen = _few(np.asarray(pixels, np.float64)), _few(np.asarray(seen, np.float64))
    whole = np.isfinite(pixels).all(axis=(1, 2)) & np.isfinite(seen).all(axis=(1, 2))
    pixels, seen = pixels[whole], seen[whole]
    if not len(pixels):
        return
    if np.abs(pixels).max() < 4:
        raise ValueError(
            f"{where}: the 2D joints lie between {pixels.min():.3g} and {pixels.max():.3g}, so "
            "they are normalised already; give pixels"
        )
    if (seen[..., 2] <= 0).any():
        joint = np.argwhere(seen[..., 2] <= 0)[0, 1]
        raise ValueError(
            f"{where}: the {JOINTS[joint]} is behind the camera in a frame; "
            "check the camera's rotation and position"
        )
    scale = size[0] / 2
    error = lens_misfit(pixels, seen) / scale
    if error <= MISFIT:
        return
    swapped = lens_misfit(pixels[:, FLIP], seen) / scale
    hint = (
        "left and right are swapped in one of them"
        if swapped < error / 2
        else "joints in another order, another camera or other frames"
    )
    raise ValueError(
        f"{where}: the 2D joints are {error * scale:.0f} pixels from the 3D joints seen through "
        f"the lens that fits best: {hint}"
    )


def _thigh(positions: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(positions[:, [1, 4]] - positions[:, [2, 5]], axis=-1)))


def _few(array: np.ndarray) -> np.ndarray:
    return array[:: max(1, len(array) // FEW)]
