import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.measuring.pck import EVERY_JOINT, OFFICIAL

# Errors of exactly a threshold are the nasty ones.
ERRORS = arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.just(17)),
    elements=st.one_of(st.floats(0, 400), st.integers(0, 160).map(float)),
)

OFFICIAL_GROUPS = {
    "head": ["Head"],
    "neck": ["Neck"],
    "shoulders": ["R_Shoulder", "L_Shoulder"],
    "elbows": ["R_Elbow", "L_Elbow"],
    "wrists": ["R_Wrist", "L_Wrist"],
    "hips": ["R_Hip", "L_Hip"],
    "knees": ["R_Knee", "L_Knee"],
    "ankles": ["R_Ankle", "L_Ankle"],
}


def plain_share(errors, joints, threshold):
    near = total = 0
    for sample in errors:
        for joint in joints:
            near += sample[joint] < threshold
            total += 1
    return 100 * near / total


def plain_official(errors):
    """By groups of joints, weighted by their size, as MPI-INF-3DHP's own evaluation goes."""
    thresholds = range(0, 151, 5)
    pck, curve, count = 0.0, [0.0] * len(thresholds), 0
    for names in OFFICIAL_GROUPS.values():
        rows = [JOINTS.index(name) for name in names]
        pck += plain_share(errors, rows, 150) * len(rows)
        for k, threshold in enumerate(thresholds):
            curve[k] += plain_share(errors, rows, threshold) * len(rows)
        count += len(rows)
    assert (count, len(curve)) == (14, 31)
    return pck / count, sum(curve) / count / len(curve)


def plain_every_joint(errors):
    curve = [plain_share(errors, range(17), threshold) for threshold in range(150)]
    return plain_share(errors, range(17), 150), sum(curve) / 150


@given(ERRORS)
def test_both_conventions_are_their_plain_loops(errors):
    for convention, plain in ((OFFICIAL, plain_official), (EVERY_JOINT, plain_every_joint)):
        pck, auc = plain(errors)
        assert convention.pck(errors).mean() == pytest.approx(pck, abs=1e-9)
        assert convention.auc(errors).mean() == pytest.approx(auc, abs=1e-9)


def test_by_hand():
    errors = np.full((1, 17), 1000.0)
    errors[0, JOINTS.index("Pelvis")] = 0.0
    assert OFFICIAL.pck(errors) == 0
    assert EVERY_JOINT.pck(errors) == pytest.approx(100 / 17)
    assert EVERY_JOINT.auc(errors) == pytest.approx(100 / 17 * 149 / 150)
    errors[0, JOINTS.index("Head")] = 100.0  # thresholds 105, 110, ..., 150 are ten of 31
    assert OFFICIAL.pck(errors) == pytest.approx(100 / 14)
    assert OFFICIAL.auc(errors) == pytest.approx(100 / 14 * 10 / 31)
    errors[0, JOINTS.index("Nose")] = 0.0  # MPI-INF-3DHP leaves it out
    assert OFFICIAL.pck(errors) == pytest.approx(100 / 14)


def test_a_joint_150_mm_off_is_not_near():
    assert OFFICIAL.pck(np.full((1, 17), 150.0)) == 0
    assert OFFICIAL.auc(np.full((1, 17), 150.0)) == 0
    assert OFFICIAL.pck(np.full((1, 17), np.nextafter(150.0, 0))) == 100


@given(ERRORS, st.floats(1, 3))
def test_larger_errors_are_never_better(errors, factor):
    for convention in (OFFICIAL, EVERY_JOINT):
        assert (convention.pck(errors * factor) <= convention.pck(errors)).all()
        assert (convention.auc(errors * factor) <= convention.auc(errors)).all()


def test_other_joints_are_refused():
    with pytest.raises(ValueError, match=r"errors must have shape \(S, 17\), got \(3, 16\)"):
        OFFICIAL.pck(np.zeros((3, 16)))
