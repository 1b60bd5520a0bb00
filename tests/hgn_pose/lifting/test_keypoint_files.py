import csv
import json

import numpy as np
import pytest

from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.detections import collect
from examples.hgn_pose.lifting.filming import film, write_keypoints
from examples.hgn_pose.lifting.keypoint_files import read_keypoints
from examples.hgn_pose.lifting.people import choose
from examples.hgn_pose.lifting.tracks import one_person

FILM = film("walk", 0)
FRAMES = 4


def pixels(convention):
    return FILM.in_convention(convention)[:FRAMES].astype(np.float64)


def triples(convention):
    points = pixels(convention)
    return np.concatenate([points, np.full_like(points[..., :1], 0.9)], axis=2)


def coco_annotations(path):
    joints = list(CONVENTIONS["coco17"].points)
    content = {
        "images": [{"id": t, "width": 1000, "height": 900} for t in range(FRAMES)],
        "categories": [{"id": 1, "name": "person", "keypoints": joints}],
        "annotations": [
            {"image_id": t, "keypoints": rows.ravel().tolist()}
            for t, rows in enumerate(triples("coco17"))
        ],
    }
    path.write_text(json.dumps(content))
    return path


def alphapose(path):
    entries = [
        {"image_id": f"{t}.jpg", "keypoints": rows.ravel().tolist(), "score": 2.5, "idx": 3}
        for t, rows in enumerate(triples("coco17"))
    ]
    path.write_text(json.dumps(entries))
    return path


def mmpose(path):
    content = {
        "meta_info": {"keypoint_id2name": dict(enumerate(CONVENTIONS["coco17"].points))},
        "instance_info": [
            {
                "frame_id": t,
                "instances": [{"keypoints": rows.tolist(), "keypoint_scores": [0.9] * 17}],
            }
            for t, rows in enumerate(pixels("coco17"))
        ],
    }
    path.write_text(json.dumps(content))
    return path


def ultralytics(path):
    frames = [
        [
            {
                "name": "person",
                "box": {"x1": 0},
                "keypoints": {
                    "x": rows[:, 0].tolist(), "y": rows[:, 1].tolist(), "visible": [0.9] * 17,
                },
            }
        ]
        for rows in pixels("coco17")
    ]  # fmt: skip
    path.write_text(json.dumps(frames))
    return path


def mediapipe(path):
    frames = [
        {"pose_landmarks": [[{"x": x, "y": y, "z": 0.0, "visibility": 0.9} for x, y in rows]]}
        for rows in pixels("mediapipe33") / 1000
    ]
    path.write_text(json.dumps(frames))
    return path


def openpose(path):
    path.mkdir()
    for t, rows in enumerate(triples("body25")):
        people = [{"person_id": [-1], "pose_keypoints_2d": rows.ravel().tolist()}]
        name = path / f"video_{t:012d}_keypoints.json"
        name.write_text(json.dumps({"version": 1.3, "people": people}))
    return path


def long_csv(path):
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["frame", "joint", "x", "y", "score"])
        for t, rows in enumerate(pixels("coco17")):
            for name, (x, y) in zip(CONVENTIONS["coco17"].points, rows, strict=True):
                table.writerow([t, name, x, y, 0.9])
    return path


@pytest.mark.parametrize(
    ("write", "name", "convention"),
    [
        (coco_annotations, "a.json", "coco17"),
        (alphapose, "b.json", "coco17"),
        (mmpose, "c.json", "coco17"),
        (ultralytics, "d.json", "coco17"),
        (mediapipe, "e.json", "mediapipe33"),
        (openpose, "folder", "body25"),
        (long_csv, "f.csv", "coco17"),
    ],
)
def test_every_layout_gives_its_points(write, name, convention, tmp_path):
    found = read_keypoints(write(tmp_path / name))
    scale = 1000 if convention == "mediapipe33" else 1
    read = found.in_convention(convention)
    np.testing.assert_allclose(read.points * scale, pixels(convention), rtol=1e-6)
    np.testing.assert_allclose(read.confidence, 0.9)
    assert found.frame.tolist() == list(range(FRAMES))
    assert found.in_convention("auto").convention == convention


@pytest.mark.parametrize("ending", ["json", "csv", "npz"])
@pytest.mark.parametrize("convention", list(CONVENTIONS))
def test_samples_read_back(convention, ending, tmp_path):
    path = tmp_path / f"k.{ending}"
    write_keypoints(path, FILM, convention)
    found = read_keypoints(path).in_convention(convention)
    scale = 1000 if CONVENTIONS[convention].normalised else 1
    expected = FILM.in_convention(convention)
    np.testing.assert_allclose(found.points * scale, expected, atol=0.01)
    if ending != "csv":
        assert found.image_size == (1000, 1000)
        assert found.fps == FILM.fps


