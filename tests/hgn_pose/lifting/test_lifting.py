import numpy as np
import pytest
import torch

from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.lifting import gaps
from examples.hgn_pose.lifting.checks import check, to_pixels
from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.detections import collect
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.framing import frame
from examples.hgn_pose.lifting.gaps import ALIKE, FROM_TIME, FROM_VIEWS, SEEN, Track, fill
from examples.hgn_pose.lifting.mapping import HUMAN36M_TRUNK, TRUNKS, to_skeleton
from examples.hgn_pose.measuring.metrics import mpjpe
from examples.hgn_pose.measuring.predictions import answer
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.motion import every_nth, held_out_frames
from examples.hgn_pose.samples.augmentation import NO_AUGMENTATION
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.training.baselines import fit_baselines

FILMS = [film("walk", 0), film("kick", 1)]
TRUNK = TRUNKS["builtin"]
SIZE = (1000, 1000)
DETECTORS = ["coco17", "body25", "mediapipe33", "human36m17"]
LIMBS = [i for i, name in enumerate(JOINTS) if name[:2] in ("L_", "R_")]


def true_joints(made):
    return made.in_convention("skeleton17").astype(np.float64)


def mapped(made, convention, trunk=TRUNK, hide=()):
    points = made.in_convention(convention).astype(np.float64)
    sure = np.ones(points.shape[:2])
    sure[:, [CONVENTIONS[convention].index(name) for name in hide]] = 0
    return to_skeleton(points, sure, convention, trunk, 0.3)


@pytest.fixture(scope="module")
def linear():
    """The best linear map from 2D to 3D: a lifter that needs no long training."""
    motion = load_builtin()
    train = motion.select(~held_out_frames(motion))
    samples = gather(train.select(every_nth(train.clip, 4)))
    return fit_baselines(samples, ring_of_cameras(), NO_AUGMENTATION, 0)[1]


def lifted(model, joints, framing="image", size=SIZE):
    return answer(model, torch.from_numpy(frame(joints, size, framing, TRUNK)))[0]


@pytest.mark.parametrize("made", FILMS, ids=["walk", "kick"])
@pytest.mark.parametrize("convention", DETECTORS)
def test_mapped_joints_are_near_the_true_ones(made, convention):
    joints, sure = mapped(made, convention)
    true = true_joints(made)
    np.testing.assert_allclose(joints[:, LIMBS], true[:, LIMBS])
    np.testing.assert_allclose(joints[:, 0], true[:, 0], atol=0.5)
    assert (sure == 1).all()
    # 1.6 m are about 350 pixels here, so 15 pixels are 7 cm, which the spine bends.
    assert np.linalg.norm(joints - true, axis=2).max(axis=0).max() < 25
    assert np.linalg.norm(joints - true, axis=2).mean() < 4


@pytest.mark.parametrize("convention", DETECTORS)
def test_lifting_mapped_joints_is_like_lifting_true_ones(convention, linear):
    for made in FILMS:
        truth = made.seen(made.motion.positions)
        truth = truth - truth[:, :1]
        from_true = lifted(linear, true_joints(made))
        from_mapped = lifted(linear, mapped(made, convention)[0])
        assert mpjpe(from_mapped, from_true) < 70
        assert mpjpe(from_mapped, truth) < mpjpe(from_true, truth) + 15


def test_the_trunk_is_that_of_the_motion_trained_on():
    made = FILMS[0]
    own, other = mapped(made, "coco17")[0], mapped(made, "coco17", HUMAN36M_TRUNK)[0]
    np.testing.assert_allclose(other[:, 9], made.in_convention("coco17")[:, 0], atol=1e-3)
    crown = np.linalg.norm(other[:, 10] - made.in_convention("human36m17")[:, 10], axis=1)
    assert crown.mean() < 6
    error = np.linalg.norm(own - true_joints(made), axis=2).mean(axis=0)
    worse = np.linalg.norm(other - true_joints(made), axis=2).mean(axis=0)
    assert (error[[8, 9, 10]] < worse[[8, 9, 10]]).all()


