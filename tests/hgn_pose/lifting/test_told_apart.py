"""What was once misread without a word: read as it is meant, or asked about."""

import json
from functools import cache

import numpy as np
import pytest
import tools
from tools import FILM, SIZE, pixels

from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.lifting.conventions import CONVENTIONS, conventions_with, markdown_table
from examples.hgn_pose.lifting.detections import collect
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.joint_names import convention_of, order_of, plain
from examples.hgn_pose.lifting.keypoint_files import read_keypoints
from examples.hgn_pose.lifting.mapping import TRUNKS
from examples.hgn_pose.lifting.orders import DISTANCES, order_told
from examples.hgn_pose.lifting.reading import KeypointOptions, read_person

OPTIONS = KeypointOptions(image_size=SIZE)
POINTS = pixels("coco17")
TRUE = pixels("skeleton17")


def person(path, **options):
    return read_person(path, KeypointOptions(image_size=SIZE, **options), TRUNKS["builtin"])


def error(path, **options):
    return np.linalg.norm(person(path, **options).track.joints - TRUE, axis=2).mean()


# Orders


filmed = cache(film)


@pytest.mark.parametrize("count", [17, 25])
def test_orders_are_told_in_every_clip_by_the_bones(count):
    candidates = [name for name in conventions_with(count) if name != "skeleton17"]
    for known in load_builtin().clips:
        for camera in (0, 1):
            made = filmed(known.name, camera)
            for name in candidates:
                points = made.in_convention(name).astype(np.float64)
                seen = np.all(np.isfinite(points), axis=2)
                assert order_told(points, seen, candidates) == name, known.name
                one = {order_told(points[t : t + 1], seen[t : t + 1], candidates)
                       for t in range(0, len(points), 7)}  # fmt: skip
                assert one <= {name, None}, known.name


def test_the_distances_are_those_of_the_built_in_body():
    measured: dict[tuple[str, str], list[float]] = {}
    for clip in ("walk", "dance_a", "kick"):
        made = film(clip, 0)
        points = {name: place.astype(np.float64) for name, place in made.points.items()}
        for (a, b), metres in DISTANCES.items():
            length = np.linalg.norm(points[a] - points[b], axis=1)
            measured.setdefault((a, b), []).append(length.mean() / metres)
    scale = np.median([np.mean(ratio) for ratio in measured.values()])
    spread = np.array([np.mean(ratio) for ratio in measured.values()]) / scale
    assert (np.abs(np.log(spread)) < 0.6).all()


@pytest.mark.parametrize("convention", ["body25", "body25b"])
def test_25_joints_of_openpose_are_told_apart_or_asked_about(convention, tmp_path):
    points = pixels(convention)
    folder = tools.openpose_folder(tmp_path / "clip", points, np.ones((12, 25)))
    assert person(folder).facts["convention"] == convention
    assert error(folder) < 2
    few = points[:1].copy()
    few[:, 5:] = 0
    path = tools.openpose_list(tmp_path / "few.json", few, np.ones((1, 25)))
    with pytest.raises(
        ValueError, match=r"which joints its 25 are; give --convention, one of body25, body25b"
    ):
        person(path)


def test_a_named_order_that_the_bones_deny_is_refused(tmp_path):
    folder = tools.openpose_folder(tmp_path / "clip", pixels("body25b"), np.ones((12, 25)))
    with pytest.raises(
        ValueError, match="as body25, but rather as body25b; give --convention body25b"
    ):
        person(folder, convention="body25")
    shuffled = pixels("mediapipe33")[:, np.random.default_rng(2).permutation(33)]
    path = tools.mediapipe(tools.MEDIAPIPE["bare"])(
        tmp_path / "m.json", shuffled, np.ones((12, 33))
    )
    with pytest.raises(ValueError, match="the bones have not the lengths of bones as mediapipe33"):
        person(path)


