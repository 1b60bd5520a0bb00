"""Files as tools write them, of joints that are known: read back, they are the same joints."""

import pickle
from typing import Any

import numpy as np
import pytest
import tools
from tools import FILM, SIZE, pixels

from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.keypoint_files import read_keypoints
from examples.hgn_pose.lifting.mapping import TRUNKS, to_skeleton
from examples.hgn_pose.lifting.reading import KeypointOptions, read_person

OPTIONS = KeypointOptions(image_size=SIZE)
MMPOSE_H36M = [
    "root", "right_hip", "right_knee", "right_foot", "left_hip", "left_knee", "left_foot", "spine",
    "thorax", "neck_base", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder",
    "right_elbow", "right_wrist",
]  # fmt: skip
H36M = [
    "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck", "Head",
    "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
]  # fmt: skip
TOOLS = {
    "coco17": {
        "alphapose.json": tools.alphapose,
        "alphapose_cmu.json": tools.alphapose_cmu,
        "mmpose.json": tools.mmpose_video,
        "mmpose_named.json": tools.mmpose_named(CONVENTIONS["coco17"].points),
        "inferencer.json": tools.mmpose_inferencer,
        "vitpose.json": tools.vitpose(CONVENTIONS["coco17"].points),
        "ultralytics.json": tools.ultralytics_json,
        "ultralytics": tools.ultralytics_texts,
        "movenet.json": tools.tensorflow_js("coco17"),
        "named.json": tools.named_joints("coco17"),
        "videopose3d.npz": tools.videopose3d,
        "detectron2.npz": tools.detectron2,
        "detectron2": tools.detectron2_folder,
        "array.npy": tools.numpy_array,
        "mmaction.pkl": tools.mmaction,
        "deeplabcut.csv": tools.deeplabcut_csv("coco17"),
        "deeplabcut_ma.csv": tools.deeplabcut_csv("coco17", "mouse1"),
        "table.h5": tools.deeplabcut_h5("table"),
        "fixed.h5": tools.deeplabcut_h5("fixed"),
    },
    "halpe26": {"alphapose.json": tools.alphapose, "pose2sim": tools.openpose_folder},
    "halpe136": {"alphapose.json": tools.alphapose},
    "wholebody133": {
        "mmpose.json": tools.mmpose_video,
        "mmpose_named.json": tools.mmpose_named(CONVENTIONS["wholebody133"].points),
        "alphapose.json": tools.alphapose,
    },
    "openpose18": {
        "folder": tools.openpose_folder,
        "controlnet.json": tools.openpose_list,
        "kinetics.json": tools.kinetics,
    },
    "body25": {"folder": tools.openpose_folder, "controlnet.json": tools.openpose_list},
    "body25b": {"folder": tools.openpose_folder, "controlnet.json": tools.openpose_list},
    "mpii16": {"mmpose.json": tools.mmpose_named(CONVENTIONS["mpii16"].points)},
    "human36m17": {
        "mmpose.json": tools.mmpose_named(MMPOSE_H36M),
        "h36m.json": tools.mmpose_named(H36M),
        "h36m.csv": tools.deeplabcut_csv("human36m17"),
    },
    "mediapipe33": {
        **{f"{name}.json": tools.mediapipe(form) for name, form in tools.MEDIAPIPE.items()},
        "lines.jsonl": tools.json_lines,
        "lines.json": tools.json_lines,
        "blazepose.json": tools.tensorflow_js("mediapipe33"),
    },
}
CASES = [(convention, name) for convention, files in TOOLS.items() for name in files]


@pytest.mark.parametrize(("convention", "name"), CASES)
def test_joints_read_back_are_those_that_were_written(convention, name, tmp_path):
    points = pixels(convention)
    sure = tools.likely(points)
    found = read_keypoints(TOOLS[convention][name](tmp_path / name, points, sure))
    read = found.in_convention("auto")
    assert read.convention == convention
    assert read.frame.tolist() == list(range(len(points)))
    scale = 1000 if np.nanmax(read.points) < 2 else 1
    lost = (points == 0).all(axis=2)
    expected = np.where(lost[..., None], np.nan, points)
    np.testing.assert_allclose(read.points * scale, expected, rtol=1e-4)
    np.testing.assert_allclose(
        read.confidence, np.where(lost, 0, sure if "videopose3d" not in name else 1)
    )


@pytest.mark.parametrize(("convention", "name"), CASES)
def test_every_file_is_lifted_without_an_option(convention, name, tmp_path):
    points = pixels(convention)
    path = TOOLS[convention][name](tmp_path / name, points, np.ones(points.shape[:2]))
    got = read_person(path, OPTIONS, TRUNKS["builtin"]).track
    true = pixels("skeleton17")
    error = np.linalg.norm(got.joints - true, axis=2)
    limbs = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
    np.testing.assert_allclose(error[:, limbs], 0, atol=0.1)
    # The walker is about 350 pixels tall.
    assert error.mean() < 4


