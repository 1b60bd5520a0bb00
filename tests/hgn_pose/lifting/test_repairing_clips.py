from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from examples.hgn_pose.body.skeleton import EDGES, FLIP
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.over_time import outliers, swaps
from examples.hgn_pose.lifting.over_time.limbs import bone_lengths, with_lengths
from examples.hgn_pose.lifting.over_time.movement import person_size, usual_change, velocity_changes
from examples.hgn_pose.lifting.over_time.repair import repair
from examples.hgn_pose.lifting.over_time.smoothing import OneEuro, smooth
from examples.hgn_pose.lifting.over_time.steady import TimeOptions, steady

FRAMES = np.arange(39)
SURE = np.ones((39, 17))


@pytest.fixture(scope="module", params=[("walk", 0), ("spinkick", 1), ("dance_b", 2)])
def joints(request):
    """Pixels of 39 frames."""
    clip, camera = request.param
    return film(clip, camera).in_convention("skeleton17")[:39].astype(np.float64)


def test_nothing_is_repaired_where_nothing_is_wrong(joints):
    repaired = repair(FRAMES[: len(joints)], joints, SURE[: len(joints)])
    assert repaired.clip
    assert not repaired.outlier.any()
    assert not repaired.swapped.any()
    np.testing.assert_array_equal(repaired.joints, joints)
    assert repaired.report() == []


@pytest.mark.parametrize("joint", [3, 10, 13])
@pytest.mark.parametrize(("first", "count"), [(0, 1), (17, 1), (20, 3), (38, 1)])
def test_a_joint_that_jumps_away_is_found_and_lies_between(joints, joint, first, count):
    rows = slice(first, first + count)
    spoiled = joints.copy()
    spoiled[rows, joint] += [0.0, -150.0]
    repaired = repair(FRAMES, spoiled, SURE)
    expected = np.zeros((39, 17), bool)
    expected[rows, joint] = True
    np.testing.assert_array_equal(repaired.outlier, expected)
    around = joints[max(first - 2, 0) : first + count + 2, joint]
    reach = np.linalg.norm(np.ptp(around, axis=0))
    assert np.linalg.norm(repaired.joints[rows, joint] - joints[rows, joint], axis=1).max() <= reach
    np.testing.assert_array_equal(np.delete(repaired.joints, joint, 1), np.delete(joints, joint, 1))


@pytest.mark.parametrize(("first", "count"), [(0, 3), (12, 4), (30, 9)])
def test_confused_sides_are_put_right_and_confidence_goes_with_them(joints, first, count):
    rows = slice(first, first + count)
    sure = SURE - 0.2 * (np.arange(17) % 3 == 0)
    spoiled, unsure = joints.copy(), sure.copy()
    spoiled[rows], unsure[rows] = joints[rows, FLIP], sure[rows][:, FLIP]
    repaired = repair(FRAMES, spoiled, unsure)
    limbs = np.array(swaps.LIMBS)  # [2, 3, 2]
    apart = joints[:, limbs[..., 0]] - joints[:, limbs[..., 1]]
    told = np.linalg.norm(apart, axis=3).max(axis=2) > 20  # where the sides can be told apart
    expected = np.zeros((39, 2), bool)
    expected[rows] = True
    np.testing.assert_array_equal(repaired.swapped[told], expected[told])
    assert np.abs(repaired.joints - joints).max() < 20
    np.testing.assert_array_equal(repaired.confidence[told.all(axis=1)], sure[told.all(axis=1)])


def test_shoulders_face_the_way_of_the_hips_however_long_they_are_confused():
    seen = film("walk", 0).in_convention("skeleton17").astype(np.float64)
    across = [(seen[:, left] - seen[:, right]) for left, right in (swaps._HIPS, swaps._SHOULDERS)]
    broadest = seen[(across[0] * across[1]).sum(axis=1).argmax()]
    moving = broadest + FRAMES[:, None, None] * 1.5
    confused = np.stack([FRAMES < 14, FRAMES < 22], axis=1)  # the arms in more than half
    repaired = repair(FRAMES, swaps.swapped(moving, confused), SURE)
    np.testing.assert_array_equal(repaired.swapped, confused)
    np.testing.assert_array_equal(repaired.joints, moving)


def test_images_without_anything_in_common_are_left_alone():
    joints = np.random.default_rng(0).uniform(0, 1000, (39, 17, 2))
    repaired = repair(FRAMES, joints, SURE)
    assert not repaired.clip
    assert not repaired.outlier.any()


def test_joints_that_were_not_seen_stay_so(joints):
    joints = joints.copy()
    joints[10:14, 5] = np.nan
    joints[:, 9] = np.nan
    repaired = repair(FRAMES, joints, SURE)
    np.testing.assert_array_equal(np.isnan(repaired.joints), np.isnan(joints))


