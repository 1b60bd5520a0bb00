from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from examples.hgn_pose.measuring.noise import Detector, Jitter, Missing, Outliers, Swaps
from examples.hgn_pose.motion.studio import BONES, bone_length
from examples.hgn_pose.samples.detecting import Errors, draw_errors, spoiled


def told(*arrays) -> Any:
    """A generator of random numbers that were drawn before."""
    waiting = [np.asarray(array, np.float64) for array in arrays]

    def give(shape):
        array = waiting.pop(0)
        assert array.shape == tuple(shape)
        return array

    return SimpleNamespace(random=give, standard_normal=give)


def people(count, seed=0):
    """Of the size at which the jitter is in pixels of the image."""
    joints = torch.randn(count, 17, 2, generator=torch.Generator().manual_seed(seed)).double()
    return joints * (BONES / bone_length(joints))[:, None, None]


def drawn(count, share, seed=1):
    g = torch.Generator().manual_seed(seed)
    return Errors(
        jitter=0.01 * torch.randn(count, 17, 2, generator=g).double(),
        place=torch.rand(count, 17, 2, generator=g).double(),
        missing=torch.rand(count, 17, generator=g) < share,
        misplaced=torch.rand(count, 17, generator=g) < share,
        confused=torch.rand(count, 2, generator=g) < share,
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_it_is_the_noise_that_is_measured_with(share):
    """With the same draws, which the other takes from a generator: below the share is yes."""
    joints, errors = people(200), drawn(200, share)
    no = lambda yes: np.where(yes.numpy(), 0.0, 1.0)  # noqa: E731
    pixels = joints.numpy() * 500
    pixels = Swaps(0.5).spoil(pixels, told(no(errors.confused)))
    pixels = Missing(0.5).spoil(pixels, told(no(errors.missing)))
    pixels = Outliers(0.5).spoil(pixels, told(no(errors.misplaced), errors.place))
    pixels = Jitter(1.0).spoil(pixels, told(errors.jitter * 500))
    np.testing.assert_allclose(spoiled(joints, errors).numpy(), pixels / 500, atol=1e-12)


def test_a_person_twice_as_large_jitters_twice_as_far():
    joints, errors = people(20), drawn(20, 0.2)
    torch.testing.assert_close(spoiled(2 * joints + 1, errors), 2 * spoiled(joints, errors) + 1)


def test_shares_and_levels_are_those_of_the_detector():
    count = 200_000
    errors = draw_errors(count, 10.0, torch.Generator().manual_seed(2))
    level = (errors.jitter * 500).square().mean((1, 2)).sqrt()  # known but for sampling
    assert level.max() < 15
    third = 10 / 3  # the mean of ten times the square of a uniform number
    assert level.mean() == pytest.approx(third, rel=0.02)
    for found in (errors.missing, errors.misplaced):
        assert found.float().mean() == pytest.approx(0.005 * third, rel=0.05)
    assert errors.confused.float().mean() == pytest.approx(0.0025 * third, rel=0.1)
    spoilt = Detector(10.0).spoil(np.zeros((1, 17, 2)), np.random.default_rng(0))
    assert spoilt.shape == (1, 17, 2)


def test_nobody_found_stays_where_they_are():
    joints = people(3)
    everything = torch.ones(3, 17, dtype=torch.bool)
    nothing = torch.zeros(3, 17, 2).double()
    errors = Errors(nothing, nothing, everything, ~everything, ~everything[:, :2])
    middle = joints.mean(1, keepdim=True).expand_as(joints)
    torch.testing.assert_close(spoiled(joints, errors), middle)
