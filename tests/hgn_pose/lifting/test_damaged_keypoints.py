"""Keypoints and predictions of strangers: read as they are meant, or refused in one sentence."""

import copy
import json
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import test_files_of_tools as files
import test_keypoint_files as layouts
import tools
from hostile import read_or_refuse, try_damages

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.lifting.filming import film, truth, write_keypoints
from examples.hgn_pose.lifting.keypoint_files import read_keypoints
from examples.hgn_pose.lifting.mapping import HUMAN36M_TRUNK
from examples.hgn_pose.lifting.page import render
from examples.hgn_pose.lifting.reading import KeypointOptions, read_person
from examples.hgn_pose.lifting.tracks import one_person

LAYOUTS = {
    "coco.json": layouts.coco_annotations,
    "alphapose.json": layouts.alphapose,
    "mmpose.json": layouts.mmpose,
    "ultralytics.json": layouts.ultralytics,
    "mediapipe.json": layouts.mediapipe,
    "long.csv": layouts.long_csv,
    **{
        f"own.{ending}": lambda path: write_keypoints(path, layouts.FILM, "coco17")
        for ending in ("json", "csv", "npz")
    },
}
OPTIONS = KeypointOptions(image_size=(1000, 1000), convention="auto", person="largest")


def person(path):
    return read_person(path, OPTIONS, HUMAN36M_TRUNK)


@pytest.mark.parametrize("name", LAYOUTS)
def test_files_of_keypoints(name, tmp_path):
    path = tmp_path / name
    LAYOUTS[name](path)
    try_damages(path, lambda: read_keypoints(path))
    try_damages(path, lambda: read_or_refuse(lambda: person(path), name) or "refused", most=40)


FEW = 3
"""Frames of the files below."""


def written(convention, name, folder):
    points = tools.pixels(convention, FEW)
    return files.TOOLS[convention][name](folder / name, points, tools.likely(points))


@pytest.mark.parametrize(
    ("convention", "name"),
    [
        ("coco17", "videopose3d.npz"), ("coco17", "detectron2.npz"), ("coco17", "array.npy"),
        ("coco17", "mmaction.pkl"), ("coco17", "deeplabcut.csv"), ("coco17", "table.h5"),
        ("coco17", "fixed.h5"), ("coco17", "movenet.json"), ("coco17", "named.json"),
        ("mediapipe33", "message to dict.json"), ("mediapipe33", "by frame.json"),
        ("mediapipe33", "lines.jsonl"), ("body25b", "controlnet.json"),
    ],
)  # fmt: skip
def test_damaged_files_of_tools(convention, name, tmp_path):
    path = written(convention, name, tmp_path)
    try_damages(path, lambda: read_or_refuse(lambda: person(path), name) or "refused", most=30)


@pytest.mark.parametrize(
    ("convention", "name"), [("coco17", "ultralytics"), ("coco17", "detectron2")]
)
def test_damaged_folders_of_tools(convention, name, tmp_path):
    folder = written(convention, name, tmp_path)
    path = sorted(folder.iterdir())[1]
    try_damages(path, lambda: read_keypoints(folder), most=30)


WRONG: list[Any] = [
    None,
    [],
    {},
    "x",
    "",
    -1,
    0,
    1e308,
    2**70,
    True,
    [[]],
    [{}],
    {"x": 1},
    [1, 2, 3],
    [[1, 2]] * 9,
]
"""What may stand in JSON where something else belongs."""


def places(content, deep=7):
    """Ways to all parts of a parsed JSON, of lists the first two and the last."""
    yield ()
    if deep and isinstance(content, dict):
        keys = list(content)
    elif deep and isinstance(content, list):
        keys = sorted({0, 1, len(content) - 1} & set(range(len(content))))
    else:
        return
    for key in keys[:6]:
        yield from ((key, *rest) for rest in places(content[key], deep - 1))


