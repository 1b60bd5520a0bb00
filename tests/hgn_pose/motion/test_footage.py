"""Motion and recordings are asked the same questions."""

from dataclasses import replace

import generated
import numpy as np
import pytest

from examples.hgn_pose.datasets.readers.arrays import load_arrays
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.samples import RecordedSamples, Samples


@pytest.fixture
def recording(tmp_path):
    generated.write_arrays(tmp_path / "mine.npz")
    return load_arrays(tmp_path / "mine.npz")


@pytest.fixture(params=["motion", "recording"])
def footage(request, recording):
    return recording if request.param == "recording" else load_builtin().select(slice(0, 90))


def test_every_third_frame_of_each_clip_is_left(footage):
    motion, left = footage.motion, footage.every(3).motion
    expected = [positions[::3] for positions in by_clip(motion)]
    for positions, wanted in zip(by_clip(left), expected, strict=True):
        np.testing.assert_array_equal(positions, wanted)


def by_clip(motion):
    return [motion.positions[motion.clip == number] for number in np.unique(motion.clip)]


def test_another_motion_takes_its_place(footage):
    moved = replace(footage.motion, positions=footage.motion.positions + 1)
    other = footage.with_motion(moved)
    assert type(other) is type(footage)
    assert other.motion is moved
    assert other.camera_names == footage.camera_names


def test_cameras_have_names(footage):
    assert len(footage.camera_names) == len(footage.cameras)
    names = gather(footage).labels(footage.cameras).camera.names
    assert names == tuple(sorted(set(footage.camera_names)))


def test_samples_are_of_the_kind_of_the_cameras(recording):
    assert type(gather(recording)) is RecordedSamples
    assert type(gather(load_builtin())) is Samples


def test_figures_of_virtual_cameras_come_with_a_warning(recording):
    assert "Cameras are virtual" in load_builtin().notes[0]
    assert recording.notes == ()
