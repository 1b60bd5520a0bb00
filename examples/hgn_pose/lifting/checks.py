"""Find out when keypoints are not what they are said to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from examples.hgn_pose.lifting.conventions import CONVENTIONS, conventions_with
from examples.hgn_pose.lifting.detections import Detections
from examples.hgn_pose.lifting.orders import CLEARLY, WORST, misfit

Units = Literal["auto", "pixels", "normalised", "signed"]
AROUND_ZERO = 0.15
"""Share of negative numbers above which coordinates do not begin at a corner of the image."""
ACROSS = 2.0
"""How many times farther head and feet are apart across than along the image, if a person lies."""
A_CLIP, LENIENCY = 10, 1.5
"""Frames of which the mean length of a bone says what it is; and how much more a few may differ, as
people crouch and point at the camera."""
MOST = 0.8
"""Share of the frames in which a sign has to stand before it is believed."""


def to_pixels(
    detections: Detections, size: tuple[int, int], threshold: float, units: Units = "auto"
) -> Detections:
    """Coordinates in pixels, whether the file has pixels or shares of the image.

    Parameters
    ----------
    detections : Detections
        In a known convention.
    size : pair of int
        Width and height of the image in pixels.
    threshold : float
        Points below it are not looked at for the check.
    units : {"auto", "pixels", "normalised", "signed"}
        normalised: shares of the image; signed: from -1 to 1 over it; auto: as the file says, else
        as the convention has it.

    Raises
    ------
    ValueError
        If the numbers cannot be what they are said to be.
    """
    assert detections.convention is not None
    normalised: bool | Literal["signed"] | None = detections.normalised
    if normalised is None:
        normalised = CONVENTIONS[detections.convention].normalised
    if units != "auto":
        normalised = "signed" if units == "signed" else units == "normalised"
    seen = _seen(detections, threshold)
    reach = float(np.abs(seen).max()) if len(seen) else 0.0
    around_zero = len(seen) > 0 and float((seen < 0).mean()) > AROUND_ZERO
    if reach <= 2 and around_zero and normalised != "signed":
        raise ValueError(
            f"{detections.source}: the coordinates lie around 0, from {seen.min():.3g} to "
            f"{seen.max():.3g}, so these are neither pixels nor shares of the image; if they go "
            "from -1 to 1 over the image, as with OpenPose's --keypoint_scale 4, give --units "
            "signed; if they are metres, they are 3D joints already: give the 2D ones"
        )
    if normalised is False and len(seen) and reach <= 2:
        raise ValueError(
            f"{detections.source}: no coordinate is above {reach:.3g}, so these are shares of the "
            "image and not pixels; give --units normalised"
        )
    if normalised and reach > 10:
        raise ValueError(
            f"{detections.source}: a coordinate is {reach:.4g}, so these are pixels and not shares "
            "of the image; give --units pixels"
        )
    if not normalised:
        return detections
    points = (detections.points + 1) / 2 if normalised == "signed" else detections.points
    return replace(detections, points=points * np.array(size), normalised=False)


def check(detections: Detections, size: tuple[int, int], threshold: float) -> None:
    """Refuse keypoints that a wrong convention or a wrong image size would explain.

    The signs are believed when most frames show them: points outside the image, heads below
    ankles or beside them, left and right of face and shoulders crossed, bones that have not the
    lengths of bones.

    Parameters
    ----------
    detections : Detections
        One person, in pixels, in a known convention.
    size : pair of int
        Width and height of the image.
    threshold : float
        Points below it are not looked at.

    Raises
    ------
    ValueError
        Saying what was found and what would explain it.
    """
    source = detections.source
    seen = _seen(detections, threshold)
    if not len(seen):
        raise ValueError(
            f"{source}: no joint reaches the confidence {threshold:g}; lower --threshold"
        )
    outside = _outside(seen, size)
    if outside > 1 - MOST:
        turned = _outside(seen, size[::-1]) <= 1 - MOST
        raise ValueError(
            f"{source}: {outside:.0%} of the joints lie outside of an image of {size[0]} x "
            f"{size[1]} pixels; "
            + (f"is it {size[1]} x {size[0]}?" if turned else "give its true --image-size")
        )
    _check_order(detections, threshold)
    named = _named(detections, threshold)
    head = _mean([named[n] for n in ("nose", "Nose", "crown") if n in named])
    feet = _mean([place for name, place in named.items() if name.lower().endswith("ankle")])
    if _mostly(head[:, 1] > feet[:, 1], np.isfinite(head[:, 1] - feet[:, 1])):
        raise ValueError(
            f"{source}: the head is below the feet, so the y axis points up or the image is "
            "upside down; y must point down. If the person does stand on their head, give "
            "--no-check"
        )
    across = np.abs(head - feet)
    lying = across[:, 0] > ACROSS * across[:, 1]
    if not detections.x_first and _mostly(lying, np.isfinite(across).all(axis=1)):
        raise ValueError(
            f"{source}: head and feet are beside each other, so y stands before x, as in MoveNet's "
            "arrays, or the image is turned; x must come first. If the person does lie, give "
            "--no-check"
        )
    if "left_eye" in named:
        face = named["left_eye"][:, 0] - named["right_eye"][:, 0]
        trunk = named["left_shoulder"][:, 0] - named["right_shoulder"][:, 0]
        frontal = np.abs(trunk) > 0.15 * np.abs(head[:, 1] - feet[:, 1])
        if _mostly(face * trunk < 0, frontal & np.isfinite(face)):
            raise ValueError(
                f"{source}: left and right of the face are the other way round than those of the "
                "shoulders; is the order of the joints another one? --no-check goes on"
            )


def _check_order(detections: Detections, threshold: float) -> None:
    own = str(detections.convention)
    lenient = 1.0 if len(detections) >= A_CLIP else LENIENCY
    seen = detections.confidence >= threshold
    here = misfit(detections.points, seen, own)
    for other in conventions_with(detections.points.shape[1]):
        there = misfit(detections.points, seen, other)
        if there < CLEARLY * here / lenient:
            raise ValueError(
                f"{detections.source}: the bones have not the lengths of bones as {own}, but "
                f"rather as {other}; give --convention {other}"
            )
    if here != np.inf and here > WORST * lenient:
        raise ValueError(
            f"{detections.source}: the bones have not the lengths of bones as {own}; are the "
            "joints in another order? --no-check goes on"
        )


def _seen(detections: Detections, threshold: float) -> np.ndarray:  # [S, 2]
    return detections.points[detections.confidence >= threshold]


def _outside(points: np.ndarray, size: tuple[int, int]) -> float:
    share = points / np.array(size)
    return float(((share < -0.05) | (share > 1.05)).any(axis=1).mean())


def _named(detections: Detections, threshold: float) -> dict[str, np.ndarray]:
    sure = (detections.confidence >= threshold)[..., None]
    points = np.where(sure, detections.points, np.nan)
    assert detections.names is not None
    return dict(zip(detections.names, np.moveaxis(points, 1, 0), strict=True))


def _mean(places: list[np.ndarray]) -> np.ndarray:
    """Mean of the places that are seen, frame by frame; NaN where none is."""
    stack = np.stack(places)
    count = np.isfinite(stack).sum(axis=0)
    return np.where(count > 0, np.nan_to_num(stack).sum(axis=0) / np.maximum(count, 1), np.nan)


def _mostly(sign: np.ndarray, valid: np.ndarray) -> bool:
    return bool(valid.any()) and float(sign[valid].mean()) > MOST
