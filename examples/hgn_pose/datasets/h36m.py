"""Human3.6M: its subjects, actions, joints and cameras, whatever the files look like.

C. Ionescu, D. Papava, V. Olaru and C. Sminchisescu, "Human3.6M: Large Scale Datasets and
Predictive Methods for 3D Human Sensing in Natural Environments", TPAMI 2014. The data are given to
people who sign the licence at http://vision.imar.ro/human3.6m; none of them come with the example.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from examples.hgn_pose.datasets.takes import RealCamera

CAMERAS_PATH = Path(__file__).parents[1] / "data" / "h36m_cameras.json"

TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
SUBJECTS = TRAIN_SUBJECTS + TEST_SUBJECTS

ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Photo",
    "Waiting",
    "Walking",
    "WalkDog",
    "WalkTogether",
)
"""In the order of the data set, which numbers them from 2."""

SPELLINGS = {
    "TakingPhoto": "Photo",
    "WalkingDog": "WalkDog",
    "WalkingTogether": "WalkTogether",
}

JOINTS_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The 17 joints that move, among the 32 of the data set, in the order of ``skeleton.JOINTS``."""

JOINTS_OF_16 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16)
"""The joints that stacked hourglass detections have: all but the nose."""

FPS = 50.0


def take_name(name: str) -> str:
    """``Walking 1`` of ``Walking 1``, ``Photo`` of ``TakingPhoto``, whoever spelt it.

    Examples
    --------
    >>> from examples.hgn_pose.datasets.h36m import take_name
    >>> take_name("WalkingDog 1"), take_name("Sitting")
    ('WalkDog 1', 'Sitting')
    """
    action, _, number = name.replace("_", " ").strip().partition(" ")
    return " ".join(part for part in (SPELLINGS.get(action, action), number) if part)


def action_of(take: str) -> str:
    """The action of a take: its name without the number."""
    return take.split(" ")[0]


@dataclass(frozen=True, eq=False)
class Lens:
    """A pinhole with radial and tangential distortion, in pixels."""

    focal: np.ndarray  # [2]
    centre: np.ndarray  # [2]
    radial: np.ndarray  # [3]
    tangential: np.ndarray  # [2]

    def project(
        self,
        points: np.ndarray,  # [..., 3] camera frame
    ) -> np.ndarray:  # [..., 2] pixels
        """Human3.6M's projection: the point's ratios are bent, then scaled and shifted."""
        ratio = points[..., :2] / points[..., 2:]
        squared = (ratio**2).sum(axis=-1, keepdims=True)
        powers = np.concatenate([squared, squared**2, squared**3], axis=-1)
        bent = 1 + powers @ self.radial + ratio @ self.tangential
        return self.focal * (ratio * bent[..., None] + squared * self.tangential) + self.centre


@cache
def calibration() -> tuple[tuple[Lens, ...], dict[str, tuple[RealCamera, ...]]]:
    """Lenses of the four cameras, and for every subject where the four stand and look."""
    stored = json.loads(CAMERAS_PATH.read_text())
    lenses = tuple(
        Lens(*(np.array(lens[name]) for name in ("focal", "centre", "radial", "tangential")))
        for lens in stored["lenses"]
    )
    views = {
        subject: tuple(
            RealCamera(
                name=lens["id"],
                rotation=Rotation.from_quat(view["orientation"], scalar_first=True)
                .inv()
                .as_matrix(),
                position=np.array(view["position"]) / 1000,
                size=(lens["width"], lens["height"]),
            )
            for lens, view in zip(stored["lenses"], views, strict=True)
        )
        for subject, views in stored["views"].items()
    }
    return lenses, views
