"""The predict command on files of tools, with the options that they need."""

import numpy as np
import pytest
import tools
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.lifting import prediction


def predict(path, folder, *options):
    size = ["--image-size", "1000", "1000"]
    main(
        [
            "predict",
            str(path),
            *size,
            "--out",
            str(folder),
            "--no-page",
            "--device",
            "cpu",
            *options,
        ]
    )
    return prediction.load(folder / "prediction.npz")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What is lifted of the walker in pixels of COCO's joints."""
    folder = tmp_path_factory.mktemp("plain")
    np.savez(folder / "k.npz", keypoints=tools.pixels("coco17"), convention="coco17")
    return predict(folder / "k.npz", folder)


def test_one_id_for_everybody(plain, tmp_path, capsys):
    points = tools.pixels("coco17")
    entries = [
        {"image_id": f"{t}.jpg", "keypoints": values, "score": 2.0, "idx": 0}
        for t in range(12)
        for values in tools.flat(
            np.stack([points[t], 0.8 * points[t] + [300, 0]]), np.ones((2, 17))
        )
    ]
    path = tools.dump(tmp_path / "a.json", entries)
    with refused(r"'0' twice in frame 0.*--ignore-ids"):
        predict(path, tmp_path, "--person", "largest")
    found = predict(path, tmp_path, "--person", "largest", "--ignore-ids")
    np.testing.assert_allclose(found.pose, plain.pose, atol=1e-4)


def test_videos_units_and_conventions(plain, tmp_path):
    points = tools.pixels("coco17")
    clips = {
        name: {"custom": [p.astype(np.float32)]} for name, p in (("a", points), ("b", 0 * points))
    }
    np.savez(
        tmp_path / "v.npz",
        positions_2d=np.array(clips, dtype=object),
        metadata=np.array({"layout_name": "coco"}, dtype=object),
    )
    found = predict(tmp_path / "v.npz", tmp_path, "--video", "a/custom")
    np.testing.assert_allclose(found.pose, plain.pose, atol=1e-3)
    np.savez(tmp_path / "s.npz", keypoints=points / 500 - 1)
    found = predict(tmp_path / "s.npz", tmp_path, "--units", "signed", "--convention", "coco17")
    np.testing.assert_allclose(found.pose, plain.pose, atol=1e-4)


def test_what_was_not_read_is_printed(tmp_path, capsys):
    np.savez(tmp_path / "k.npz", keypoints=tools.pixels("coco17"), boxes=np.ones((12, 4)))
    predict(tmp_path / "k.npz", tmp_path)
    assert "\n  not read: boxes\n" in capsys.readouterr().out
