"""Joints as they come: what is missing is held, what jumps must wait, and poses are calm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.hgn_pose.body.skeleton import FLIP
from examples.hgn_pose.lifting.gaps import SEEN, Track, from_views
from examples.hgn_pose.lifting.over_time.limbs import bone_lengths, with_lengths
from examples.hgn_pose.lifting.over_time.movement import person_size
from examples.hgn_pose.lifting.over_time.smoothing import OneEuro

LONGEST = 6
"""Frames in a row in which a joint that jumps, or sides that seem confused, are not believed."""
FAR = 0.6
"""Sizes of the person by which a joint jumps, beyond what the others do."""
SWAPPED = 0.5
"""Sides are confused if the joints then lie at less than this share of the distance."""
LEAST_CUTOFF, SLOPE = 2.0, 2.0
"""Of the One-Euro filter of the poses: Hz, and Hz per metre a second."""
REMEMBERED = 200
"""Poses over which the lengths of bones are averaged."""


@dataclass
class Steadying:
    """What is known of a person in a stream.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.lifting.live import Steadying
    >>> body = np.random.default_rng(0).uniform(0, 100, (17, 2))
    >>> person = Steadying()
    >>> _ = person.joints(body)
    >>> lacking = body + 1
    >>> lacking[13] = np.nan
    >>> bool(np.allclose(person.joints(lacking)[0], body + 1))
    True
    """

    def __post_init__(self) -> None:
        self._last: np.ndarray | None = None
        self._doubted = np.zeros(17, np.int64)
        self._confused = 0
        self._calm = OneEuro(LEAST_CUTOFF, SLOPE)
        self._lengths = np.zeros(17)
        self._count = 0

    def joints(
        self,
        joints: np.ndarray,  # [17, 2] NaN where not seen
    ) -> tuple[np.ndarray, np.ndarray]:  # [17, 2], [17] bool
        """The joints to lift, and which of them are held from the frames before.

        A joint that is not seen, or jumps, moves on with the others. Sides that are confused for a
        short time are put right.

        Raises
        ------
        ValueError
            If fewer than two joints are seen.
        """
        known = np.isfinite(joints).all(axis=1)
        if known.sum() < 2:
            raise ValueError(f"{known.sum()} of the 17 joints are seen; two are needed")
        last = self._last
        if last is None:
            found = self._from_views(joints, known)
            self._last = found
            return found, ~known
        size = person_size(last[None])[0]
        joints, known = self._right_sides(joints, known, last)
        moved = np.median((joints - last)[known], axis=0)
        jumps = known & (np.linalg.norm(joints - last - moved, axis=1) > FAR * size)
        jumps &= jumps.sum() <= 4  # when many do, it is a cut or a fast movement
        self._doubted = np.where(jumps, self._doubted + 1, 0)
        held = ~known | (jumps & (self._doubted <= LONGEST))
        self._last = np.where(held[:, None], last + moved, joints)
        return self._last, held

    def pose(
        self,
        pose: np.ndarray,  # [17, 3]
        seconds: float,
    ) -> np.ndarray:  # [17, 3]
        """The calm pose, with bones of the lengths that they had so far."""
        lengths = bone_lengths(pose[None])
        self._count = min(self._count + 1, REMEMBERED)
        self._lengths += (lengths - self._lengths) / self._count
        calm = self._calm(seconds, pose.astype(np.float64))
        return with_lengths(calm[None], self._lengths)[0]

    def _right_sides(
        self, joints: np.ndarray, known: np.ndarray, last: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        mirrored = joints[FLIP]
        both = known & known[FLIP]
        as_they_are = np.linalg.norm(joints - last, axis=1)[both].sum()
        swapped = np.linalg.norm(mirrored - last, axis=1)[both].sum()
        confused = swapped < SWAPPED * as_they_are
        self._confused = self._confused + 1 if confused else 0
        if confused and self._confused <= LONGEST:
            return mirrored, known[FLIP]
        return joints, known

    @staticmethod
    def _from_views(joints: np.ndarray, known: np.ndarray) -> np.ndarray:
        if known.all():
            return joints
        sure = known[None].astype(np.float64)
        track = Track(np.zeros(1, np.int64), joints[None], sure, np.full((1, 17), SEEN, np.uint8))
        return from_views(track).joints[0]