@pytest.mark.parametrize("convention", [c for c in CONVENTIONS if c != "skeleton17"])
def test_a_rendered_skeleton_has_its_joints_where_the_body_has_them(convention):
    """Each joint of a convention, found by its place in the order, is where its name says."""
    points = FILM.in_convention(convention).astype(np.float64)
    sure = np.isfinite(points).all(axis=2).astype(float)
    joints, _ = to_skeleton(points, sure, convention, TRUNKS["builtin"], 0.3)
    true = FILM.in_convention("skeleton17").astype(np.float64)
    assert np.linalg.norm(joints - true, axis=2).mean() < 4


def test_landmarks_with_times_say_their_pace(tmp_path):
    points = pixels("mediapipe33") / 1000
    frames = [
        {
            "timestamp_ms": 7 + 20 * t,
            "pose_landmarks": [{"x": x, "y": y, "z": 0, "visibility": 1} for x, y in p],
        }
        for t, p in enumerate(points.tolist())
    ]
    found = read_keypoints(tools.dump(tmp_path / "a.json", frames))
    assert found.fps == 50
    assert found.notes == ("50 frames per second, by timestamp_ms",)
    film = {"fps": 30, "results": frames}
    assert read_keypoints(tools.dump(tmp_path / "b.json", film)).fps == 30


def one_by_one(**more):
    """Entries with keypoints and nothing that orders them but their place."""

    def write(path, points, sure):
        return tools.dump(
            path,
            [
                {
                    "keypoints": p.tolist(),
                    "scores": s.tolist(),
                    **{k: v(t) for k, v in more.items()},
                }
                for t, (p, s) in enumerate(zip(points, sure, strict=True))
            ],
        )

    return write


def flat_entries(path, points, sure):
    return tools.dump(path, [{"keypoints": v, "score": 0.9} for v in tools.flat(points, sure)])


def arrays_in_json(path, points, sure):
    names = list(CONVENTIONS["coco17"].points)
    content = {"joint_names": names, "keypoints": points.tolist(), "scores": sure.tolist()}
    return tools.dump(path, {**content, "image_size": [1000, 1000], "fps": 30})


def people_of_rtmlib(path, points, sure):
    return tools.dump(path, [
        {"frame": t, "people": [{"keypoints": p.tolist(), "scores": s.tolist()}]}
        for t, (p, s) in enumerate(zip(points, sure, strict=True))
    ])  # fmt: skip


def posenet(path, points, sure):
    names = CONVENTIONS["coco17"].points
    return tools.dump(path, [
        {"score": 0.9, "keypoints": [
            {"part": n, "score": c, "position": {"x": x, "y": y}}
            for n, (x, y), c in zip(names, p, s, strict=True)
        ]}
        for p, s in zip(points.tolist(), sure.tolist(), strict=True)
    ])  # fmt: skip


def bare_numbers(path, points, sure):
    return tools.dump(path, np.concatenate([points, sure[..., None]], axis=2).tolist())


def pickled_list(path, points, sure):
    joints = np.concatenate([points, sure[..., None]], axis=2)
    path.write_bytes(
        pickle.dumps([{"keypoints": p[None], "bbox": np.ones((1, 4))} for p in joints])
    )
    return path


def axes_before_joints(path, points, sure):
    np.savez(path, keypoints=points.transpose(0, 2, 1), conf=sure)
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("one by one.json", one_by_one()),
        ("numbered.json", one_by_one(frame=lambda t: t)),
        ("timed.json", one_by_one(timestamp=lambda t: t / 30)),
        ("flat.json", flat_entries), ("arrays.json", arrays_in_json),
        ("rtmlib.json", people_of_rtmlib), ("posenet.json", posenet), ("bare.json", bare_numbers),
        ("list.pkl", pickled_list), ("turned.npz", axes_before_joints), ("json.txt", bare_numbers),
    ],
)  # fmt: skip
def test_ones_own_forms_are_read(name, write, tmp_path):
    points = pixels("coco17")
    sure = tools.likely(points)
    read = read_keypoints(write(tmp_path / name, points, sure)).in_convention("auto")
    assert read.convention == "coco17"
    assert read.frame.tolist() == list(range(12))
    np.testing.assert_allclose(read.points, points)
    np.testing.assert_allclose(read.confidence, sure)


def test_entries_without_frames_that_leap_are_persons_of_one_image(tmp_path):
    points = pixels("coco17", 2)
    points[1] += [400, 0]
    found = read_keypoints(flat_entries(tmp_path / "two.json", points, np.ones((2, 17))))
    assert found.frame.tolist() == [0, 0]
    assert any("no frames are named" in note for note in found.notes)