@pytest.mark.parametrize(
    ("convention", "name"), [case for case in files.CASES if case[1].endswith(".json")]
)
def test_wrong_types_in_json_end_in_a_sentence(convention, name, tmp_path):
    path = written(convention, name, tmp_path)
    if name == "lines.json":
        content = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        content = json.loads(path.read_text())
    ways = list(places(content))
    random = np.random.default_rng(0)
    for way in [ways[i] for i in random.permutation(len(ways))[:40]]:
        for wrong in [WRONG[i] for i in random.permutation(len(WRONG))[:4]]:
            forged = {"top": copy.deepcopy(content)}
            holder: Any = forged
            steps = ("top", *way)
            for step in steps[:-1]:
                holder = holder[step]
            holder[steps[-1]] = wrong
            path.write_text(json.dumps(forged["top"]))
            read_or_refuse(lambda: person(path), name)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_and_lost_columns_end_in_joints_or_a_sentence(seed, tmp_path):
    random = np.random.default_rng(seed)
    path = tmp_path / "own.csv"
    for name in ("deeplabcut.csv", "own.csv"):
        if name == "own.csv":
            write_keypoints(path, layouts.FILM, "coco17")
            rows = [line.split(",") for line in path.read_text().splitlines()[:4]]
        else:
            whole = written("coco17", name, tmp_path).read_text()
            rows = [line.split(",") for line in whole.splitlines()]
        for _ in range(20):
            count = random.integers(1, len(rows[0]) + 1)
            order = random.permutation(len(rows[0]))[:count]
            path.write_text("\n".join(",".join(row[i] for i in order) for row in rows))
            read_or_refuse(lambda: person(path), "own.csv")


def test_folders_of_keypoints(tmp_path):
    folder = layouts.openpose(tmp_path / "video")
    path = sorted(folder.iterdir())[1]
    try_damages(path, lambda: read_keypoints(folder))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("prediction") / "truth.npz"
    whole = truth(film("walk", 0))
    prediction.save(path, prediction.select(whole, np.arange(2)))
    return path


def test_predictions_load_equal_or_not_at_all(small):
    whole = prediction.load(small)

    def same(found):
        return np.array_equal(found.pose, whole.pose) and found.facts == whole.facts

    try_damages(small, lambda: prediction.load(small), same=same)


@pytest.mark.parametrize("name", ["frame", "image", "confidence", "origin", "pose", "mesh_sizes"])
@pytest.mark.parametrize("forge", [
    lambda a: a[..., :0], lambda a: a.astype("U9"), lambda a: a[:1], lambda a: a * np.nan,
    lambda a: -a.astype(float), lambda a: a.astype(complex), lambda a: a.ravel(),
    lambda a: a.astype(float) + 1e300,
])  # fmt: skip
def test_forged_predictions_make_a_page_or_are_refused(small, name, forge, tmp_path):
    with np.load(small) as stored:
        arrays = dict(stored)
    path = tmp_path / "forged.npz"
    with np.errstate(all="ignore"):
        np.savez(path, **{**arrays, name: forge(arrays[name])})
    found = read_or_refuse(lambda: prediction.load(path), "forged.npz")
    if found is not None:
        with suppress(ValueError):  # no person is so large
            render(found, None, 10, load_body())