def test_joints_of_human36m_and_of_the_training_look_alike_and_are_asked_about(tmp_path):
    np.savez(tmp_path / "k.npz", keypoints=pixels("human36m17"))
    with pytest.raises(ValueError, match="one of coco17, human36m17, skeleton17"):
        person(tmp_path / "k.npz")
    assert error(tmp_path / "k.npz", convention="human36m17") < 2


# Names


@pytest.mark.parametrize("convention", list(CONVENTIONS))
def test_a_convention_is_known_by_its_own_names(convention):
    names = CONVENTIONS[convention].points
    assert len(set(map(plain, names))) == len(names)
    assert convention_of(names) == (None if convention == "skeleton17" else convention)
    shuffled = np.random.default_rng(0).permutation(len(names))
    spelled = [names[i].upper().replace("_", " ") for i in shuffled]
    assert [shuffled[i] for i in order_of(spelled, convention)] == list(range(len(names)))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("LShoulder", "left_shoulder"), ("lshoulder", "left_shoulder"), ("Rknee", "right_knee"),
        ("L_Hip", "left_hip"), ("hip.R", "right_hip"), ("KneeL", "left_knee"),
        ("RIGHT_FOOT_INDEX", "right_big_toe"), ("mouth_left", "left_mouth"), ("MidHip", "pelvis"),
        ("REar", "right_ear"), ("ear", "ear"), ("elbow", "elbow"), ("LSmallToe", "left_small_toe"),
    ],
)  # fmt: skip
def test_names_mean_what_people_mean(given, meant):
    assert plain(given) == plain(meant)


@pytest.mark.parametrize(
    ("lacking", "convention"),
    [(["left_ear", "right_ear"], "coco17"), (["nose", "left_eye", "right_eye"], "coco17"),
     (["left_heel", "right_heel", "pelvis"], "halpe26"), (["upper_neck"], "body25b"),
     (["torso", "nose"], "human36m17")],
)  # fmt: skip
def test_only_arms_and_legs_need_a_name(lacking, convention, tmp_path):
    names = CONVENTIONS[convention].points
    kept = [i for i, name in enumerate(names) if name not in lacking]
    points = pixels(convention)
    np.savez(tmp_path / "k.npz", keypoints=points[:, kept], joints=np.array(names)[kept])
    found = read_keypoints(tmp_path / "k.npz").in_convention(convention)
    gone = [names.index(name) for name in lacking]
    assert (found.confidence[:, gone] == 0).all()
    assert np.isnan(found.points[:, gone]).all()
    np.testing.assert_allclose(found.points[:, kept], points[:, kept])
    said = [name for name in names if name in lacking]
    assert found.notes == (f"joints that the file lacks: {', '.join(said)}",)
    # What is left may be all of a smaller one; a name is the same place in each.
    told = {"halpe26": "openpose18", "body25b": "coco17", "human36m17": "mpii16"}
    told = told.get(convention, convention)
    assert convention_of([names[i] for i in kept]) == told
    with pytest.raises(ValueError, match=f"the joint left_hip of {convention} is not among"):
        order_of([name for name in names if name != "left_hip"], convention)


def test_names_that_others_use_otherwise_leave_a_doubt():
    ours = [name.replace("crown", "head") for name in CONVENTIONS["human36m17"].points]
    assert convention_of(ours) is None
    assert convention_of([name.replace("nose", "neck_base") for name in ours]) == "human36m17"
    ours[ours.index("neck")], ours[ours.index("nose")] = "thorax", "neck"
    assert order_of(ours, "human36m17") == list(range(17))
    assert order_of(ours[::-1], "human36m17") == list(range(16, -1, -1))


def test_a_convention_is_a_row_of_the_table():
    rows = markdown_table().splitlines()
    assert len(rows) == len(CONVENTIONS) + 2
    for name, known in CONVENTIONS.items():
        [row] = [row for row in rows if f"`{name}`" in row]
        assert f"| {len(known.points)} |" in row


# Joints that were not found