def test_the_head_survives_a_hidden_ear_or_face():
    made = FILMS[0]
    whole = mapped(made, "coco17")[0]
    hidden = {
        "one ear": ["left_ear"],
        "the back of the head": ["nose", "left_eye", "right_eye"],
        "no ear": ["left_ear", "right_ear"],
        "the nose alone": ["left_ear", "right_ear", "left_eye", "right_eye"],
    }
    for name, points in hidden.items():
        joints, sure = mapped(made, "coco17", hide=points)
        assert (sure > 0).all(), name
        assert np.abs(joints - whole)[:, [9, 10]].max() < 40, name
    none, sure = mapped(made, "coco17", hide=CONVENTIONS["coco17"].points[:5])
    assert np.isnan(none[:, [9, 10]]).all()
    assert (sure[:, [9, 10]] == 0).all()


def test_a_hidden_hip_hides_what_hangs_on_it():
    joints, _ = mapped(FILMS[0], "coco17", hide=["left_hip"])
    lost = {JOINTS[j] for j in np.flatnonzero(np.isnan(joints[0, :, 0]))}
    assert lost == {"L_Hip", "Pelvis", "Torso", "Neck"}


def filled(joints, **options):
    number = np.arange(len(joints)) * options.pop("step", 1)
    return fill(
        number, joints, np.ones(joints.shape[:2]),
        **{"max_gap": 10, "min_joints": 12, "drop": False, **options},
    )  # fmt: skip


def test_gaps_in_time_are_interpolated_linearly():
    joints = true_joints(FILMS[0])
    torn = joints.copy()
    torn[5:8, 13] = np.nan
    track = filled(torn)
    ends = joints[[4, 8], 13]
    for t, share in ((5, 0.25), (6, 0.5), (7, 0.75)):
        np.testing.assert_allclose(track.joints[t, 13], ends[0] + share * (ends[1] - ends[0]))
    assert (track.origin[5:8, 13] == FROM_TIME).all()
    assert (track.origin == SEEN).sum() == track.origin.size - 3
    assert (filled(torn, max_gap=2).origin[5:8, 13] == FROM_VIEWS).all()


def test_lost_frames_come_back_and_long_gaps_do_not():
    joints = true_joints(FILMS[0])
    ones = np.ones((len(joints), 17))
    kept = np.delete(np.arange(len(joints)), [10, 11])

    def kept_only(max_gap):
        return fill(5 * kept, joints[kept], ones[kept], max_gap=max_gap, min_joints=12, drop=False)

    track = kept_only(max_gap=2)
    assert track.frame.tolist() == (5 * np.arange(len(joints))).tolist()
    assert (track.origin[10:12] == FROM_TIME).all()
    assert kept_only(max_gap=1).frame.tolist() == (5 * kept).tolist()


def test_views_alike_beat_leaving_the_joint_at_its_parent():
    guess, naive = [], []
    for made in FILMS:
        joints = true_joints(made)
        for joint, parent in ((13, 12), (6, 5), (5, 4), (10, 9)):
            torn = joints.copy()
            torn[:, joint] = np.nan
            track = filled(torn, max_gap=0)
            assert (track.origin[:, joint] == FROM_VIEWS).all()
            guess.append(np.linalg.norm(track.joints[:, joint] - joints[:, joint], axis=1).mean())
            naive.append(np.linalg.norm(joints[:, parent] - joints[:, joint], axis=1).mean())
    assert np.less(guess, naive).all()
    assert np.mean(guess) < 0.4 * np.mean(naive)


def most_alike_of_one(seen, which):
    """Literally: lay every view on the joints seen, and take those that are nearest."""
    views = gaps._views()
    there = views[:, which] - views[:, which].mean(axis=1, keepdims=True)
    here = seen - seen.mean(axis=0)
    scale = np.maximum((there * here).sum(axis=(1, 2)), 0) / (there**2).sum(axis=(1, 2))
    rest = ((scale[:, None, None] * there - here) ** 2).sum(axis=(1, 2))
    best = np.argsort(rest, kind="stable")[:ALIKE]
    return views[best], scale[best]


def test_views_alike_are_the_nearest_ones_for_many_frames_at_once(monkeypatch):
    joints = true_joints(film("dance_b", 1)).astype(np.float64)
    random = np.random.default_rng(0)
    masks = random.random((3, len(JOINTS))) < 0.8
    lost = ~masks[random.integers(0, 3, len(joints))]
    joints[lost] = np.nan
    sure = np.where(lost, 0.0, 1.0)
    monkeypatch.setattr(gaps, "AT_ONCE", 7)
    track = Track(np.arange(len(joints)), joints, sure, np.zeros(sure.shape, np.uint8))
    got = gaps.from_views(track)
    for row in range(len(joints)):
        here = ~lost[row]
        alike, scale = most_alike_of_one(joints[row, here], here)
        for joint in np.flatnonzero(lost[row]):
            anchor = next(near for near in gaps._NEAREST[joint] if here[near])
            offset = (scale[:, None] * (alike[:, joint] - alike[:, anchor])).mean(axis=0)
            np.testing.assert_allclose(got.joints[row, joint], joints[row, anchor] + offset)
    assert (got.origin == np.where(lost, FROM_VIEWS, SEEN)).all()
    assert (got.confidence == sure).all()


