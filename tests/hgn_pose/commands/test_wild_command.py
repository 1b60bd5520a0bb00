import json

import pytest
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.network import weights
from examples.hgn_pose.network.passports import network_of
from examples.hgn_pose.network.weights import ROBUST_WEIGHTS, VIDEO_WEIGHTS, read_passport

QUICK = ["--train-every", "60", "--test-every", "60", "--device", "cpu"]
SMALL = ["--network", "mlp", "--channels", "16", "--epochs", "3", *QUICK]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("wild")
    main(["train", *SMALL, "--out", str(out / "studio")])
    main(["train", *SMALL, "--robust", "--out", str(out / "robust")])
    main(["sample", "--convention", "coco17", "--out", str(out / "keypoints.json")])
    return out


def files(folder):
    return [str(folder / name / "weights.safetensors") for name in ("studio", "robust")]


def test_several_networks_stand_in_one_table(folder, tmp_path, capsys):
    out = tmp_path / "w" / "wild.json"
    main(["wild", *files(folder), "--test-every", "60", "--device", "cpu", "--out", str(out)])
    printed = capsys.readouterr().out
    for text in ("studio/weights", "robust/weights", "wild / studio", "tilt known"):
        assert text in printed
    report = json.loads(out.read_text())
    studio, robust = report["errors"].values()
    assert set(studio) == {"studio, exact", "studio", "wild", "lens known", "tilt known"}
    assert studio["studio"]["mpjpe"] > studio["studio, exact"]["mpjpe"]
    for row in (studio, robust):
        for errors in row.values():
            assert 0 < errors["pa_mpjpe"] <= errors["mpjpe"]
    # the network turns by itself: a camera of a known lens that was turned before is no news
    main(["wild", files(folder)[1], "--test-every", "60", "--device", "cpu", "--out", str(out)])
    again = json.loads(out.read_text())["errors"]
    (row,) = again.values()
    assert row["wild"]["mpjpe"] == pytest.approx(robust["wild"]["mpjpe"], rel=1e-6)


def test_predict_turns_to_the_person_when_it_knows_the_camera(folder, tmp_path):
    poses = {}
    for name, options in (
        ("plain", []),
        ("lens", ["--field-of-view", "47"]),
        ("tilt", ["--field-of-view", "47", "--pitch", "6.6", "--roll", "0"]),
    ):
        for path in files(folder):
            out = tmp_path / name
            arguments = [str(folder / "keypoints.json"), "--weights", path, "--no-page", *options]
            main(["predict", *arguments, "--device", "cpu", "--out", str(out)])
            result = prediction.load(out / "prediction.npz")
            poses[name, path] = result
    studio, robust = files(folder)
    assert "focal" not in poses["plain", studio].facts
    assert poses["plain", studio].facts["framing"] == "person"
    assert poses["plain", robust].facts["framing"] == "rays"
    assert poses["lens", studio].facts["focal"][0] == pytest.approx(1150, abs=1)
    assert poses["tilt", robust].facts["down"][2] == pytest.approx(0.115, abs=1e-3)
    assert abs(poses["tilt", studio].pose - poses["lens", studio].pose).max() < 0.15
    assert abs(poses["lens", studio].pose - poses["plain", studio].pose).max() > 1e-3


def test_names_of_weights_and_what_did_not_come_along(folder, tmp_path, monkeypatch):
    keypoints = str(folder / "keypoints.json")
    monkeypatch.setitem(weights.SHIPPED, "robust", tmp_path / "none.safetensors")
    with refused("the weights robust did not come with this copy; train them as"):
        main(["predict", keypoints, "--weights", "robust"])
    with refused("views must be at least 1, got 0"):
        main(["wild", "--views", "0"])
    with refused("pitch = 99.0 must be at least"):
        main(["predict", keypoints, "--pitch", "99"])


@pytest.mark.parametrize("file", [ROBUST_WEIGHTS, VIDEO_WEIGHTS])
def test_weights_for_real_video_face_the_person(file):
    passport = read_passport(file)
    assert network_of(file, passport).facing
    assert passport.facts["meshes"]
    varied = passport.facts["training"]["augmentation"]
    assert varied["cameras"] == "wild"
    figures = json.loads(file.with_suffix(".json").read_text())
    assert figures["options"]["facing"] is True


def test_weights_for_real_video_are_better_where_people_hold_the_camera(tmp_path):
    out = tmp_path / "wild.json"
    few = ["--data", "builtin", "--test-every", "20", "--device", "cpu", "--out", str(out)]
    main(["wild", "studio", "video", "--detector", "2.5", *few])
    studio, video = json.loads(out.read_text())["errors"].values()
    assert video["wild"]["mpjpe"] < 0.75 * studio["wild"]["mpjpe"]
    assert video["wild"]["pa_mpjpe"] < studio["wild"]["pa_mpjpe"]
