import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation

from examples.hgn_pose.measuring.metrics import distances, mpjpe, n_mpjpe, pa_mpjpe, procrustes

seeds = st.integers(0, 2**32 - 1)


def random_poses(seed, frames=4, joints=17):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.4, (frames, joints, 3)), rng.normal(0, 0.4, (frames, joints, 3))


def plain_pa(predicted, true):
    """One pose at a time, with scipy's solution of the rotation (Kabsch, reflections excluded)."""
    total = 0.0
    for p, t in zip(predicted, true, strict=True):
        p0, t0 = p - p.mean(axis=0), t - t.mean(axis=0)
        rotation, _ = Rotation.align_vectors(t0, p0)
        turned = rotation.apply(p0)
        scale = (turned * t0).sum() / (turned**2).sum()
        total += sum(np.sqrt(((scale * a - b) ** 2).sum()) for a, b in zip(turned, t0, strict=True))
    return 1000 * total / (predicted.shape[0] * predicted.shape[1])


@given(seeds)
def test_mpjpe_is_a_plain_mean_of_distances(seed):
    predicted, true = random_poses(seed)
    total = 0.0
    for frame in range(4):
        for joint in range(17):
            d = predicted[frame, joint] - true[frame, joint]
            total += (d[0] ** 2 + d[1] ** 2 + d[2] ** 2) ** 0.5
    assert mpjpe(predicted, true) == pytest.approx(1000 * total / 68)


@given(seeds)
def test_pa_mpjpe_agrees_with_scipy(seed):
    predicted, true = random_poses(seed)
    assert pa_mpjpe(predicted, true) == pytest.approx(plain_pa(predicted, true), rel=1e-6)


@given(seeds, st.booleans())
def test_sum_of_squares_agrees_with_scipys_procrustes_where_no_reflection_helps(seed, near):
    predicted, true = random_poses(seed, frames=1)
    if near:
        predicted = true + 0.1 * predicted
    aligned = procrustes(predicted, true)[0]
    t0 = true[0] - true[0].mean(axis=0)
    ours = ((aligned - true[0]) ** 2).sum() / (t0**2).sum()
    _, _, scipys = scipy_procrustes(true[0], predicted[0])
    if near:
        assert ours == pytest.approx(scipys, rel=1e-6)
    else:  # scipy may reflect, so it is never worse
        assert ours >= scipys * (1 - 1e-9)


@given(seeds)
def test_n_mpjpe_is_a_plain_least_squares_scale(seed):
    predicted, true = random_poses(seed)
    total = 0.0
    for p, t in zip(predicted, true, strict=True):
        (scale,), *_ = np.linalg.lstsq(p.reshape(-1, 1), t.reshape(-1), rcond=None)
        for joint in range(17):
            total += sum((scale * p[joint, axis] - t[joint, axis]) ** 2 for axis in range(3)) ** 0.5
    assert n_mpjpe(predicted, true) == pytest.approx(1000 * total / 68)


@given(seeds, st.floats(1e-3, 1e3))
def test_n_mpjpe_does_not_see_the_size_of_a_prediction(seed, scale):
    predicted, true = random_poses(seed)
    assert n_mpjpe(scale * predicted, true) == pytest.approx(n_mpjpe(predicted, true))


def test_n_mpjpe_sees_a_turn():
    _, true = random_poses(6)
    turn = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    assert n_mpjpe(true @ turn.T, true) > 100
    assert pa_mpjpe(true @ turn.T, true) < 1e-6


def test_n_mpjpe_of_a_collapsed_prediction_is_the_size_of_the_truth():
    _, true = random_poses(7)
    assert n_mpjpe(np.zeros_like(true), true) == pytest.approx(mpjpe(np.zeros_like(true), true))


@given(seeds, st.floats(0.1, 10))
def test_similarities_are_undone(seed, scale):
    _, true = random_poses(seed)
    rng = np.random.default_rng(seed)
    turns = Rotation.from_quat(rng.normal(size=(4, 4))).as_matrix()
    moved = scale * true @ turns + rng.normal(size=(4, 1, 3))
    np.testing.assert_allclose(procrustes(moved, true), true, atol=1e-9)


def test_a_mirror_image_is_not_right():
    _, true = random_poses(3)
    mirrored = true * [-1, 1, 1]
    assert pa_mpjpe(mirrored, true) == pytest.approx(plain_pa(mirrored, true), rel=1e-6)
    assert pa_mpjpe(mirrored, true) > 50


def test_collapsed_prediction_is_moved_to_the_middle():
    _, true = random_poses(4)
    aligned = procrustes(np.ones_like(true), true)
    np.testing.assert_allclose(
        aligned, np.broadcast_to(true.mean(axis=1, keepdims=True), true.shape)
    )


def test_flat_poses_are_aligned_too():
    _, true = random_poses(5)
    true[..., 2] = 0
    turn = Rotation.from_euler("xyz", [20, 130, 70], degrees=True).as_matrix()
    assert pa_mpjpe(true @ turn.T * 3, true) < 1e-6


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (np.zeros((2, 17, 3)), np.zeros((1, 17, 3)), r"predicted has shape \(2, 17, 3\)"),
        (np.zeros((17, 3)), np.zeros((17, 3)), "predicted must have shape"),
        (np.zeros((0, 17, 3)), np.zeros((0, 17, 3)), "not empty"),
        (np.zeros((1, 2, 3)), np.array([[[0, 0, 0], [0, np.nan, 0]]]), r"true\[0, 1, 1\] is nan"),
    ],
)
def test_bad_input_is_named(predicted, true, message):
    with pytest.raises(ValueError, match=message):
        distances(predicted, true)