@pytest.mark.parametrize(
    "lacking",
    [(0, 0), (-1, -1), (-1000, -1000), (-1, 5), (np.nan, np.nan), (0, 1000), (65535, 65535)],
)
def test_joints_where_detectors_put_what_they_lack_are_not_seen(lacking, tmp_path):
    points = POINTS.copy()
    points[:, 9] = points[4:, 10] = lacking
    np.savez(tmp_path / "k.npz", keypoints=points)
    read = person(tmp_path / "k.npz").track
    assert (read.origin[:, JOINT["L_Wrist"]] != 0).all()
    assert (read.origin[:4, JOINT["R_Wrist"]] == 0).all()
    assert np.linalg.norm(read.joints - TRUE, axis=2).mean() < 6


JOINT = {"L_Wrist": 13, "R_Wrist": 16}


def test_people_who_stand_still_are_not_taken_for_what_is_lacking():
    rows = [(t, "0", np.round(POINTS[0] / 20), None) for t in range(20)]
    assert (collect(rows, "small.json").confidence == 1).all()


# Confidences


def junk():
    """Wrists that were not seen, anywhere in the image, and confidences that say so."""
    points, sure = POINTS.copy(), np.full(POINTS.shape[:2], 0.9)
    points[:, 9:11] = np.random.default_rng(0).uniform(0, 900, (12, 2, 2))
    sure[:, 9:11] = 0.05
    return points, sure


@pytest.mark.parametrize("name", ["scores", "keypoint_scores", "conf", "visibility", "kp_prob"])
def test_confidences_apart_from_the_joints_are_read_or_refused(name, tmp_path):
    points, sure = junk()
    np.savez(tmp_path / "k.npz", keypoints=points, **{name: sure})
    persons = [
        {"keypoints": p.tolist(), name: c.tolist()} for p, c in zip(points, sure, strict=True)
    ]
    frames = [{"frame": t, "persons": [one]} for t, one in enumerate(persons)]
    tools.dump(tmp_path / "k.json", {"frames": frames, "convention": "coco17"})
    for path in (tmp_path / "k.npz", tmp_path / "k.json"):
        if name == "kp_prob":
            with pytest.raises(ValueError, match=r"'kp_prob' .*a number for each.* is not read"):
                person(path)
        else:
            assert (person(path).track.origin[:, list(JOINT.values())] != 0).all()


def test_the_confidence_of_a_person_is_not_that_of_a_joint(tmp_path):
    points, sure = junk()
    whole = np.full(12, 0.9)
    np.savez(tmp_path / "k.npz", keypoints=points, score=whole, scores=sure)
    entries = [
        {"image_id": t, "score": 0.9, "keypoints": p.tolist(), "scores": c.tolist()}
        for t, (p, c) in enumerate(zip(points, sure, strict=True))
    ]
    tools.dump(tmp_path / "coco.json", entries)
    for entry in entries:
        entry["frame"] = entry.pop("image_id")
    tools.dump(tmp_path / "own.json", entries)
    for name in ("k.npz", "coco.json", "own.json"):
        assert (person(tmp_path / name).track.origin[:, list(JOINT.values())] != 0).all(), name


@pytest.mark.parametrize(
    ("third", "message"),
    [(95.0, "are these percent, or a third coordinate"), (-0.3, "a third coordinate and the file")],
)
def test_what_is_no_confidence_is_not_taken_for_one(third, message, tmp_path):
    values = np.concatenate([POINTS, np.full((12, 17, 1), third)], axis=2)
    np.savez(tmp_path / "k.npz", keypoints=values)
    with pytest.raises(ValueError, match=message):
        person(tmp_path / "k.npz")


# Units


def openpose(path, points):
    frames = [{"people": [{"pose_keypoints_2d": v}]} for v in tools.flat(points, np.ones((12, 25)))]
    return tools.dump(path, frames)