def test_joints_with_y_first_are_asked_about(tmp_path):
    points = pixels("coco17")
    np.save(tmp_path / "movenet.npy", points[..., ::-1])
    with pytest.raises(
        ValueError, match="head and feet are beside each other, so y stands before x"
    ):
        read_person(tmp_path / "movenet.npy", OPTIONS, TRUNKS["builtin"])


def test_people_who_lie_are_asked_about_only_where_y_may_come_first(tmp_path):
    crawl = film("crawl", 2).in_convention("coco17").astype(np.float64)
    path = tools.alphapose(tmp_path / "a.json", crawl, np.ones(crawl.shape[:2]))
    assert len(read_person(path, OPTIONS, TRUNKS["builtin"]).track) == len(crawl)
    np.savez(tmp_path / "told.npz", keypoints=crawl, convention="coco17")
    assert len(read_person(tmp_path / "told.npz", OPTIONS, TRUNKS["builtin"]).track) == len(crawl)
    np.savez(tmp_path / "bare.npz", keypoints=crawl)
    with pytest.raises(ValueError, match=r"If the person does lie, give --no-check"):
        read_person(tmp_path / "bare.npz", OPTIONS, TRUNKS["builtin"])


def test_nobody_who_is_seen_says_so(tmp_path):
    write = tools.mediapipe(tools.MEDIAPIPE["tasks"])
    path = write(tmp_path / "m.json", pixels("mediapipe33"), np.zeros((12, 33)))
    with pytest.raises(
        ValueError, match=r"no joint reaches the confidence 0\.3; lower --threshold"
    ):
        read_person(path, OPTIONS, TRUNKS["builtin"])


def test_frames_in_which_nobody_is_leave_a_gap(tmp_path):
    points, sure = pixels("coco17"), np.ones((12, 17))
    folder = tools.ultralytics_texts(tmp_path / "texts", points, sure)
    (folder / "clip_4.txt").write_text("")
    (folder / "clip_5.txt").unlink()
    assert read_keypoints(folder).frame.tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
    folder = tools.openpose_folder(tmp_path / "openpose", pixels("body25"), np.ones((12, 25)))
    tools.dump(folder / "video_000000000003_keypoints.json", {"version": 1.3, "people": []})
    tools.dump(folder / "video_000000000007_keypoints.json", {"version": 1.3, "people": [{}]})
    assert read_keypoints(folder).frame.tolist() == [0, 1, 2, 4, 5, 6, *range(8, 12)]
    path = tools.mediapipe(
        lambda all_: [{"pose_landmarks": None}, *({"pose_landmarks": a} for a in all_)]
    )(tmp_path / "m.json", pixels("mediapipe33"), np.ones((12, 33)))
    assert read_keypoints(path).frame.tolist() == list(range(1, 13))


@pytest.mark.parametrize("name", ["{}.json", "shot-{}.json", "a3_frame{:04d}_pose.json"])
def test_folders_of_openpose_may_have_any_names(name, tmp_path):
    points = pixels("body25")
    folder = tools.openpose_folder(tmp_path / "folder", points, tools.likely(points), name)
    assert read_keypoints(folder).frame.tolist() == list(range(12))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.json", "b.json"], r"a.json has no frame number in its name"),
        (["1.json", "01.json"], "two files for one frame"),
        (["1.csv", "1.npz"], r"files of several kinds \(.csv, .npz\)"),
        (["1.png"], "no files of joints"),
    ],
)
def test_folders_that_are_no_video_are_refused(names, message, tmp_path):
    for name in names:
        (tmp_path / name).write_text('{"people": []}')
    with pytest.raises(ValueError, match=message):
        read_keypoints(tmp_path)


@pytest.mark.parametrize("tail", ["", " 0.83", " 7", " 0.83 7"])
@pytest.mark.parametrize("triples", [True, False])
def test_the_lines_of_ultralytics_end_in_confidence_and_person_or_not(tail, triples, tmp_path):
    points = pixels("coco17")
    folder = tools.ultralytics_texts(tmp_path / "t", points, np.ones((12, 17)), tail)
    if not triples:
        for path in folder.iterdir():
            words = path.read_text().split()
            kept = [w for i, w in enumerate(words[5:56]) if i % 3 < 2]
            path.write_text(" ".join([*words[:5], *kept, *words[56:]]))
    found = read_keypoints(folder)
    np.testing.assert_allclose(found.points * 1000, points, rtol=1e-4)
    assert set(found.person) == {"7" if tail.endswith("7") else None}


