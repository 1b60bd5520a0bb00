import json
import shutil

import numpy as np
import pytest
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.datasets.mocap import read_bvh
from examples.hgn_pose.lifting import prediction

QUICK = ["--train-every", "60", "--test-every", "60", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Untrained weights, a sample with its truth, and what predict made of them."""
    out = tmp_path_factory.mktemp("predict")
    options = ["--network", "hgn", "--channels", "4", "--epochs", "1", *QUICK]
    main(["train", *options, "--out", str(out)])
    main(["sample", "--convention", "body25", "--out", str(out / "keypoints.json")])
    main([*predicting(out), "--truth", str(out / "truth.npz")])
    return out


def predicting(folder):
    weights = ["--weights", str(folder / "weights.safetensors"), "--device", "cpu"]
    return ["predict", str(folder / "keypoints.json"), *weights, "--out", str(folder)]


def test_predict_writes_the_same_as_npz_and_json(folder):
    result = prediction.load(folder / "prediction.npz")
    assert result.pose.shape == (39, 17, 3)
    assert (result.pose[:, 0] == 0).all()
    assert {size: mesh.vertices.shape for size, mesh in result.meshes.items()} == {
        48: (39, 48, 3),
        96: (39, 96, 3),
    }
    assert result.facts["convention"] == "body25"
    assert result.facts["trained_on"] == "builtin"
    read = json.loads((folder / "prediction.json").read_text())
    assert len(read["frames"]) == 39
    for t in (0, 38):
        frame = read["frames"][t]
        np.testing.assert_allclose(frame["pose"], result.pose[t], atol=6e-5)
        np.testing.assert_allclose(frame["image"], result.image[t], atol=6e-3)
        np.testing.assert_allclose(frame["meshes"]["96"], result.meshes[96].vertices[t], atol=6e-5)
    assert read["meshes"]["48"]["faces"] == result.meshes[48].faces.tolist()


def test_the_truth_of_a_sample_has_bones_of_one_length(folder):
    true = prediction.load(folder / "truth.npz")
    thigh = np.linalg.norm(true.pose[:, 1] - true.pose[:, 2], axis=1)
    assert np.ptp(thigh) < 1e-4
    # The camera sees the head above the feet: y points down.
    assert (true.pose[:, 10, 1] < true.pose[:, 3, 1] - 1).all()
    assert (true.meshes[96].vertices[..., 1].min(axis=1) < -0.5).all()


def test_one_image_is_enough(folder, tmp_path):
    read = json.loads((folder / "keypoints.json").read_text())
    read["frames"] = read["frames"][7:8]
    shutil.copy(folder / "weights.safetensors", tmp_path)
    (tmp_path / "keypoints.json").write_text(json.dumps(read))
    main([*predicting(tmp_path), "--no-page"])
    one = prediction.load(tmp_path / "prediction.npz")
    alone = ["--smooth", "0", "--no-one-length", "--no-page"]
    main([*predicting(folder), *alone, "--out", str(tmp_path / "alone")])
    many = prediction.load(tmp_path / "alone" / "prediction.npz")
    assert one.frame.tolist() == [7]
    np.testing.assert_allclose(one.pose[0], many.pose[7], atol=1e-5)
    assert not (tmp_path / "prediction.html").exists()


def test_a_clip_is_smoothed_and_each_bone_has_one_length(folder, tmp_path):
    result = prediction.load(folder / "prediction.npz")
    main([*predicting(folder), "--smooth", "0", "--no-page", "--out", str(tmp_path)])
    rough = prediction.load(tmp_path / "prediction.npz")
    changes = [np.linalg.norm(np.diff(p.pose, 2, axis=0), axis=2).mean() for p in (rough, result)]
    assert changes[1] < 0.9 * changes[0]
    for end, start in ((2, 1), (3, 2), (13, 12), (16, 15)):
        length = np.linalg.norm(result.pose[:, end] - result.pose[:, start], axis=1)
        assert np.ptp(length) < 1e-5
    assert result.facts["smooth_ms"] == 40
    assert rough.facts["smooth_ms"] == 0


def test_what_was_repaired_is_told_with_its_frames(folder, tmp_path, capsys):
    read = json.loads((folder / "keypoints.json").read_text())
    whole = np.array([frame["persons"][0]["keypoints"] for frame in read["frames"]])
    spoiled = whole.copy()
    spoiled[12, 4, :2] += 90  # the right wrist
    pairs = [(2, 5), (3, 6), (4, 7), (9, 12), (10, 13), (11, 14)]
    for left, right in pairs:
        spoiled[20:24, [left, right]] = spoiled[20:24, [right, left]]
    for frame, joints in zip(read["frames"], spoiled, strict=True):
        frame["persons"][0]["keypoints"] = joints.tolist()
    (tmp_path / "keypoints.json").write_text(json.dumps(read))
    shutil.copy(folder / "weights.safetensors", tmp_path)
    capsys.readouterr()
    main([*predicting(tmp_path), "--no-page"])
    printed = capsys.readouterr().out
    assert "R_Wrist off, and found again between frames: frames 12\n" in printed
    for limb in ("legs", "arms"):
        assert f"confused in the {limb}, and put right: frames 20-23\n" in printed
    result = prediction.load(tmp_path / "prediction.npz")
    assert len(result.facts["repaired"]) == 3
    assert (result.origin == 1).sum() == 1
    clean = prediction.load(folder / "prediction.npz")
    np.testing.assert_allclose(result.image[20:24], clean.image[20:24], atol=1e-3)
    assert np.abs(result.image[12, 16] - clean.image[12, 16]).max() < 5
    main([*predicting(tmp_path), "--no-page", "--no-repair"])
    assert "off, and found" not in capsys.readouterr().out


def test_everybody_is_lifted_into_folders_and_a_ghost_forces_no_choice(folder, tmp_path, capsys):
    read = json.loads((folder / "keypoints.json").read_text())
    for frame in read["frames"]:
        (person,) = frame["persons"]
        moved = (np.array(person["keypoints"]) - [250, 0, 0]).tolist()
        frame["persons"] = [
            {"id": "a" if frame["frame"] < 20 else "b", "keypoints": person["keypoints"]},
            {"id": "other", "keypoints": moved},
        ]
    read["frames"][5]["persons"].append(
        {"id": "ghost", "keypoints": np.add(moved, [0, 40, 0]).tolist()}
    )
    (tmp_path / "keypoints.json").write_text(json.dumps(read))
    shutil.copy(folder / "weights.safetensors", tmp_path)
    main([*predicting(tmp_path), "--no-page", "--person", "all", "--image-size", "2000", "2000"])
    printed = capsys.readouterr().out
    assert "b goes on as a" in printed
    assert "hardly ever seen: ghost" in printed
    people = [prediction.load(tmp_path / f"person-{n}" / "prediction.npz") for n in range(2)]
    assert [len(person) for person in people] == [39, 39]
    assert [person.facts["person"] for person in people] == ["a", "other"]
    for frame in read["frames"]:
        frame["persons"] = [p for p in frame["persons"] if p["id"] != "other"]
    (tmp_path / "keypoints.json").write_text(json.dumps(read))
    main([*predicting(tmp_path), "--no-page"])
    assert len(prediction.load(tmp_path / "prediction.npz")) == 39


def test_who_cannot_be_lifted_is_left_out_of_all_and_keeps_their_number(folder, tmp_path, capsys):
    read = json.loads((folder / "keypoints.json").read_text())
    for frame in read["frames"]:
        (person,) = frame["persons"]
        whole = np.array(person["keypoints"])
        half = whole - [250, 0, 0]
        half[9:] *= [1, 1, 0]
        frame["persons"] = [
            {"id": name, "keypoints": points.tolist()}
            for name, points in (
                ("half", half),
                ("whole", whole),
                ("too", np.add(whole, [250, 0, 0])),
            )
        ]
    (tmp_path / "keypoints.json").write_text(json.dumps(read))
    shutil.copy(folder / "weights.safetensors", tmp_path)
    everybody = [*predicting(tmp_path), "--no-page", "--person", "all"]
    main([*everybody, "--image-size", "2000", "2000"])
    assert "left out person half: frame 0: only " in capsys.readouterr().out
    written = {path.parent.name: prediction.load(path) for path in tmp_path.rglob("*.npz")}
    assert {name: person.facts["person"] for name, person in written.items()} == {
        "person-1": "whole",
        "person-2": "too",
    }
    for frame in read["frames"]:
        for person in frame["persons"]:
            person["keypoints"][9:] = [[0, 0, 0]] * 16
    (tmp_path / "keypoints.json").write_text(json.dumps(read))
    with refused() as refusal:
        main([*everybody, "--image-size", "2000", "2000"])
    assert "nobody can be lifted; left out person half: " in refusal.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--smooth", "-1"], "smooth must lie between 0 and 10000"),
        (["--convention", "coco17"], "is in the convention body25, not coco17"),
        (["--person", "9"], "shows no person '9'"),
        (["--min-joints", "40"], "min_joints must lie between 2 and 17"),
        (["--fps", "inf"], "fps must be positive and finite, got inf"),
        (["--image-size", "300", "400"], "lie outside of an image of 300 x 400"),
        (["--truth", "/no/truth.npz"], "no file /no/truth.npz"),
        (["--page-frames", "0"], "page_frames must be at least 1"),
    ],
)
def test_bad_input_ends_with_a_message(options, message, folder, tmp_path):
    with refused() as refusal:
        main([*predicting(folder), *options, "--out", str(tmp_path / "new")])
    assert message in refusal.message
    assert not (tmp_path / "new").exists()


def test_damaged_predictions_are_refused(folder, tmp_path):
    with np.load(folder / "prediction.npz") as stored:
        arrays = dict(stored)
    for name, value, message in (
        ("format", np.array("else"), "is no prediction"),
        ("pose", arrays["pose"][:3], "pose has shape"),
        ("mesh48_faces", arrays["mesh48_faces"] + 1, "mesh of 48 nodes does not fit"),
    ):
        path = tmp_path / f"{name}.npz"
        np.savez(path, **{**arrays, name: value})
        with pytest.raises(ValueError, match=message):
            prediction.load(path)


def test_files_for_other_tools_stand_where_they_are_asked_for(folder, tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("a/walk.bvh", "walk.csv", "walk.trc")]
    main([*predicting(folder)[:-2], "--out", *files])
    printed = capsys.readouterr().out
    for file in files:
        assert f"wrote {file}" in printed
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "walk.bvh", "walk.csv", "walk.trc",
    ]  # fmt: skip
    assert read_bvh(tmp_path / "a" / "walk.bvh").fps == pytest.approx(30, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("walk.fbx", "is no file that can be written"),
        ("walk.smpl.npz", "give --smpl-model FILE"),
    ],
)
def test_files_that_cannot_be_written_are_refused_before_the_work(name, message, folder, tmp_path):
    with refused() as refusal:
        main([*predicting(folder)[:-2], "--out", str(tmp_path / name)])
    assert message in refusal.message
    assert not (tmp_path / name).exists()


def test_a_camera_that_is_known_tells_where_people_walk(folder, tmp_path):
    here = ["--out", str(tmp_path), "--no-page", "--field-of-view", "47.2"]
    main(["predict", str(folder / "keypoints.json"), "--device", "cpu", *here])
    known = prediction.load(tmp_path / "prediction.npz")
    assert known.root is not None
    assert known.root.shape == (39, 3)
    assert 4 < known.root[:, 2].mean() < 6.5  # metres; the cameras stand 5.2 m from the middle
    assert prediction.load(folder / "prediction.npz").root is None
    read = json.loads((tmp_path / "prediction.json").read_text())
    np.testing.assert_allclose([frame["root"] for frame in read["frames"]], known.root, atol=6e-5)
    few = prediction.select(known, np.arange(5))
    assert few.root is not None
    np.testing.assert_array_equal(few.root, known.root[:5])
    with np.load(tmp_path / "prediction.npz") as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "forged.npz", **{**arrays, "root": arrays["root"][:3]})
    with pytest.raises(ValueError, match="root has shape"):
        prediction.load(tmp_path / "forged.npz")
