"""Poses for tests."""

import numpy as np

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.poses import BodyPose

BODY = load_body()
NUM_BONES = len(BODY.bones)


def random_poses(count, seed, people=2, dtype=np.float64):
    random = np.random.default_rng(seed)
    blend = random.dirichlet(np.ones(len(BODY.shape_names)), people)
    return BodyPose(
        rotations=random.normal(0, 0.4, (count, NUM_BONES, 3)).astype(dtype),
        translation=random.normal(0, 1, (count, 3)).astype(dtype),
        person=np.arange(count) % people,
        blend=blend,
        scale=random.uniform(0.8, 1.2, (people, NUM_BONES)),
    )
