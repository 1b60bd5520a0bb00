"""From a detector's joints to the 17 that the network takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.lifting.conventions import CONVENTIONS

_SAME = {
    joint: joint.replace("R_", "right_").replace("L_", "left_").lower()
    for joint in JOINTS
    if joint[:2] in ("R_", "L_")
}
"""Our joints that every detector finds, by their names in the conventions."""


@dataclass(frozen=True)
class Trunk:
    """Where a motion has its joints of spine and head, told by joints that detectors find.

    P is the middle of the hips, N the middle of the shoulders, E the middle of the ears, F the
    tip of the nose. Then ``Torso = P + torso (N - P)``, ``Neck = P + neck (N - P)``,
    ``Nose = N + nose[0] (E - N) + nose[1] (F - E)``, and ``Head`` likewise. The sums keep their
    form under any affine change of the image, and nearly so under perspective.

    Parameters
    ----------
    torso, neck : float
    nose, head : pair of float
    bones : float
        Mean length of all bones together as the training cameras see them, half image widths.
    pelvis : float
        Mean height of the pelvis below the middle of those images, half image widths.
    """

    torso: float
    neck: float
    nose: tuple[float, float]
    head: tuple[float, float]
    bones: float
    pelvis: float


TRUNKS = {
    "builtin": Trunk(0.491, 0.952, (0.668, 0.094), (1.096, 0.040), 1.471, 0.136),
    "cmu17": Trunk(0.421, 0.873, (0.636, 0.063), (1.113, 0.043), 1.542, 0.008),
}
"""By training motion; ``python -m examples.hgn_pose.bake.measure_trunks`` prints these figures."""

HUMAN36M_TRUNK = Trunk(0.5, 1.0, (1.0, 1.0), (1.515, -0.309), 1.542, 0.008)
"""Human3.6M: the spine in the middle, the neck between the shoulders, the nose itself, the top of
the head; taken for every motion that ``TRUNKS`` does not know."""


EARS = 0.41
"""Height of the ears between the top of the neck and the top of the head, as share; as measured
on the built-in body."""


def trunk_of(motion: str) -> Trunk:
    """Where the named training motion has its joints of spine and head."""
    return TRUNKS.get(motion, HUMAN36M_TRUNK)


def to_skeleton(
    points: np.ndarray,  # [T, K, 2]
    confidence: np.ndarray,  # [T, K]
    convention: str,
    trunk: Trunk,
    threshold: float,
) -> tuple[np.ndarray, np.ndarray]:  # [T, 17, 2], [T, 17]
    """Map detected joints to the 17 of the skeleton; what is not seen stays NaN.

    Shoulders, elbows, wrists, hips, knees and ankles are taken as they are. The joints of spine
    and head follow from them and from the face, see :class:`Trunk`. One ear does for both, then
    the eyes, then the nose; without the nose tip the ears count as it. Where a convention has no
    ears they are found below the top of the head. ``skeleton17`` is taken as it is, and so are
    pelvis and torso where a convention has them.

    Parameters
    ----------
    points : array of float, shape (T, K, 2)
        In any unit; y down.
    confidence : array of float, shape (T, K)
        Points below ``threshold`` are not looked at.
    convention : str
        A key of ``CONVENTIONS``, of K points.
    trunk : Trunk
        Of the motion that the network was trained on.
    threshold : float

    Returns
    -------
    joints : array of float64, shape (T, 17, 2)
        NaN where a joint cannot be told.
    confidence : array of float64, shape (T, 17)
        The least of the points that a joint was made from; 0 where it cannot be told.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.mapping import HUMAN36M_TRUNK, to_skeleton
    >>> points, sure = np.zeros((1, 17, 2)), np.ones((1, 17))
    >>> points[0, 11], points[0, 12] = (40, 60), (20, 60)
    >>> to_skeleton(points, sure, "coco17", HUMAN36M_TRUNK, 0.3)[0][0, 0].tolist()
    [30.0, 60.0]
    """
    known = CONVENTIONS[convention]
    expected = (len(points), len(known.points))
    if points.shape != (*expected, 2) or confidence.shape != expected:
        raise ValueError(
            f"points have shape {points.shape} and confidence {confidence.shape}; {convention} "
            f"needs (T, {expected[1]}, 2) and (T, {expected[1]})"
        )
    seen = (confidence >= threshold) & np.isfinite(points).all(axis=2)
    valued = np.concatenate([points, confidence[..., None]], axis=2).astype(np.float64)
    valued[~seen] = np.nan
    if convention == "skeleton17":
        return _split(valued)
    named = dict(zip(known.points, np.moveaxis(valued, 1, 0), strict=True))
    joints = {joint: named[name] for joint, name in _SAME.items()}
    nowhere = np.full((len(points), 3), np.nan)

    hips = _mean(named["left_hip"], named["right_hip"])
    pelvis = joints["Pelvis"] = _first(named.get("pelvis", nowhere), hips)
    shoulders = _mean(named["left_shoulder"], named["right_shoulder"])
    torso = _along(pelvis, shoulders, trunk.torso)
    joints["Torso"] = _first(named.get("torso", nowhere), torso)
    joints["Neck"] = _along(pelvis, shoulders, trunk.neck)

    nose = named.get("nose", nowhere)
    if "left_ear" in named:
        ears = _first(
            _mean(named["left_ear"], named["right_ear"]),
            named["left_ear"],
            named["right_ear"],
            _mean(named["left_eye"], named["right_eye"]),
            nose,
        )
    elif "nose" in named:
        ears = _ears_from_crown(shoulders, nose, named["crown"])
    else:
        ears = _along(named["upper_neck"], named["crown"], EARS)
    nose = _first(nose, ears)
    for joint, (up, front) in (("Nose", trunk.nose), ("Head", trunk.head)):
        place = shoulders + up * (ears - shoulders) + front * (nose - ears)
        place[:, 2] = np.minimum(np.minimum(shoulders, ears), nose)[:, 2]
        joints[joint] = place
    return _split(np.stack([joints[name] for name in JOINTS], axis=1))


# Below, a point is [T, 3]: x, y, confidence; NaN where it is not seen.


def _mean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _along(a, b, 0.5)


def _along(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    point = a + share * (b - a)
    point[:, 2] = np.minimum(a, b)[:, 2]
    return point


def _first(*candidates: np.ndarray) -> np.ndarray:
    """The first candidate that is seen, frame by frame."""
    best = candidates[0].copy()
    for other in candidates[1:]:
        gap = np.isnan(best).any(axis=1)
        best[gap] = other[gap]
    return best


def _ears_from_crown(shoulders: np.ndarray, nose: np.ndarray, crown: np.ndarray) -> np.ndarray:
    """The ears for which :class:`Trunk` has the crown where it is."""
    up, front = HUMAN36M_TRUNK.head
    ears = (crown - (1 - up) * shoulders - front * nose) / (up - front)
    ears[:, 2] = np.minimum(np.minimum(shoulders, nose), crown)[:, 2]
    return ears


def _split(valued: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return valued[..., :2].copy(), np.nan_to_num(valued[..., 2])
