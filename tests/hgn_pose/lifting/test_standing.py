import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.outputs.body_clip import LEVEL
from examples.hgn_pose.lifting.over_time.standing import down_of_standing


def angle(one, other):
    return np.rad2deg(np.arccos(np.clip(np.dot(one, other), -1, 1)))


def walker():
    """A walk as a camera sees it, relative to the pelvis, and the true down of that camera."""
    made = film("walk", 0)
    seen = made.seen(made.motion.positions).astype(np.float64)
    return seen - seen[:, :1], -made.cameras.rotation[0, :, 2].double().numpy(), made


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (25, 0), (-15, 12), (30, -15)])
def test_down_is_where_somebody_who_walks_has_their_feet(pitch, roll):
    pose, down, _ = walker()
    turn = Rotation.from_euler("xz", [pitch, roll], degrees=True).as_matrix()
    assert angle(down_of_standing(pose @ turn.T), turn @ down) < 5


def test_nothing_is_said_of_who_lies_or_sits():
    pose, *_ = walker()
    for axis in "xz":
        turn = Rotation.from_euler(axis, 90, degrees=True).as_matrix()
        assert down_of_standing(pose @ turn.T) is None
    sits = pose.copy()
    for side in ((2, 3), (5, 6)):  # both knees before the hips
        length = np.linalg.norm(pose[:, side[0]] - pose[:, side[0] - 1], axis=1)
        moved = length[:, None] * [0, 0, -1] + pose[:, side[0] - 1]
        sits[:, side] += (moved - pose[:, side[0]])[:, None]
    assert down_of_standing(sits) is None


def test_predict_puts_people_upright_before_a_camera_that_nobody_told_of(tmp_path, capsys):
    _, down, made = walker()
    turn = Rotation.from_euler("xz", [20, -12], degrees=True).as_matrix()
    seen = made.seen(made.motion.positions).astype(np.float64) @ turn.T
    width, height = made.image_size
    points = seen[..., :2] / seen[..., 2:] * width + np.array([width, height]) / 2
    frames = [{"frame": t, "keypoints": joints.tolist()} for t, joints in enumerate(points)]
    keypoints = {"convention": "skeleton17", "image_size": [width, height], "fps": made.fps}
    (tmp_path / "k.json").write_text(json.dumps(keypoints | {"frames": frames}))
    told = {}
    for name, options in (("video", []), ("told", ["--pitch", "20"]), ("studio", [])):
        weights = "video" if name == "told" else name
        here = [
            "--weights",
            weights,
            "--convention",
            "skeleton17",
            "--no-page",
            "--no-check",
            *options,
            "--device",
            "cpu",
        ]
        main(["predict", str(tmp_path / "k.json"), *here, "--out", str(tmp_path / name)])
        told[name] = prediction.load(tmp_path / name / "prediction.npz").facts
    found = np.array(told["video"]["down"])
    assert told["video"]["down_from"] == "how the person stands"
    assert angle(found, turn @ down) < 8
    assert angle(LEVEL, turn @ down) > 20
    assert "degrees off the camera's, as the person stands" in capsys.readouterr().out
    assert "down_from" not in told["told"]  # who tells is believed
    assert "down" not in told["studio"]  # which answers for a level camera
