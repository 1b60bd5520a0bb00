"""Every command that takes weights, with those of a network that is given clips."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.lifting.clips import TrackClips
from examples.hgn_pose.lifting.framing import frame, frame_clips
from examples.hgn_pose.lifting.mapping import HUMAN36M_TRUNK
from examples.hgn_pose.lifting.viewing import Input
from examples.hgn_pose.network.tensor_files import read_tensors, write_tensors

QUICK = ["--test-every", "60", "--device", "cpu", "--data", "builtin"]
TRAIN = ["train", "--channels", "4", "--epochs", "1", "--train-every", "20", *QUICK]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("clips")
    main([*TRAIN, "--network", "temporal_convolutions", "--out", str(out)])
    main([*TRAIN, "--network", "mlp", "--out", str(out / "mlp")])
    main(["sample", "--out", str(out / "keypoints.json")])
    return out


def weights_of(folder):
    return str(folder / "weights.safetensors")


def test_train_says_how_many_frames_and_how_fast(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["options"]["frames"] == 27
    content, _ = read_tensors(folder / "weights.safetensors", "weights")
    assert content["facts"]["steps_per_second"] == pytest.approx(60, abs=0.01)
    content, _ = read_tensors(folder / "mlp" / "weights.safetensors", "weights")
    assert "steps_per_second" not in content["facts"]
    assert "frames" not in content["network"]


def test_evaluate_finds_what_train_found(folder, tmp_path, capsys):
    out = tmp_path / "scores.json"
    main(["evaluate", weights_of(folder), *QUICK, "--out", str(out)])
    found = json.loads(out.read_text())["scores"]
    assert found == json.loads((folder / "metrics.json").read_text())["scores"]
    assert "another pace" not in capsys.readouterr().out


def test_evaluate_tells_of_another_pace(folder, tmp_path, capsys):
    content, tensors = read_tensors(folder / "weights.safetensors", "weights")
    content["facts"]["steps_per_second"] = 25.0
    write_tensors(tmp_path / "slow.safetensors", tensors, "weights", content)
    main(["evaluate", str(tmp_path / "slow.safetensors"), *QUICK])
    assert "had 25 frames a second, and these have\n60" in capsys.readouterr().out


def test_robustness_puts_both_kinds_beside_each_other(folder, tmp_path):
    both = [weights_of(folder), weights_of(folder / "mlp")]
    options = ["--noise", "jitter", "--levels", "0", "10", "--out", str(tmp_path)]
    main(["robustness", *both, *QUICK, *options])
    curves = json.loads((tmp_path / "robustness.json").read_text())["noise"]["jitter"]["curves"]
    assert set(curves) == {"Temporal convolutions", "MLP (SimpleBaseline)"}
    for where, points in zip((folder, folder / "mlp"), curves.values(), strict=True):
        scores = json.loads((where / "metrics.json").read_text())["scores"]
        assert points[0]["mpjpe_mm"] == pytest.approx(scores["mpjpe_mm"], abs=0.01)
        assert points[1]["mpjpe_mm"] != points[0]["mpjpe_mm"]


def test_scenes_are_other_for_every_frame_of_a_clip(folder, tmp_path):
    both = [weights_of(folder), weights_of(folder / "mlp")]
    options = ["--noise", "--scene", "occlusion", "focal", "limbs", "--out", str(tmp_path)]
    main(["robustness", *both, *QUICK, *options])
    scenes = json.loads((tmp_path / "robustness.json").read_text())["scenes"]
    usual = {"focal": 1145, "limbs": 1}
    for scene, level in usual.items():
        for where, points in zip(
            (folder, folder / "mlp"), scenes[scene]["curves"].values(), strict=True
        ):
            scores = json.loads((where / "metrics.json").read_text())["scores"]
            found = {point["level"]: point["mpjpe_mm"] for point in points}
            assert found[level] == pytest.approx(scores["mpjpe_mm"], abs=0.01)
            assert len(set(found.values())) == len(found)
    hidden = [len(points) for points in scenes["occlusion"]["curves"].values()]
    assert hidden[0] == hidden[1] > 1


def test_frames_that_lie_apart_do_so_in_every_command(folder, tmp_path):
    train = [*TRAIN[:1], *TRAIN[3:], "--network", "body_clips", "--channels", "8"]
    out = tmp_path / "apart"
    main([*train, "--frames", "9", "--spacing", "3", "--clusters", "none", "--out", str(out)])
    content, _ = read_tensors(out / "weights.safetensors", "weights")
    assert content["network"]["spacing"] == 3
    assert content["facts"]["steps_per_second"] == pytest.approx(20, abs=0.01)
    scores = json.loads((out / "metrics.json").read_text())["scores"]
    main(["evaluate", weights_of(out), *QUICK, "--out", str(tmp_path / "scores.json")])
    assert json.loads((tmp_path / "scores.json").read_text())["scores"] == scores
    both = [weights_of(out), weights_of(folder)]
    options = ["--noise", "jitter", "--levels", "0", "--out", str(tmp_path)]
    main(["robustness", *both, *QUICK, *options])
    curves = json.loads((tmp_path / "robustness.json").read_text())["noise"]["jitter"]["curves"]
    found = curves["Body clips"][0]["mpjpe_mm"]
    assert found == pytest.approx(scores["mpjpe_mm"], abs=0.01)
    here = ["--weights", weights_of(out), "--device", "cpu", "--no-page", "--out", str(tmp_path)]
    main(["predict", str(folder / "keypoints.json"), *here])
    assert np.isfinite(prediction.load(tmp_path / "prediction.npz").pose).all()


def test_spacing_is_of_clips():
    with refused("spacing = 3 is of the frames of a clip, and mlp is given one frame"):
        main(["train", "--network", "mlp", "--spacing", "3"])


def test_figures_take_both_kinds(folder, tmp_path):
    both = [weights_of(folder), weights_of(folder / "mlp")]
    main(["figures", *both, *QUICK, "--out", str(tmp_path)])
    assert json.loads((tmp_path / "figures.json").read_text())["gain_mm"]["part"]


@pytest.mark.parametrize("framing", ["person", "image"])
def test_predict_lifts_a_video_and_one_image(folder, tmp_path, framing):
    keypoints = json.loads((folder / "keypoints.json").read_text())
    options = ["--weights", weights_of(folder), "--device", "cpu", "--no-page"]
    options += ["--framing", framing]
    main(["predict", str(folder / "keypoints.json"), *options, "--out", str(tmp_path / "all")])
    keypoints["frames"] = keypoints["frames"][7:8]
    (tmp_path / "one.json").write_text(json.dumps(keypoints))
    main(["predict", str(tmp_path / "one.json"), *options, "--out", str(tmp_path / "one")])
    many = prediction.load(tmp_path / "all" / "prediction.npz")
    one = prediction.load(tmp_path / "one" / "prediction.npz")
    assert many.facts["network"] == "temporal_convolutions"
    assert one.pose.shape == (1, 17, 3)
    assert np.isfinite(many.pose).all()
    assert np.abs(one.pose[0] - many.pose[7]).max() > 1e-6  # the frames around it count


def test_weights_that_do_not_say_how_fast_are_refused(folder, tmp_path):
    content, tensors = read_tensors(folder / "weights.safetensors", "weights")
    del content["facts"]["steps_per_second"]
    path = tmp_path / "weights.safetensors"
    write_tensors(path, tensors, "weights", content)
    with refused("steps_per_second in its passport"):
        main(["predict", str(folder / "keypoints.json"), "--weights", str(path)])


def clips_of(time, joints, frames, rate, framing="image"):
    def ask(clips):
        return Input(frame_clips(clips, (1000, 500), framing, HUMAN36M_TRUNK), None)

    track = TrackClips(np.array(time), joints, frames, rate, ask, torch.device("cpu"))
    return torch.cat(list(track.split(2))).numpy()


def test_clips_of_a_track_have_the_pace_of_the_training():
    """A joint that moves by 100 pixels a second, with a gap, seen 10 and 5 times a second."""
    time = np.array([0.0, 0.1, 0.2, 0.6])
    joints = np.zeros((4, 17, 2))
    joints[..., 0] = 100 * time[:, None]
    for rate in (10, 5):
        found = (clips_of(time, joints, 5, rate)[:, :, 3, 0] + 1) / 2 * 1000
        wanted = np.clip(time[:, None] + np.arange(-2, 3) / rate, 0, 0.6) * 100
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_clips_of_a_track_end_at_a_long_gap():
    time = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 5.2, 9.0])
    joints = np.zeros((7, 17, 2))
    joints[..., 0] = 100 * time[:, None]
    found = (clips_of(time, joints, 5, 10)[:, :, 3, 0] + 1) / 2 * 1000
    bounds = np.array([[0.0, 0.2]] * 3 + [[5.0, 5.2]] * 3 + [[9.0, 9.0]])
    for row, moment, (first, last) in zip(found, time, bounds, strict=True):
        wanted = [min(max(moment + step / 10, first), last) * 100 for step in range(-2, 3)]
        np.testing.assert_allclose(row, wanted, atol=2e-2)


def test_predict_turns_clips_to_the_person_when_it_knows_the_camera(folder, tmp_path):
    """A person who stands aside, before the camera of the file and before one that faces them."""
    keypoints = json.loads((folder / "keypoints.json").read_text())
    width, height = keypoints["image_size"]
    focal = 1145 / 1000 * width
    options = ["--weights", weights_of(folder), "--device", "cpu", "--no-page", "--smooth", "0"]
    options += ["--no-one-length", "--no-repair"]
    matrix = [[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]
    (tmp_path / "camera.json").write_text(json.dumps({"matrix": matrix}))
    options += ["--camera", str(tmp_path / "camera.json")]
    yaw = np.deg2rad(15)
    axes = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    for frame_seen in keypoints["frames"]:
        for person in frame_seen["persons"]:
            points = np.array(person["keypoints"])
            rays = np.c_[(points[:, :2] - [width / 2, height / 2]) / focal, np.ones(len(points))]
            rays = rays @ axes.T
            moved = rays[:, :2] / rays[:, 2:] * focal + [width / 2, height / 2]
            person["keypoints"] = np.c_[moved, points[:, 2:]].tolist()
    (tmp_path / "aside.json").write_text(json.dumps(keypoints))
    poses = []
    for source in (folder / "keypoints.json", tmp_path / "aside.json"):
        main(["predict", str(source), "--no-check", *options, "--out", str(tmp_path / "p")])
        found = prediction.load(tmp_path / "p" / "prediction.npz")
        assert found.root is not None
        poses.append(found.pose)
    np.testing.assert_allclose(poses[1], poses[0] @ axes.T, atol=1e-3)


def test_measure_clips_takes_networks_of_clips(folder, tmp_path):
    options = ["--data", "builtin", "--device", "cpu", "--frames", "20", "--clips-every", "9"]
    main(["measure-clips", "--weights", weights_of(folder), *options, "--out", str(tmp_path)])
    figures = json.loads((tmp_path / "clips.json").read_text())["figures"]
    assert figures["exact 2D: MPJPE, mm"][0] > 0


def test_a_clip_is_framed_by_its_middle():
    joints = np.random.default_rng(0).uniform(100, 400, (5, 17, 2))
    moving = joints[:1] + 10.0 * np.arange(5)[:, None, None]
    clips = clips_of(np.arange(5.0), moving, 3, 1.0, "person")
    alone = frame(moving, (1000, 500), "person", HUMAN36M_TRUNK)
    np.testing.assert_allclose(clips[:, 1], alone, atol=1e-6)
    step = clips[2, 2] - clips[2, 1]
    assert step.min() > 0
    assert np.ptp(step) < 1e-6
