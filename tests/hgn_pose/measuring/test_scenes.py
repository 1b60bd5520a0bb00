"""Scenes that networks were not trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.measuring.conditions import conditions
from examples.hgn_pose.measuring.occlusion import hidden_joints
from examples.hgn_pose.measuring.predictions import seen_by
from examples.hgn_pose.measuring.scenes import SCENES, show, with_limbs
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.motion import held_out_frames
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.samples import RecordedSamples


@pytest.fixture(scope="module")
def samples():
    motion = load_builtin()
    return gather(motion.select(held_out_frames(motion)).every(20))


def bone(positions, child, parent):
    ends = positions[:, JOINTS.index(child)] - positions[:, JOINTS.index(parent)]
    return ends.norm(dim=1)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.3])
def test_limbs_are_scaled_and_nothing_else(samples, factor):
    before = samples.positions
    after = with_limbs(before, factor)
    for side in "LR":
        for child, parent in (("Knee", "Hip"), ("Ankle", "Knee"), ("Elbow", "Shoulder")):
            ends = after, f"{side}_{child}", f"{side}_{parent}"
            torch.testing.assert_close(bone(*ends), factor * bone(before, *ends[1:]))
        torch.testing.assert_close(
            bone(after, f"{side}_Shoulder", "Neck"), bone(before, f"{side}_Shoulder", "Neck")
        )
    torch.testing.assert_close(bone(after, "Head", "Pelvis"), bone(before, "Head", "Pelvis"))
    torch.testing.assert_close(after[..., 2].amin(1), before[..., 2].amin(1))


def test_the_usual_length_changes_nothing(samples):
    torch.testing.assert_close(with_limbs(samples.positions, 1.0), samples.positions)


def test_cameras_stand_where_they_are_put(samples):
    usual = ring_of_cameras()
    _, higher = show("height", samples, usual, 3.0)
    assert higher.position[:, 2].tolist() == [3.0] * 4
    torch.testing.assert_close(higher.position[:, :2], usual.position[:, :2])
    _, turned = show("azimuth", samples, usual, 90.0)
    torch.testing.assert_close(turned.position, usual.position.roll(-1, 0), atol=1e-5, rtol=0)
    _, longer = show("focal", samples, usual, 2290.0)
    image, again = (seen_by(samples, cameras)[0] for cameras in (usual, longer))
    torch.testing.assert_close(again, 2 * image)


def test_a_lens_that_was_there_stays(samples):
    _, higher = show("height", samples, replace(ring_of_cameras(), focal=900.0), 3.0)
    assert higher.focal == 900.0


def test_turned_by_a_quarter_the_same_is_seen_by_other_cameras(samples):
    (condition,) = conditions(samples, ring_of_cameras(), "azimuth", [90], 0)
    (usual,) = conditions(samples, ring_of_cameras(), "azimuth", [0], 0)
    views = [c.image.unflatten(0, (-1, 4)) for c in (condition, usual)]
    torch.testing.assert_close(views[0], views[1].roll(-1, 1), atol=1e-5, rtol=0)


def test_every_sample_is_in_one_group_of_hidden_joints(samples):
    found = list(conditions(samples, ring_of_cameras(), "occlusion", range(6), 0))
    everything = seen_by(samples, ring_of_cameras())[1].numpy()
    assert sum(len(c.true_pose) for c in found) == len(everything)
    for condition in found:
        hidden = hidden_joints(condition.true_pose)
        assert (np.minimum(hidden, 5) == condition.level).all()


@pytest.mark.parametrize("kind", SCENES)
def test_what_real_cameras_saw_cannot_be_changed(kind):
    recorded = RecordedSamples.__new__(RecordedSamples)
    with pytest.raises(ValueError, match=f"the scene {kind} changes what virtual cameras see"):
        show(kind, recorded, ring_of_cameras(), SCENES[kind].levels[0])
