"""Networks of clips for real video: trained, measured on held cameras, and asked about a video."""

from __future__ import annotations

import json

import numpy as np
import pytest

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.network.passports import network_of
from examples.hgn_pose.network.weights import read_passport

QUICK = ["--test-every", "60", "--device", "cpu", "--data", "builtin"]
TRAIN = ["train", "--robust", "--epochs", "1", "--train-every", "30", *QUICK]
CLIPS = ["--network", "body_clips", "--clusters", "none", "--frames", "9", "--spacing", "3"]
CLIPS = [*CLIPS, "--channels", "8", "--head", "xyz", "--recipe", "modern", "--steps", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("robust_clips")
    train = [argument for argument in TRAIN if argument not in ("--epochs", "1")]
    main([*train, *CLIPS, "--batch-size", "64", "--out", str(out / "clips")])
    main([*TRAIN, "--network", "mlp", "--channels", "16", "--out", str(out / "frames")])
    main(["sample", "--out", str(out / "keypoints.json")])
    return out


def weights_of(folder, name="clips"):
    return folder / name / "weights.safetensors"


def test_the_passport_says_how_it_was_trained(folder):
    passport = read_passport(weights_of(folder))
    network = network_of(weights_of(folder), passport)
    assert network.facing
    assert (network.window, network.spacing, network.head) == (9, 3, "xyz")
    varied = passport.facts["training"]["augmentation"]
    assert varied["cameras"] == "wild"
    assert varied["detector"] == 10.0


@pytest.mark.parametrize(
    "network", [["temporal_convolutions"], ["spatio_temporal", "--frames", "3"]]
)
def test_every_network_of_clips_can_be_robust(network, tmp_path):
    few = ["--channels", "4", "--train-every", "120", "--out", str(tmp_path)]
    main([*TRAIN, *few, "--network", *network])
    passport = read_passport(tmp_path / "weights.safetensors")
    assert network_of(tmp_path / "weights.safetensors", passport).facing


def test_single_frames_are_measured_as_they_are_without_clips_beside_them(folder, tmp_path):
    """Same samples, cameras and errors, bit for bit."""
    alone, beside = tmp_path / "alone.json", tmp_path / "beside.json"
    main(["wild", str(weights_of(folder, "frames")), *QUICK, "--out", str(alone)])
    both = [str(weights_of(folder, name)) for name in ("frames", "clips")]
    main(["wild", *both, *QUICK, "--out", str(beside)])
    (wanted,) = json.loads(alone.read_text())["errors"].values()
    frames, clips = json.loads(beside.read_text())["errors"].values()
    assert frames == wanted
    assert set(clips) == set(frames)
    scores = json.loads((folder / "clips" / "metrics.json").read_text())["scores"]
    assert clips["studio, exact"]["mpjpe"] == pytest.approx(scores["mpjpe_mm"], abs=0.01)
    assert all(0 < row["pa_mpjpe"] <= row["mpjpe"] < 2000 for row in clips.values())
    # the network turns by itself: a camera of a known lens that was turned before is no news
    exact = ["--detector", "0", "--out", str(tmp_path / "exact.json")]
    main(["wild", str(weights_of(folder)), *QUICK, *exact])
    (row,) = json.loads((tmp_path / "exact.json").read_text())["errors"].values()
    assert row["wild"]["mpjpe"] == pytest.approx(row["lens known"]["mpjpe"], rel=0.02)


def options_of(folder, out):
    return ["--weights", str(weights_of(folder)), "--device", "cpu", "--no-page", "--out", str(out)]


def test_predict_lifts_a_video_with_gaps(folder, tmp_path):
    keypoints = json.loads((folder / "keypoints.json").read_text())
    del keypoints["frames"][5:8]
    for seen in keypoints["frames"][10:14]:
        for person in seen["persons"]:
            person["keypoints"][9] = [0.0, 0.0, 0.0]
    (tmp_path / "gaps.json").write_text(json.dumps(keypoints))
    main(["predict", str(tmp_path / "gaps.json"), *options_of(folder, tmp_path / "p")])
    found = prediction.load(tmp_path / "p" / "prediction.npz")
    assert np.isfinite(found.pose).all()
    assert found.facts["network"] == "body_clips"
    assert found.facts["framing"] == "rays"
    keypoints["frames"] = keypoints["frames"][3:4]
    (tmp_path / "one.json").write_text(json.dumps(keypoints))
    main(["predict", str(tmp_path / "one.json"), *options_of(folder, tmp_path / "one")])
    assert prediction.load(tmp_path / "one" / "prediction.npz").pose.shape == (1, 17, 3)


def film(keypoints, axes):
    """The same file, seen by a camera that turned."""
    width, height = keypoints["image_size"]
    middle, focal = np.array([width, height]) / 2, width / 2 / np.tan(np.deg2rad(35))
    filmed = json.loads(json.dumps(keypoints))
    for seen in filmed["frames"]:
        for person in seen["persons"]:
            points = np.array(person["keypoints"])
            rays = np.c_[(points[:, :2] - middle) / focal, np.ones(len(points))]
            rays = rays @ axes.T
            moved = rays[:, :2] / rays[:, 2:] * focal + middle
            person["keypoints"] = np.c_[moved, points[:, 2:]].tolist()
    return filmed


def lifted(folder, content, out, *options):
    out.mkdir()
    (out / "keypoints.json").write_text(json.dumps(content))
    plain = ["--no-check", "--smooth", "0", "--no-one-length", "--no-repair"]
    arguments = [*options_of(folder, out), *plain, *options]
    main(["predict", str(out / "keypoints.json"), "--field-of-view", "70", *arguments])


def test_where_in_the_image_the_person_stands_does_not_matter(folder, tmp_path):
    """Nor does it for several people: each track is a clip of its own."""
    keypoints = json.loads((folder / "keypoints.json").read_text())
    yaw = np.deg2rad(18)
    axes = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    lifted(folder, keypoints, tmp_path / "before")
    lifted(folder, film(keypoints, axes), tmp_path / "aside")
    before, aside = (
        prediction.load(tmp_path / name / "prediction.npz").pose for name in ("before", "aside")
    )
    # the camera of a clip turns about the pelvis of its middle, first sideways
    np.testing.assert_allclose(aside, before @ axes.T, atol=1e-4)
    both = film(keypoints, axes)
    for seen, other in zip(both["frames"], keypoints["frames"], strict=True):
        seen["persons"] = [*other["persons"], {**seen["persons"][0], "id": "other"}]
    lifted(folder, both, tmp_path / "two", "--person", "all")
    people = sorted((tmp_path / "two").glob("*/prediction.npz"))
    found = [prediction.load(path).pose for path in people]
    assert len(found) == 2
    found.sort(key=lambda pose: float(np.abs(pose - before).max()))
    np.testing.assert_allclose(found[0], before, atol=1e-4)
    np.testing.assert_allclose(found[1], aside, atol=1e-4)