def test_videos_of_one_file_are_chosen_by_name(tmp_path):
    points = pixels("coco17").astype(np.float32)
    clips = {"S9": {"Walking 1": [points, points + 5], "Eating": [points + 9]}}
    path = tmp_path / "data_2d_h36m_gt.npz"
    metadata = {"layout_name": "coco", "num_joints": 17}
    np.savez(
        path,
        positions_2d=np.array(clips, dtype=object),
        metadata=np.array(metadata, dtype=object),
    )
    with pytest.raises(
        ValueError, match=r"holds 3 videos: S9/Walking 1/0, S9/Walking 1/1, S9/Eating"
    ):
        read_keypoints(path)
    with pytest.raises(ValueError, match=r"and no 'S1'; choose one with --video"):
        read_keypoints(path, "S1")
    np.testing.assert_allclose(read_keypoints(path, "S9/Walking 1/1").points, points + 5)


def test_images_of_different_sizes_are_seen_as_each_camera_saw_them(tmp_path):
    """In half widths from the middle, which is what the network takes, nothing moves."""
    points = pixels("coco17", 3)
    sizes = [(1000, 1000), (500, 800), (2000, 1500)]
    content: dict[str, list[dict[str, Any]]] = {
        "images": [{"id": t, "width": w, "height": h} for t, (w, h) in enumerate(sizes)],
        "categories": [{"id": 1, "keypoints": list(CONVENTIONS["coco17"].points)}],
        "annotations": [
            {"image_id": t, "keypoints": v}
            for t, v in enumerate(tools.flat(points, np.full((3, 17), 2.0)))
        ],
    }
    found = read_keypoints(tools.dump(tmp_path / "photos.json", content))
    assert found.image_size == (2000, 3200)
    assert any("images of 3 sizes" in note for note in found.notes)
    w, h = found.image_size
    for t, (width, height) in enumerate(sizes):
        own = points[t] / width * 2 - [1, height / width]
        np.testing.assert_allclose(found.points[t] / w * 2 - [1, h / w], own, atol=1e-9)
    content["images"][1].pop("width")
    with pytest.raises(ValueError, match="the image of frame 1 has no width and height"):
        read_keypoints(tools.dump(tmp_path / "photos.json", content))


def test_several_people_in_dumps_of_detectron2_are_kept_apart(tmp_path):
    one = pixels("coco17")
    both = np.stack([one, 0.8 * one + [300, 0]], axis=1)
    four = np.stack(
        [both[..., 0], both[..., 1], np.zeros(both.shape[:3]), np.ones(both.shape[:3])], axis=2
    )
    path = tmp_path / "video.npz"
    np.savez(path, keypoints=tools.objects([([], frame) for frame in four]), boxes=np.array([None]))
    found = read_keypoints(path)
    assert found.points.shape == (24, 17, 2)
    options = KeypointOptions(image_size=SIZE, person="largest")
    track = read_person(path, options, TRUNKS["builtin"]).track
    np.testing.assert_allclose(track.joints[:, 1], one[:, 12], atol=1e-3)


@pytest.mark.parametrize("ending", ["npz", "npy", "pkl"])
def test_pickles_in_dumps_run_no_code(ending, tmp_path):
    path = tmp_path / f"dump.{ending}"
    touched = tmp_path / "touched"

    class Bomb:
        def __reduce__(self):
            return (open, (str(touched), "w"))

    array = np.empty(2, dtype=object)
    array[:] = [Bomb(), 1]
    if ending == "npz":
        np.savez(path, keypoints=array)
    elif ending == "npy":
        np.save(path, array)
    else:
        path.write_bytes(pickle.dumps({"keypoints": Bomb()}))
    with pytest.raises(ValueError, match=rf"dump.{ending} cannot be used: .*it asks for .*open"):
        read_keypoints(path)
    assert not touched.exists()


def test_pandas_wrote_tables_of_this_form(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables", "3.7", reason="PyTables writes what is read with h5py")
    points = pixels("coco17")
    sure = tools.likely(points)
    columns = pandas.MultiIndex.from_product(
        [["DLC"], CONVENTIONS["coco17"].points, ["x", "y", "likelihood"]],
        names=["scorer", "bodyparts", "coords"],
    )
    frame = pandas.DataFrame(tools.flat(points, sure), columns=columns)
    for layout in ("table", "fixed"):
        path = tmp_path / f"{layout}.h5"
        frame.to_hdf(path, key="df_with_missing", format=layout, mode="w")
        found = read_keypoints(path).in_convention("auto")
        np.testing.assert_allclose(found.points, points)
        np.testing.assert_allclose(found.confidence, sure)
    frame.to_csv(tmp_path / "a.csv")
    np.testing.assert_allclose(read_keypoints(tmp_path / "a.csv").points, points)
