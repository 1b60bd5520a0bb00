"""3D-PCK and AUC: how many joints lie near enough, in both conventions that papers use.

Root-relative errors come in millimetres, shares go out in percent. The two conventions differ in
joints and in thresholds, so figures of one say nothing about figures of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.hgn_pose.body.skeleton import JOINTS

NEAR = 150.0
"""Millimetres below which a joint counts as found."""


@dataclass(frozen=True, eq=False)
class PckConvention:
    """Which joints count, and the thresholds whose PCK the AUC averages.

    Parameters
    ----------
    joints : array of int
        Rows of ``skeleton.JOINTS``.
    thresholds : array of float
        Millimetres, ascending.
    """

    joints: NDArray[np.int64]
    thresholds: NDArray[np.float64]

    def pck(
        self,
        errors: NDArray[np.floating],  # [S, 17] millimetres
    ) -> NDArray[np.float64]:  # [S] percent
        """Share of each sample's joints that are less than 150 mm off.

        Examples
        --------
        >>> import numpy as np
        >>> from examples.hgn_pose.measuring.pck import EVERY_JOINT
        >>> EVERY_JOINT.pck(np.array([[149.9] * 8 + [150.0] * 9])).round(2)
        array([47.06])
        """
        return 100 * (self._counted(errors) < NEAR).mean(axis=1)

    def auc(
        self,
        errors: NDArray[np.floating],  # [S, 17] millimetres
    ) -> NDArray[np.float64]:  # [S] percent
        """Mean of the PCK over the thresholds, for each sample.

        A sample that has no error reaches less than 100, since nothing is less than 0 mm off.

        Examples
        --------
        >>> import numpy as np
        >>> from examples.hgn_pose.measuring.pck import EVERY_JOINT, OFFICIAL
        >>> perfect = np.zeros((1, 17))
        >>> OFFICIAL.auc(perfect).round(2), EVERY_JOINT.auc(perfect).round(2)
        (array([96.77]), array([99.33]))
        """
        passed = np.searchsorted(self.thresholds, self._counted(errors), side="right")
        return 100 * (1 - passed.mean(axis=1) / len(self.thresholds))

    def _counted(self, errors: NDArray[np.floating]) -> NDArray[np.floating]:
        if errors.ndim != 2 or errors.shape[1] != len(JOINTS):
            raise ValueError(f"errors must have shape (S, {len(JOINTS)}), got {errors.shape}")
        return errors[:, self.joints]


OFFICIAL = PckConvention(
    joints=np.array(
        [i for i, name in enumerate(JOINTS) if name not in ("Pelvis", "Torso", "Nose")]
    ),
    thresholds=np.arange(0.0, 151.0, 5.0),
)
"""The evaluation that comes with MPI-INF-3DHP: 14 joints, thresholds 0, 5, ..., 150 mm.

Its pelvis, spine and head are left out; they are our pelvis, torso and nose."""

EVERY_JOINT = PckConvention(
    joints=np.arange(len(JOINTS)),
    thresholds=np.arange(0.0, 150.0),
)
"""The code of GraphMLP and of its kin: all 17 joints, the pelvis too, thresholds 0, 1, ..., 149."""