def long_table(*lines):
    return "\n".join(["frame,joint,x,y", *lines])


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.csv", long_table("0,2000000000,1,2"), "at least 2000000001 joints"),
        ("a.csv", long_table(f"0,{'9' * 400},1,2"), "joints a person, more than 1000"),
        ("a.csv", long_table("1e400,nose,1,2"), "line 2: frame = inf must be an integer"),
        ("a.csv", long_table(f"{'9' * 400},nose,1,2"), "is no number of a frame"),
        ("a.csv", long_table("9007199254740993,nose,1,2"), "is no number of a frame"),
        ("a.csv", long_table("0,nose,1"), "line 2: it has 3 columns, the first line 4"),
        ("a.csv", long_table("0,nose,1,2,3"), "line 2: it has 5 columns, the first line 4"),
        ("a.csv", long_table("0,nose,1e300,2"), "no image is so large"),
        ("a.csv", "frame,nose_x,nose_y,nose_x\n0,1,2,3", "two columns nose_x"),
        ("a.csv", long_table("0,nose,1,2").encode("utf-16"), "save it as text in UTF-8"),
        ("a.json", '{"frames": [{"frame": 1' + 400 * "0" + ', "persons": []}]}', "no person"),
        (
            "a.json",
            '{"frames": [{"frame": 1' + 400 * "0" + ', "persons": [{"keypoints": [1, 2, 3]}]}]}',
            "is no number of a frame",
        ),
        (
            "a.json",
            '{"frames": [{"frame": 1.5, "persons": [{"keypoints": [1, 2, 3]}]}]}',
            "frame = 1.5 must be an integer",
        ),
        ("a.json", '{"frames": 7}', "looks like the layout of own"),
        ("a.json", "[" * 5000, "nested too deep"),
        ("a.json", '{"people": [{"pose_keypoints_2d": [1e999, 2, 3]}], "fps": 1}', ""),
    ],
)
def test_what_no_honest_file_asks_for_is_refused(name, text, reason, tmp_path):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if reason:
        with pytest.raises(ValueError, match=reason) as caught:
            read_keypoints(path)
        assert name in str(caught.value)
    assert read_or_refuse(lambda: person(path), name) is None


def test_a_crowd_is_linked_in_little_room(tmp_path):
    path = tmp_path / "crowd.json"
    people = np.random.default_rng(0).uniform(0, 1000, (2, 300, 17, 2)).round(2)
    frames = [
        {"frame": t, "persons": [{"keypoints": one.tolist()} for one in crowd]}
        for t, crowd in enumerate(people)
    ]
    content = {"image_size": [1000, 1000], "convention": "coco17", "frames": frames}
    path.write_text(json.dumps(content))
    tracemalloc.start()
    unchecked = replace(OPTIONS, check=False)
    assert len(read_person(path, unchecked, HUMAN36M_TRUNK).track)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * path.stat().st_size


def test_a_byte_order_mark_is_no_part_of_a_table(tmp_path):
    path = layouts.long_csv(tmp_path / "a.csv")
    plain = read_keypoints(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert np.array_equal(read_keypoints(path).points, plain.points)


def test_frames_of_a_prediction_rise(small, tmp_path):
    with np.load(small) as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "forged.npz", **{**arrays, "frame": arrays["frame"][::-1]})
    with pytest.raises(ValueError, match=r"forged.npz is damaged: its frames do not rise"):
        prediction.load(tmp_path / "forged.npz")


def test_no_number_of_a_frame_asks_for_all_between(tmp_path):
    path = tmp_path / "own.json"
    write_keypoints(path, layouts.FILM, "coco17")
    content = json.loads(path.read_text())
    content["frames"][-1]["frame"] = 2_000_000_000
    path.write_text(json.dumps(content))
    assert read_person(path, OPTIONS, HUMAN36M_TRUNK).track.frame[-1] == 2_000_000_000
    patient = replace(OPTIONS, max_gap=10**12)
    with pytest.raises(ValueError, match=r"own.json.* frames are missing between \d+, more than"):
        read_person(path, patient, HUMAN36M_TRUNK)


def test_more_persons_than_can_be_linked_are_refused(tmp_path):
    path = tmp_path / "crowd.json"
    person = {"keypoints": [[10.0, 20.0, 1.0]] * 17}
    frames = [{"frame": 0, "persons": [person] * 1001}]
    content = {"image_size": [100, 100], "convention": "coco17", "frames": frames}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"crowd.json shows 1001 persons in frame 0, more than"):
        read_person(path, OPTIONS, HUMAN36M_TRUNK)


def test_one_long_name_does_not_make_room_for_as_many_as_there_are_lines(tmp_path):
    path = tmp_path / "names.csv"
    names = ["x" * 100_000, *(str(number) for number in range(20_000))]
    lines = [f"{number},{name},1,2" for number, name in enumerate(names)]
    path.write_text("\n".join(["frame,person,nose_x,nose_y", *lines]))
    assert read_or_refuse(lambda: person(path), "names.csv") is None
    found = read_or_refuse(lambda: one_person(read_keypoints(path), "largest", 10), "names.csv")
    assert found.person == (names[0],)