@given(st.integers(0, 2**32 - 1), st.integers(4, 10))
def test_the_track_is_the_cheapest_of_all(seed, count):
    """Against every set of kept points, priced as the function says."""
    random = np.random.default_rng(seed)
    time = np.cumsum(random.integers(1, 3, count)).astype(float)
    points = random.normal(size=(count, 2)) * random.choice([0.1, 1, 5], (count, 1))
    size, leave = random.uniform(0.5, 2, count), random.uniform(0.03, 0.3, count)
    keep = 0.2 * random.integers(0, 2, count)
    free = outliers.ROUGHER * usual_change(velocity_changes(time, points) / size) + outliers.JUMP

    def price(kept):
        total = keep[kept].sum() + (leave + 4 * free)[~np.isin(np.arange(count), kept)].sum()
        for a, b, c in zip(kept, kept[1:], kept[2:], strict=False):
            arriving = (points[b] - points[a]) / (time[b] - time[a])
            leaving = (points[c] - points[b]) / (time[c] - time[b])
            total += max(np.linalg.norm(leaving - arriving) / size[b] - free[b], 0)
        return total

    found = outliers.cheapest_track(time, points, size, leave, keep)
    every = (np.flatnonzero(which) for which in product((0, 1), repeat=count))
    allowed = [
        kept
        for kept in every
        if len(kept)
        and np.diff(np.concatenate([[-1], kept, [count]])).max() <= outliers.LONGEST + 1
    ]
    assert price(found) == pytest.approx(min(map(price, allowed)), abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(3, 5))
def test_the_swaps_are_the_cheapest_of_all(seed, count):
    random = np.random.default_rng(seed)
    legs, arms = random.uniform(0, 2, (2, count - 2, 2, 2, 2))
    twists = random.uniform(0, 1, (count, 2))

    def price(states):
        total = sum(twists[t, int(one != other)] for t, (one, other) in enumerate(states))
        for column, costs in zip(np.transpose(states), (legs, arms), strict=True):
            triples = zip(column, column[1:], column[2:], strict=False)
            total += np.abs(np.diff(column)).sum() * swaps.TURN + swaps.STAY * column.sum()
            total += sum(costs[(t, *s)] for t, s in enumerate(triples))
        return total

    best = min(map(price, product(product((0, 1), repeat=2), repeat=count)))
    assert price(swaps._cheapest(legs, arms, twists).astype(int)) == pytest.approx(best)


def test_smoothing_is_a_gaussian_without_delay_that_stops_at_holes():
    random = np.random.default_rng(0)
    values = random.normal(size=(60, 3))
    whole = smooth(values, np.arange(60.0), 2.0)
    expected = gaussian_filter1d(values, 2.0, axis=0)
    np.testing.assert_allclose(whole[10:-10], expected[10:-10], atol=1e-3)
    assert smooth(values, np.arange(60.0), 0) is values
    time = np.concatenate([np.arange(30), 50 + np.arange(30)]).astype(float)
    apart = smooth(values, time, 2.0)
    np.testing.assert_array_equal(apart[:30], smooth(values[:30], time[:30], 2.0))
    np.testing.assert_allclose(whole[::-1], smooth(values[::-1], np.arange(60.0), 2.0), atol=1e-12)


def test_a_straight_movement_stays_straight_whatever_its_length():
    for count in (1, 2, 3, 4, 50):
        line = np.arange(count)[:, None] * np.array([1.0, -2.0]) + 5
        np.testing.assert_allclose(smooth(line, np.arange(count), 3.0), line, atol=1e-12)


def test_one_euro_is_the_exponential_filter_of_its_paper():
    """With the recurrence written out for one number, with slope and without."""
    random = np.random.default_rng(1)
    times, values = np.cumsum(random.uniform(0.01, 0.1, 30)), random.normal(size=30)
    for slope in (0.0, 0.7):
        calm = OneEuro(least=1.5, slope=slope, speed_cutoff=1.0)
        smooth_value, speed = values[0], 0.0
        assert calm(times[0], values[:1])[0] == values[0]
        for k in range(1, 30):
            step = times[k] - times[k - 1]
            share = 1 / (1 + 1 / (2 * np.pi * 1.0 * step))
            speed = share * (values[k] - smooth_value) / step + (1 - share) * speed
            share = 1 / (1 + 1 / (2 * np.pi * (1.5 + slope * abs(speed)) * step))
            smooth_value = share * values[k] + (1 - share) * smooth_value
            np.testing.assert_allclose(calm(times[k], values[k : k + 1])[0], smooth_value)


def test_bones_have_the_median_length_of_both_sides_and_their_direction():
    pose = np.random.default_rng(2).normal(size=(9, 17, 3))
    lengths = bone_lengths(pose)
    same = with_lengths(pose, lengths)
    for start, end in EDGES:
        before, after = pose[:, end] - pose[:, start], same[:, end] - same[:, start]
        both = [
            np.median(np.linalg.norm(pose[:, e] - pose[:, s], axis=1))
            for s, e in ((start, end), (FLIP[start], FLIP[end]))
        ]
        np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.mean(both))
        cosine = (before * after).sum(1) / np.linalg.norm(before, axis=1)
        np.testing.assert_allclose(cosine, np.mean(both))


def test_files_of_every_fifth_frame_are_smoothed_over_as_long_a_time():
    pose = np.random.default_rng(3).normal(size=(40, 17, 3))
    options = TimeOptions(smooth=100, one_length=False)
    every, _ = steady(pose, [], np.arange(40), 10.0, options)
    fifth, _ = steady(pose, [], 5 * np.arange(40), 50.0, options)
    np.testing.assert_array_equal(every, fifth)


def test_the_size_of_a_person_heeds_no_single_frame(joints):
    spoiled = joints.copy()
    spoiled[7] *= 3
    spoiled[20] = np.nan
    np.testing.assert_allclose(person_size(spoiled), person_size(joints), rtol=0.05)