def test_coordinates_from_minus_one_to_one_are_told_from_shares(tmp_path):
    points = pixels("body25")
    signed = openpose(tmp_path / "signed.json", points / 500 - 1)
    with pytest.raises(
        ValueError, match=r"lie around 0, .* --keypoint_scale 4, give --units signed"
    ):
        person(signed)
    with pytest.raises(ValueError, match="give --units signed"):
        person(signed, units="normalised")
    shares = openpose(tmp_path / "shares.json", points / 1000)
    with pytest.raises(
        ValueError, match="are shares of the image and not pixels; give --units norm"
    ):
        person(shares)
    plain = error(openpose(tmp_path / "pixels.json", points))
    assert error(signed, units="signed") == pytest.approx(plain, abs=1e-6)
    assert error(shares, units="normalised") == pytest.approx(plain, abs=1e-6)


def test_joints_in_metres_are_told_from_shares(tmp_path):
    metres = FILM.seen(FILM.motion.positions)[:12]
    metres = (metres - metres[:, :1]).astype(np.float64)
    np.savez(tmp_path / "k.npz", keypoints=metres)
    with pytest.raises(
        ValueError, match="so that is a third coordinate and the file holds 3D joints"
    ):
        person(tmp_path / "k.npz", convention="skeleton17")
    np.savez(tmp_path / "flat.npz", keypoints=metres[..., :2])
    with pytest.raises(ValueError, match="if they are metres, they are 3D joints already"):
        person(tmp_path / "flat.npz", convention="skeleton17")
    marks = [{"pose_world_landmarks": tools.marks(p, np.ones(33))} for p in pixels("mediapipe33")]
    with pytest.raises(ValueError, match="world landmarks, which are 3D joints in metres"):
        read_keypoints(tools.dump(tmp_path / "w.json", marks))
    lifted = [
        {"frame_id": 0, "instances": [{"keypoints": [[1, 2, 3]] * 17, "keypoint_scores": [1] * 17}]}
    ]
    with pytest.raises(ValueError, match="holds 3D joints, as MMPose's lifters write them"):
        read_keypoints(tools.dump(tmp_path / "m.json", lifted))
    three = {"people": [{"pose_keypoints_2d": [], "pose_keypoints_3d": [1.0] * 100}]}
    with pytest.raises(ValueError, match=r"holds 3D joints alone \(pose_keypoints_3d\)"):
        read_keypoints(tools.dump(tmp_path / "o.json", three))


# Bytes and ids


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["message to dict", "frames"])
def test_a_byte_order_mark_is_no_part_of_json(encoding, name, tmp_path):
    path = tools.mediapipe(tools.MEDIAPIPE[name])(
        tmp_path / "m.json", pixels("mediapipe33"), np.ones((12, 33))
    )
    plain_points = read_keypoints(path).points
    path.write_bytes(path.read_text().encode(encoding))
    np.testing.assert_array_equal(read_keypoints(path).points, plain_points)
    folder = tools.openpose_folder(tmp_path / "folder", pixels("body25"), np.ones((12, 25)))
    for child in folder.iterdir():
        child.write_bytes(child.read_text().encode(encoding))
    assert len(read_keypoints(folder)) == 12


def test_one_id_for_everybody_can_be_ignored(tmp_path):
    entries = [
        {"image_id": f"{t}.jpg", "keypoints": values, "score": 2.0, "idx": 0}
        for t in range(12)
        for values in tools.flat(
            np.stack([POINTS[t], 0.8 * POINTS[t] + [300, 0]])[:: 1 if t % 2 else -1],
            np.ones((2, 17)),
        )
    ]
    path = tools.dump(tmp_path / "a.json", entries)
    with pytest.raises(
        ValueError, match=r"'0' twice in frame 0; .* or --ignore-ids to link people"
    ):
        person(path)
    assert error(path, ignore_ids=True, person="largest") < 2
    with pytest.raises(ValueError, match="shows 2 persons"):
        person(path, ignore_ids=True)


def test_notes_reach_the_person(tmp_path):
    np.savez(tmp_path / "k.npz", keypoints=POINTS, boxes=np.ones((12, 4)))
    assert person(tmp_path / "k.npz").decided == ("not read: boxes",)
    content = {"frames": [{"frame": 0, "persons": []}], "convention": "coco17"}
    (tmp_path / "empty.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="holds no person"):
        person(tmp_path / "empty.json")