def test_frame_numbers_may_be_large():
    joints = true_joints(film("walk", 0)).astype(np.float64)[:3]
    number = np.array([0, 10**12, 2 * 10**12])
    sure = np.ones(joints.shape[:2])
    track = fill(number, joints, sure, max_gap=10, min_joints=12, drop=False)
    assert track.frame.tolist() == number.tolist()


def test_too_few_joints_are_refused_or_dropped():
    joints = true_joints(FILMS[0])
    joints[3, [2, 3, 5, 6, 12, 13]] = np.nan
    message = r"frame 3: only 11 of the 17 .* it lacks R_Knee, R_Ankle, L_Knee, L_Ankle, L_Elbow, L"
    with pytest.raises(ValueError, match=message):
        filled(joints, max_gap=0)
    track = filled(joints, max_gap=0, drop=True)
    assert 3 not in track.frame
    assert len(track) == len(joints) - 1
    with pytest.raises(ValueError, match="no frame has 12"):
        filled(np.where(np.arange(17)[:, None] < 8, joints, np.nan), max_gap=0, drop=True)


def test_person_framing_forgives_lens_and_distance(linear):
    joints = true_joints(FILMS[0])
    smaller = 0.3 * joints + [800, 100]
    same = lifted(linear, joints, "person")
    np.testing.assert_allclose(lifted(linear, smaller, "person", (1920, 1080)), same, atol=1e-4)
    truth = FILMS[0].seen(FILMS[0].motion.positions)
    truth = truth - truth[:, :1]
    far = lifted(linear, smaller, "image", (1920, 1080))
    assert mpjpe(same, truth) + 100 < mpjpe(far, truth)


def test_image_framing_is_the_training_input():
    joints = true_joints(FILMS[0])
    expected = ring_of_cameras().normalise(torch.from_numpy(joints)).numpy()
    np.testing.assert_allclose(frame(joints, SIZE, "image", TRUNK), expected, atol=1e-6)


def detections(convention, change=lambda points: points):
    points = change(FILMS[0].in_convention(convention).astype(np.float64))
    rows = [(t, "0", joints, None) for t, joints in enumerate(points)]
    return collect(rows, "k.json", convention=convention, normalised=False).in_convention("auto")


@pytest.mark.parametrize("convention", list(CONVENTIONS))
def test_right_keypoints_pass_the_checks(convention):
    for made in FILMS:
        rows = [(t, "0", xy, None) for t, xy in enumerate(made.in_convention(convention))]
        found = collect(rows, "k.json", convention=convention, normalised=False)
        check(to_pixels(found.in_convention("auto"), SIZE, 0.3), SIZE, 0.3)


def swap_face(points):
    return points[:, [0, 2, 1, 4, 3, *range(5, 17)]]


def test_wrong_conventions_are_found():
    def refused(found, message, size=SIZE):
        with pytest.raises(ValueError, match=message):
            check(to_pixels(found, size, 0.3), size, 0.3)

    refused(detections("coco17", lambda p: [0, 1000] + p * [1, -1]), "head is below the feet")
    refused(detections("coco17", lambda p: p / 1000), "shares of the image and not pixels")
    refused(detections("coco17", lambda p: p * 3), "lie outside of an image of 1000 x 1000")
    refused(
        detections("coco17", lambda p: p + np.array([900, 0])), "is it 1500 x 800", size=(800, 1500)
    )
    refused(detections("coco17", swap_face), "left and right of the face")
    named_wrongly = FILMS[0].in_convention("human36m17")
    rows = [(t, "0", joints, None) for t, joints in enumerate(named_wrongly)]
    refused(collect(rows, "k.json").in_convention("coco17"), "give --convention human36m17")
    with pytest.raises(ValueError, match="give --units pixels"):
        to_pixels(collect(rows, "k.json", normalised=True).in_convention("human36m17"), SIZE, 0.3)
    with pytest.raises(ValueError, match=r"17 joints a person, body25 has 25; is it coco17 or"):
        collect(rows, "k.json").in_convention("body25")
