"""What goes wrong in detected 2D joints, as models that spoil true ones.

Pixels are those of an image 1,000 pixels wide, as in Human3.6M. A share runs from 0 to 1. With the
same seed a higher level of one kind of noise spoils what a lower one spoils, and more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from examples.hgn_pose.body.skeleton import EDGES, JOINTS, PAIRS

WIDTH = 1000
"""Pixels from -1 to 1 in a network's input."""

LEGS, ARMS = (tuple(PAIRS[:3]), tuple(PAIRS[3:]))
"""Left and right joints of the limbs, which detectors confuse limb by limb."""


class Noise(Protocol):
    """A way to spoil 2D joints."""

    def spoil(
        self,
        joints: NDArray[np.floating],  # [S, 17, 2] pixels
        random: np.random.Generator,
    ) -> NDArray[np.floating]:  # [S, 17, 2] pixels
        """Spoiled joints; those given stay as they are."""
        ...


@dataclass(frozen=True)
class Jitter:
    """Every joint is off by a Gaussian in x and another in y."""

    pixels: float
    """Standard deviation."""

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)

    def spoil(
        self, joints: NDArray[np.floating], random: np.random.Generator
    ) -> NDArray[np.floating]:
        """Add the Gaussians."""
        return joints + self.pixels * random.standard_normal(joints.shape)


@dataclass(frozen=True)
class Missing:
    """Joints are not found, and stand in the place of the next one towards the pelvis.

    That is what a network gets that knows no missing joints. Where the pelvis is missing, the mean
    of the joints found stands in for it, and where none is found, the mean of all.
    """

    share: float
    """Of all joints."""

    def __post_init__(self) -> None:
        _check_share(self.share)

    def spoil(
        self, joints: NDArray[np.floating], random: np.random.Generator
    ) -> NDArray[np.floating]:
        """Draw joints and replace them."""
        missing = random.random(joints.shape[:2]) < self.share
        weight = np.where(missing.all(axis=1, keepdims=True), True, ~missing)[..., None]
        middle = (joints * weight).sum(axis=1) / weight.sum(axis=1)
        filled = joints.copy()
        filled[:, 0] = np.where(missing[:, :1], middle, joints[:, 0])
        for parent, child in EDGES:  # parents come first
            filled[:, child] = np.where(
                missing[:, child, None], filled[:, parent], joints[:, child]
            )
        return filled


@dataclass(frozen=True)
class Swaps:
    """Left and right are confused, in both legs at once or in both arms at once."""

    share: float
    """Of all pairs of limbs."""

    def __post_init__(self) -> None:
        _check_share(self.share)

    def spoil(
        self, joints: NDArray[np.floating], random: np.random.Generator
    ) -> NDArray[np.floating]:
        """Draw pairs of limbs and swap them."""
        confused = random.random((len(joints), 2)) < self.share
        swapped = joints.copy()
        for k, limbs in enumerate((LEGS, ARMS)):
            rows = confused[:, k]
            for left, right in limbs:
                swapped[rows, left], swapped[rows, right] = joints[rows, right], joints[rows, left]
        return swapped


@dataclass(frozen=True)
class Outliers:
    """Joints are found in a wrong place, which is anywhere in the box around the person."""

    share: float
    """Of all joints."""

    def __post_init__(self) -> None:
        _check_share(self.share)

    def spoil(
        self, joints: NDArray[np.floating], random: np.random.Generator
    ) -> NDArray[np.floating]:
        """Draw joints and their places, uniformly."""
        low, high = joints.min(axis=1, keepdims=True), joints.max(axis=1, keepdims=True)
        wrong = random.random(joints.shape[:2]) < self.share
        places = low + random.random(joints.shape) * (high - low)
        return np.where(wrong[..., None], places, joints)


@dataclass(frozen=True)
class Detector:
    """All of it at once, in shares that grow with the jitter.

    A pixel of jitter brings one confused pair of limbs in 400, one joint in 200 that is missing,
    and one in 200 that is an outlier. The four kinds are those into which Ronchi and Perona (ICCV
    2017) sort the errors of detectors; the shares are a plausible choice, not a measurement.
    """

    pixels: float
    """Standard deviation of the jitter."""

    def __post_init__(self) -> None:
        _check_pixels(self.pixels)

    def spoil(
        self, joints: NDArray[np.floating], random: np.random.Generator
    ) -> NDArray[np.floating]:
        """Confuse, then lose and misplace joints, then add the jitter."""
        rare = min(0.005 * self.pixels, 1.0)
        for noise in (Swaps(rare / 2), Missing(rare), Outliers(rare), Jitter(self.pixels)):
            joints = noise.spoil(joints, random)
        return joints


@dataclass(frozen=True)
class Kind:
    """A family of noise models with one number to turn up."""

    make: Callable[[float], Noise]
    levels: tuple[float, ...]
    """A fitting range for a curve."""
    title: str
    unit: str


KINDS = {
    "jitter": Kind(Jitter, (0, 2.5, 5, 10, 15, 20), "Gaussian jitter", "standard deviation, px"),
    "missing": Kind(Missing, (0, 0.05, 0.1, 0.2, 0.3), "missing joints", "share of joints"),
    "swaps": Kind(
        Swaps, (0, 0.05, 0.1, 0.2, 0.3), "left and right confused", "share of limb pairs"
    ),
    "outliers": Kind(Outliers, (0, 0.02, 0.05, 0.1, 0.2), "outliers", "share of joints"),
    "detector": Kind(Detector, (0, 2.5, 5, 10, 15, 20), "like a detector", "jitter, px"),
}


def spoil_input(
    image: NDArray[np.floating],  # [S, 17, 2]
    noise: Noise,
    seed: int,
) -> NDArray[np.float32]:  # [S, 17, 2]
    """Spoil the normalised 2D joints that networks take.

    Parameters
    ----------
    image : array of float, shape (S, 17, 2)
        In the units of :meth:`examples.hgn_pose.motion.cameras.Cameras.normalise`, in which an
        image is 2 wide.
    noise : Noise
    seed : int
        The same seed spoils the same joints.

    Returns
    -------
    array of float32, shape (S, 17, 2)

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.measuring.noise import Jitter, spoil_input
    >>> spoiled = spoil_input(np.zeros((1000, 17, 2)), Jitter(5), seed=0)
    >>> round(float(spoiled.std()) * 500, 1)
    5.0
    """
    if image.ndim != 3 or image.shape[1:] != (len(JOINTS), 2):
        raise ValueError(f"image must have shape (S, {len(JOINTS)}, 2), got {image.shape}")
    pixels = np.asarray(image, np.float64) * (WIDTH / 2)
    spoiled = noise.spoil(pixels, np.random.default_rng(seed))
    return (spoiled / (WIDTH / 2)).astype(np.float32)


def _check_pixels(pixels: float) -> None:
    if not 0 <= pixels < np.inf:
        raise ValueError(f"a jitter must be 0 pixels or more, got {pixels}")


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise ValueError(f"a share must lie between 0 and 1, got {share}")
