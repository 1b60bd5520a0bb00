import json
import shutil

import numpy as np
import pytest
from refusals import refused

from examples.hgn_pose.__main__ import main
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
    many = prediction.load(folder / "prediction.npz")
    assert one.frame.tolist() == [7]
    np.testing.assert_allclose(one.pose[0], many.pose[7], atol=1e-5)
    assert not (tmp_path / "prediction.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--convention", "coco17"], "is in the convention body25, not coco17"),
        (["--person", "9"], "shows no person '9'"),
        (["--min-joints", "40"], "min_joints must lie between 2 and 17"),
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
