"""Who lifts whom where no weights are named, and clips of any pace, with gaps, short and long."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.commands.predict import Predict
from examples.hgn_pose.lifting import prediction
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.gaps import SEEN, Track
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.lifters import Lifters, PoseAndMeshes
from examples.hgn_pose.lifting.reading import Person
from examples.hgn_pose.lifting.viewing import ViewOptions
from examples.hgn_pose.network.weights import CLIPS_WEIGHTS, VIDEO_WEIGHTS, read_passport

CPU = torch.device("cpu")
DANCE = film("dance_a", 0)


@pytest.fixture(scope="module")
def lifters():
    return Lifters(None, load_body(), CPU)


@pytest.fixture(scope="module")
def clips(lifters):
    return lifters.of(dancer())


MOMENTS = np.arange(16) / 10


def dancer(moments=MOMENTS, fps=10.0):
    """The dancer at some seconds, by a spline; each frame has the number of its moment."""
    seconds = np.arange(len(DANCE.frame)) / DANCE.fps
    joints = CubicSpline(seconds, DANCE.in_convention("skeleton17").astype(float))(moments)
    frame = np.round(np.asarray(moments) * fps).astype(np.int64)
    sure = np.ones(joints.shape[:2])
    track = Track(frame, joints, sure, np.full(sure.shape, SEEN, np.uint8))
    return Person(track, DANCE.image_size, fps, {}, clip=len(frame) > 1)


def lifted(networks, person):
    view = ViewOptions().read(person.image_size)
    return networks.lift(person, "auto", view, flip=False)


def test_both_were_trained_on_the_same_motion():
    facts = [read_passport(file).facts for file in (CLIPS_WEIGHTS, VIDEO_WEIGHTS)]
    assert facts[0]["data"] == facts[1]["data"]


def test_clips_are_lifted_as_clips_and_all_else_frame_by_frame(lifters):
    one, slow = dancer([0.3]), dancer(np.arange(15) / 9, fps=9.0)
    short, every_fifth = dancer(np.arange(44) / 30, 30.0), dancer(np.arange(19) / 12, 60.0)
    unrelated = replace(dancer(), clip=False)
    glimpses = dancer(np.arange(20) / 30, 30.0)
    apart = np.r_[np.arange(10), np.arange(10) + 300]
    glimpses = replace(glimpses, track=replace(glimpses.track, frame=apart))
    for person in (dancer(), dancer(np.arange(46) / 30, 30.0), every_fifth):
        networks = lifters.of(person)
        assert networks.facts() == {
            "network": "body_clips",
            "weights": CLIPS_WEIGHTS.name,
            "meshes": VIDEO_WEIGHTS.name,
            "trained_on": "cmu17",
        }
    for person in (one, slow, short, unrelated, glimpses):
        networks = lifters.of(person)
        assert networks.pose is networks.meshes
        assert networks.pose.weights == VIDEO_WEIGHTS.name


@pytest.mark.parametrize("name", ["clips", "studio"])
def test_weights_that_are_named_lift_all(name):
    named = Lifters(Path(name), load_body(), CPU)
    for person in (dancer(), dancer([0.3])):
        networks = named.of(person)
        assert networks.pose is networks.meshes
        assert (networks.pose.window > 1) == (name == "clips")


def test_single_frames_are_lifted_as_ever(lifters):
    person = dancer([0.3])
    view = ViewOptions().read(person.image_size)
    alone = Lifter.load(VIDEO_WEIGHTS, load_body(), CPU)
    pose, meshes = alone.lift(person.track.joints, person.image_size, "auto", view, flip=False)
    found, bodies = lifted(lifters.of(person), person)
    np.testing.assert_array_equal(found, pose)
    for body, mesh in zip(bodies, meshes, strict=True):
        np.testing.assert_array_equal(body, mesh)


class Told(Lifter):
    """Answers what it was told."""

    told: tuple[np.ndarray, list[np.ndarray]]

    def lift(self, joints, *_, **__):
        return self.told


def told(lifter, pose, meshes):
    other = object.__new__(Told)
    other.__dict__.update(lifter.__dict__, told=(pose, meshes))
    return other


def test_meshes_go_where_their_joints_go(lifters):
    """A forearm that is moved takes with it the nodes at its end, and leaves those of the legs."""
    person = dancer(np.arange(5) / 30, 30.0)
    video = lifters.of(dancer([0.3])).pose
    pose, meshes = lifted(PoseAndMeshes(video, video), person)
    wrist = JOINTS.index("L_Wrist")
    moved = pose.copy()
    moved[:, wrist, 1] -= 0.05
    pair = PoseAndMeshes(told(video, moved, []), told(video, pose, meshes))
    found, bodies = lifted(pair, person)
    np.testing.assert_array_equal(found, moved)
    for before, after in zip(meshes, bodies, strict=True):
        ways = np.linalg.norm(after - before, axis=2).mean(axis=0)
        distance = np.linalg.norm(before - pose[:, wrist, None], axis=2).mean(axis=0)
        assert distance[ways.argmax()] < 0.2
        assert ways.max() > 0.045
        feet = np.linalg.norm(before - pose[:, JOINTS.index("L_Ankle"), None], axis=2).mean(axis=0)
        assert ways[feet.argsort()[:4]].max() < 1e-3
        assert ways.max() < 0.0501
    both = PoseAndMeshes(told(video, pose, []), told(video, pose, meshes))
    for before, after in zip(meshes, lifted(both, person)[1], strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_any_pace_is_lifted_alike(clips):
    """Of the same motion, at the same moments."""
    shared = np.arange(3) / 5
    poses = {}
    for fps in (10, 25, 30, 60, 120):
        moments = np.arange(round(shared[-1] * fps) + 1) / fps
        rows = np.round(shared * fps).astype(int)
        poses[fps] = lifted(clips, dancer(moments, float(fps)))[0][rows]
    wrong = lifted(clips, dancer(np.arange(13) / 30, 10.0))[0][::6]
    *apart, far = (_apart(pose, poses[60]) for pose in (*poses.values(), wrong))
    assert max(apart) < 0.01 < 0.02 < far


def _apart(one, other):
    return np.linalg.norm(one - other, axis=-1).mean()


def test_numbers_of_frames_say_the_pace(clips):
    """Every second frame of 60 a second is every frame of 30."""
    moments = np.arange(20) / 30
    np.testing.assert_allclose(
        lifted(clips, dancer(moments, 60.0))[0], lifted(clips, dancer(moments, 30.0))[0], atol=1e-6
    )


def test_who_was_gone_for_long_comes_back_as_another_clip(clips):
    first, second = np.arange(15) / 30, np.arange(12) / 30 + 0.1
    joints = [dancer(moments, 30.0).track.joints for moments in (first, second)]
    frame = np.r_[np.arange(15), np.arange(12) + 15 + 31]
    whole = dancer(np.r_[first, second], 30.0)
    track = replace(whole.track, frame=frame, joints=np.concatenate(joints))
    pose = lifted(clips, replace(whole, track=track))[0]
    alone = [lifted(clips, dancer(moments, 30.0))[0] for moments in (first, second)]
    np.testing.assert_allclose(pose, np.concatenate(alone), atol=1e-5)


def test_a_short_gap_is_bridged(clips):
    moments = np.arange(30) / 30
    there = np.ones(30, bool)
    there[13:16] = False
    pose = lifted(clips, dancer(moments, 30.0))[0][there]
    found = lifted(clips, dancer(moments[there], 30.0))[0]
    assert _apart(found, pose) < 0.015


def test_people_of_a_file_are_lifted_each_in_their_way(tmp_path, capsys):
    """One is there all the time, one in two frames; joints of the first are missing."""
    keypoints = tmp_path / "keypoints.json"
    main(["sample", "--clip", "dance_a", "--out", str(keypoints)])
    content = json.loads(keypoints.read_text())
    content["frames"] = content["frames"][::6]
    for number, frame in enumerate(content["frames"]):
        (person,) = frame["persons"]
        points = np.array(person["keypoints"])
        if number in (4, 5):
            other = points.copy()
            other[:, 0] += 80
            frame["persons"].append({**person, "id": 7, "keypoints": other.tolist()})
        points[[9, 15], 2] = 0.0
        person["keypoints"] = points.tolist()
    keypoints.write_text(json.dumps(content))
    options = ["--person", "all", "--no-page", "--device", "cpu", "--no-flip"]
    main(["predict", str(keypoints), *options, "--out", str(tmp_path / "out")])
    results = [prediction.load(file) for file in sorted(tmp_path.glob("out/*/prediction.npz"))]
    by = {len(result): result for result in results}
    assert set(by) == {17, 2}
    assert by[17].facts["weights"] == CLIPS_WEIGHTS.name
    assert by[2].facts["weights"] == VIDEO_WEIGHTS.name
    for result in results:
        assert np.isfinite(result.pose).all()
        assert set(result.meshes) == {48, 96}


def test_the_first_person_without_writing(tmp_path):
    keypoints = tmp_path / "keypoints.json"
    main(["sample", "--clip", "dance_a", "--out", str(keypoints)])
    content = json.loads(keypoints.read_text())
    keypoints.write_text(json.dumps({**content, "frames": content["frames"][::6]}))
    found = Predict(keypoints, flip=False).predict(CPU)
    assert found.facts["weights"] == CLIPS_WEIGHTS.name
    assert found.facts["meshes"] == VIDEO_WEIGHTS.name
