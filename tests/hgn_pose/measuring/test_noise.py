from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.hgn_pose.body.skeleton import EDGES, JOINTS, PAIRS
from examples.hgn_pose.measuring.noise import (
    KINDS,
    Detector,
    Jitter,
    Missing,
    Outliers,
    Swaps,
    spoil_input,
)

seeds = st.integers(0, 2**32 - 1)
PARENT = {child: parent for parent, child in EDGES}


def random_joints(seed, count=6):
    return np.random.default_rng(seed).normal(500, 120, (count, 17, 2))


class Drawn:
    """Stands in for a generator."""

    def __init__(self, *values):
        self.values = list(values)

    def random(self, shape):
        value = self.values.pop(0)
        assert value.shape == tuple(shape)
        return value


def handing_out(*values) -> Any:
    """A generator that hands out what the test drew."""
    return Drawn(*values)


@given(seeds, st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]))
def test_missing_joints_stand_at_the_next_one_found(seed, share):
    joints = random_joints(seed)
    drawn = np.random.default_rng(seed + 1).random((6, 17))
    spoiled = Missing(share).spoil(joints, handing_out(drawn))
    for s in range(6):
        found = [j for j in range(17) if drawn[s, j] >= share]
        for j in range(17):
            place = j
            while place not in found and place in PARENT:
                place = PARENT[place]
            if place in found:
                expected = joints[s, place]
            else:
                expected = joints[s, found or range(17)].mean(axis=0)
            np.testing.assert_allclose(spoiled[s, j], expected)


@given(seeds, st.floats(0, 1))
def test_limbs_swap_whole(seed, share):
    joints = random_joints(seed)
    drawn = np.random.default_rng(seed + 1).random((6, 2))
    spoiled = Swaps(share).spoil(joints, handing_out(drawn))
    for s in range(6):
        expected = joints[s].copy()
        for k, prefixes in enumerate((("Hip", "Knee", "Ankle"), ("Shoulder", "Elbow", "Wrist"))):
            if drawn[s, k] < share:
                for name in prefixes:
                    left, right = JOINTS.index(f"L_{name}"), JOINTS.index(f"R_{name}")
                    expected[[left, right]] = joints[s, [right, left]]
        np.testing.assert_array_equal(spoiled[s], expected)


def test_swapping_all_limbs_is_left_for_right():
    joints = random_joints(3)
    spoiled = Swaps(1.0).spoil(joints, np.random.default_rng(0))
    for left, right in PAIRS:
        np.testing.assert_array_equal(spoiled[:, left], joints[:, right])
    np.testing.assert_array_equal(Swaps(1.0).spoil(spoiled, np.random.default_rng(0)), joints)


@given(seeds, st.floats(0, 1))
def test_outliers_lie_in_the_persons_box(seed, share):
    joints = random_joints(seed)
    drawn, places = (
        np.random.default_rng(seed + k).random((6, 17, *more)) for k, more in ((1, ()), (2, (2,)))
    )
    spoiled = Outliers(share).spoil(joints, handing_out(drawn, places))
    for s in range(6):
        for j in range(17):
            if drawn[s, j] >= share:
                np.testing.assert_array_equal(spoiled[s, j], joints[s, j])
                continue
            for axis in range(2):
                values = joints[s, :, axis]
                expected = min(values) + places[s, j, axis] * (max(values) - min(values))
                assert spoiled[s, j, axis] == pytest.approx(expected)


def test_jitter_is_gaussian_and_independent():
    joints = np.zeros((4000, 17, 2))
    spoiled = Jitter(3.0).spoil(joints, np.random.default_rng(0))
    flat = spoiled.reshape(4000, 34)
    np.testing.assert_allclose(np.cov(flat.T), 9 * np.eye(34), atol=0.8)
    assert abs(flat.mean()) < 0.05
    assert np.mean(np.abs(flat) > 6) == pytest.approx(0.0455, abs=0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_level_zero_changes_nothing(kind):
    joints = random_joints(0)
    np.testing.assert_array_equal(
        KINDS[kind].make(0).spoil(joints, np.random.default_rng(0)), joints
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_given_stays_and_the_seed_decides(kind):
    image = random_joints(1, 200) / 500 - 1
    kept = image.copy()
    noise = KINDS[kind].make(KINDS[kind].levels[-1])
    first = spoil_input(image, noise, seed=4)
    np.testing.assert_array_equal(image, kept)
    np.testing.assert_array_equal(first, spoil_input(image, noise, seed=4))
    assert not np.array_equal(first, spoil_input(image, noise, seed=5))
    assert first.dtype == np.float32


@pytest.mark.parametrize("noise", [Missing, Swaps, Outliers])
def test_a_higher_share_spoils_what_a_lower_one_spoils(noise):
    joints = random_joints(2, 300)
    low, high = (
        (noise(share).spoil(joints, np.random.default_rng(0)) != joints).any(axis=2)
        for share in (0.1, 0.3)
    )
    assert low.any()
    assert (low <= high).all()
    assert high.sum() > low.sum()


@pytest.mark.parametrize(
    ("noise", "joints"), [(Missing(0.2), 17), (Outliers(0.2), 17), (Swaps(0.2), 12)]
)
def test_shares_are_shares(noise, joints):
    """No two joints share a place, so what changed can be counted."""
    true = random_joints(5, 3000)
    changed = (noise.spoil(true, np.random.default_rng(1)) != true).any(axis=2)
    assert changed.sum() / (3000 * joints) == pytest.approx(0.2, abs=0.012)


def test_a_detector_does_all_of_it():
    joints = random_joints(6, 4000)
    off = np.linalg.norm(Detector(10.0).spoil(joints, np.random.default_rng(0)) - joints, axis=2)
    assert np.median(off[off < 50]) == pytest.approx(
        10 * np.sqrt(2 * np.log(2)), rel=0.03
    )  # Rayleigh
    far = (off > 50).mean(axis=0)
    assert (far > 0.03).all()  # 5 % missing and 5 % outliers, some of them near by chance
    assert (far < 0.15).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Jitter(-1), "0 pixels or more, got -1"),
        (lambda: Jitter(float("nan")), "0 pixels or more, got nan"),
        (lambda: Missing(1.5), "between 0 and 1, got 1.5"),
        (lambda: Swaps(-0.1), "between 0 and 1, got -0.1"),
        (lambda: Outliers(float("nan")), "between 0 and 1, got nan"),
        (lambda: Detector(-2), "0 pixels or more, got -2"),
        (lambda: spoil_input(np.zeros((3, 16, 2)), Jitter(1), 0), r"shape \(S, 17, 2\), got"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
