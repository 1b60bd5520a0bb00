"""Where the joints of a body are at rest."""

from __future__ import annotations

import numpy as np

from examples.hgn_pose.body.body_model import BodyModel


def rest_joints(body: BodyModel) -> np.ndarray:  # [17, 3] metres
    """The 17 joints of the average person at rest, in the axes of ``body.rest_vertices``.

    Examples
    --------
    >>> from examples.hgn_pose.body.built_in import load_body
    >>> rest_joints(load_body()).shape
    (17, 3)
    """
    space = body.shape_space()
    average = space.carried(np.zeros(len(space.spread)))
    joints: np.ndarray = average.points[0, ..., :3].sum(axis=1)
    return joints