def test_names_in_another_order_are_put_right(tmp_path):
    points, names = pixels("coco17"), CONVENTIONS["coco17"].points
    order = np.random.default_rng(0).permutation(17)
    path = tmp_path / "k.npz"
    np.savez(path, keypoints=points[:, order], joints=np.array(names)[order])
    np.testing.assert_allclose(read_keypoints(path).in_convention("auto").points, points)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "it is no JSON"),
        ("a.json", '{"shapes": []}', "none of the known layouts"),
        ("a.json", '{"people": []}', "holds no person"),
        ("a.json", '{"people": [{}]}', "holds no person"),
        ("a.json", '{"people": [{"score": 1}]}', "looks like the layout of openpose"),
        ("a.json", '{"people": [{"pose_keypoints_2d": [1, 2]}]}', "no triples"),
        ("a.csv", "time,x\n1,2\n", "no column frame"),
        ("a.csv", "frame,nose_x,nose_y\n0,1,two\n", "line 2: nose_y is 'two'"),
        ("a.csv", "frame,nose_x,nose_y\nhalf,1,2\n", "line 2: frame is 'half'"),
        ("a.npz", "no zip", "no npz file"),
        ("a.txt", "", "no .json, .csv or .npz"),
        ("a.MP4", "", "is an image or a video, .*; run a detector of 2D joints on it first"),
        ("a.jpg", "", "is an image or a video"),
        ("a.json.gz", "", "is packed; unpack it"),
        ("a.trc", "", r"is none of \.json, .*\.h5, .*, nor a folder; give what a pose detector"),
        ("a", "", r"is none of \.json"),
    ],
)
def test_bad_files_are_refused(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_keypoints(path)


def test_pickles_are_never_read(tmp_path):
    path = tmp_path / "k.npz"
    np.savez(path, keypoints=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="cannot be used"):
        read_keypoints(path)


def test_frames_without_a_number_are_refused(tmp_path):
    path = tmp_path / "k.json"
    entries = [{"image_id": f"{name}.jpg", "keypoints": [1.0] * 51} for name in "ab"]
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=r"'a.jpg' bears no number"):
        read_keypoints(path)


def two_people():
    """The walker twice, 300 pixels apart, in an order that changes from frame to frame."""
    points = FILM.in_convention("coco17").astype(np.float64)
    rows = []
    for t, joints in enumerate(points):
        both = [joints, 0.8 * joints + [300, 0]]
        rows += [(t, None, one, np.full(17, 0.9)) for one in both[:: -1 if t % 2 else 1]]
    return points, collect(rows, "two.json", convention="coco17")


def test_several_persons_are_never_mixed():
    points, found = two_people()
    with pytest.raises(ValueError, match="shows 2 persons:\n  0: 39 frames from 0 to 38"):
        one_person(found, None, 10)
    np.testing.assert_allclose(one_person(found, "0", 10).points, points)
    np.testing.assert_allclose(one_person(found, "largest", 10).points, points)
    np.testing.assert_allclose(one_person(found, "1", 10).points, 0.8 * points + [300, 0])
    with pytest.raises(ValueError, match="shows no person '7'"):
        one_person(found, "7", 10)


def test_somebody_who_is_split_in_two_for_a_frame_goes_on_with_the_larger_part():
    points = FILM.in_convention("coco17").astype(np.float64)
    rows = []
    for t, joints in enumerate(points):
        arm = np.isin(np.arange(17), (6, 8)) & (t == 20)
        rows += [(t, None, joints, 0.9 * part) for part in (arm, ~arm) if part.any()]
    (found,) = choose(collect(rows, "split.json", convention="coco17"), None, 10).people
    np.testing.assert_array_equal(found.frame, np.arange(39))
    assert (found.confidence > 0).sum(axis=1).tolist() == [17] * 20 + [15] + [17] * 18


def test_ids_of_the_file_are_taken_and_may_not_repeat():
    joints = pixels("coco17")
    rows = [(t, "anna", joints[t], None) for t in (0, 1, 1)]
    with pytest.raises(ValueError, match="'anna' twice in frame 1"):
        one_person(collect(rows, "k.json"), None, 10)


@pytest.mark.parametrize("form", ["npz", "wide.csv", "long.csv"])
def test_a_form_with_room_for_one_person_holds_one_however_far_they_jump(form, tmp_path):
    points = pixels("coco17")[:4] + np.array([0, 400, 0, 400])[:, None, None]
    path = tmp_path / f"k.{form}"
    names = CONVENTIONS["coco17"].points
    if form == "npz":
        np.savez(path, keypoints=points)
    elif form == "wide.csv":
        head = ",".join(["frame", *(f"{name}_{axis}" for name in names for axis in "xy")])
        lines = [f"{t}," + ",".join(map(str, joints.ravel())) for t, joints in enumerate(points)]
        path.write_text("\n".join([head, *lines]))
    else:
        lines = [
            f"{t},{name},{x},{y}"
            for t, joints in enumerate(points)
            for name, (x, y) in zip(names, joints, strict=True)
        ]
        path.write_text("\n".join(["frame,joint,x,y", *lines]))
    found = one_person(read_keypoints(path), None, 10)
    np.testing.assert_allclose(found.points, points)


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ({"image_size": [0, 0]}, "the image is 0 x 0 pixels"),
        ({"fps": -5}, "fps = -5 must be positive"),
        ({"fps": "fast"}, "fps = 'fast' must be a number"),
        ({"fps": float("nan")}, "fps = nan must be positive"),
    ],
)
def test_facts_of_the_film_that_cannot_be_are_refused(fact, message, tmp_path):
    path = tmp_path / "k.json"
    persons = [{"id": "0", "keypoints": [[10.0, 20.0, 1.0]] * 17}]
    path.write_text(json.dumps({**fact, "frames": [{"frame": 0, "persons": persons}]}))
    with pytest.raises(ValueError, match=message):
        read_keypoints(path)
