import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import nn

from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.lifting.framing import frame
from examples.hgn_pose.lifting.mapping import trunk_of
from examples.hgn_pose.lifting.viewing import (
    View,
    ViewOptions,
    clip_input,
    direction_down,
    network_input,
    undistorted,
)
from examples.hgn_pose.motion.hand_held import rotations
from examples.hgn_pose.motion.studio import FOCAL
from examples.hgn_pose.motion.turning import axes_towards, turned, turned_back
from examples.hgn_pose.network.facing import Facing

SIZE = (1920, 1080)
TRUNK = trunk_of("cmu17")
EYE = np.array([-4.0, 1.0, 2.2])


def scene():
    motion = load_builtin().positions[::90].astype(np.float64)
    return motion - motion[:, :1] * [1, 1, 0]


def rotation(pitch, roll, heading=-0.2):
    angles = torch.tensor([[heading], [np.deg2rad(pitch)], [np.deg2rad(roll)]]).double()
    return rotations(*angles)[0].numpy()


def seen(pitch, roll, view, world=None):
    """Pixels of a scene before a camera at ``EYE``, and its rotation."""
    axes = rotation(pitch, roll)
    points = ((scene() if world is None else world) - EYE) @ axes.T
    return points[..., :2] / points[..., 2:] * view.focal + view.centre, axes


def model(image):
    """Any answer that depends on all of the input."""
    wide = np.random.default_rng(0).standard_normal((34, 51))
    return np.tanh(image.reshape(len(image), 34) @ wide).reshape(-1, 17, 3)


@pytest.mark.parametrize(("pitch", "roll"), [(25.0, 0.0), (-10.0, 15.0), (35.0, -26.0)])
@pytest.mark.parametrize("framing", ["auto", "image"])
@pytest.mark.parametrize("facing", [False, True])
def test_a_tilted_camera_gives_what_the_level_one_gives(pitch, roll, framing, facing):
    """In the same place, with exact joints: the answers are the same in the world, to rounding."""
    if facing and framing == "image":
        pytest.skip("weights that face the person have no framing")
    answers = []
    for p, r in ((0.0, 0.0), (pitch, roll)):
        view = ViewOptions(field_of_view=70, pitch=p, roll=r).read(SIZE)
        pixels, axes = seen(p, r, view)
        asked = network_input(pixels, SIZE, framing, TRUNK, view, facing=facing)
        answers.append(asked.turned_back(model(asked.image.astype(np.float64))) @ axes)
    np.testing.assert_allclose(answers[1], answers[0], atol=2e-5)
    untold = ViewOptions(field_of_view=70).read(SIZE)
    pixels, axes = seen(pitch, roll, untold)
    asked = network_input(pixels, SIZE, framing, TRUNK, untold, facing=facing)
    away = asked.turned_back(model(asked.image.astype(np.float64))) @ axes
    assert np.abs(away - answers[0]).max() > 0.01


@pytest.mark.parametrize("framing", ["auto", "image"])
@pytest.mark.parametrize("facing", [False, True])
def test_a_clip_is_seen_by_the_camera_of_its_middle(framing, facing):
    """A tilted camera shows a clip as the level one does, where its middle alone is seen so."""
    if facing and framing == "image":
        pytest.skip("weights that face the person have no framing")
    people = scene()
    walks = np.arange(3)[:, None, None] * [0.1, 0.3, 0.0]
    seen_by = []
    for pitch, roll in ((0.0, 0.0), (25.0, -12.0)):
        view = ViewOptions(field_of_view=70, pitch=pitch, roll=roll).read(SIZE)
        clips = np.stack([seen(pitch, roll, view, people + step)[0] for step in walks], axis=1)
        asked = clip_input(clips, SIZE, framing, TRUNK, view, facing=facing)
        alone = network_input(clips[:, 1], SIZE, framing, TRUNK, view, facing=facing)
        np.testing.assert_array_equal(asked.image[:, 1], alone.image)
        np.testing.assert_array_equal(asked.axes, alone.axes)
        assert np.abs(asked.image[:, 2] - asked.image[:, 1]).mean() > 1e-3
        seen_by.append(asked.image)
    np.testing.assert_allclose(seen_by[1], seen_by[0], atol=2e-5)


def test_without_a_word_of_the_camera_the_input_is_what_it_was():
    view = ViewOptions().read(SIZE)
    pixels, _ = seen(10, 5, view)
    for framing in ("person", "image"):
        asked = network_input(pixels, SIZE, framing, TRUNK, view, facing=False)
        assert np.array_equal(asked.image, frame(pixels, SIZE, framing, TRUNK))
        assert asked.turned_back(asked.image) is asked.image
    auto = network_input(pixels, SIZE, "auto", TRUNK, view, facing=False)
    assert np.array_equal(auto.image, frame(pixels, SIZE, "person", TRUNK))


def test_networks_that_face_the_person_get_the_rays():
    view = ViewOptions(field_of_view=80).read((1080, 1920))
    assert view.focal[0] == pytest.approx(960 / np.tan(np.deg2rad(40)))
    pixels, axes = seen(10, 5, view)
    points = (scene() - EYE) @ axes.T
    asked = network_input(pixels, (1080, 1920), "auto", TRUNK, view, facing=True)
    np.testing.assert_allclose(asked.image, FOCAL * points[..., :2] / points[..., 2:], atol=1e-6)
    with pytest.raises(ValueError, match="framing = person is for weights of one kind of camera"):
        network_input(pixels, SIZE, "person", TRUNK, view, facing=True)


def test_networks_that_face_the_person_can_do_without_the_image():
    """As if the person stood before the camera, wherever they are and however large."""
    untold = ViewOptions().read(SIZE)
    pixels, _ = seen(10, 5, untold)
    asked = network_input(pixels, SIZE, "person", TRUNK, untold, facing=True)
    again = network_input(3 * pixels + 700, (1, 1), "person", TRUNK, untold, facing=True)
    np.testing.assert_allclose(again.image, asked.image, atol=1e-5)
    assert np.abs(asked.image[:, 0]).max() < 1e-6
    far = (pixels - pixels[:, :1]) / 1e4 + untold.centre  # in the middle, small, and so seen flat
    same = network_input(far, SIZE, "auto", TRUNK, untold, facing=True)
    faces = Facing(Rest())
    np.testing.assert_allclose(
        faces(torch.from_numpy(asked.image))[0], faces(torch.from_numpy(same.image))[0], atol=1e-4
    )
    with pytest.raises(ValueError, match="framing = image is for weights of one kind of camera"):
        network_input(pixels, SIZE, "image", TRUNK, untold, facing=True)


class Rest(nn.Module):
    """Gives back what it saw, at one depth."""

    def forward(self, seen):
        return (torch.cat([seen, torch.ones_like(seen[..., :1])], dim=2),)


@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (25.0, -12.0), (-40.0, 90.0)])
def test_down_is_where_the_rotation_has_it(pitch, roll):
    expected = rotation(pitch, roll) @ [0, 0, -1]
    np.testing.assert_allclose(direction_down(pitch, roll), expected, atol=1e-6)


def test_turned_axes_are_a_rotation_towards_the_ray_without_roll():
    random = np.random.default_rng(1)
    slope = random.uniform(-0.5, 0.5, (20, 2))
    down = np.array([0.2, 0.9, 0.3]) / np.linalg.norm([0.2, 0.9, 0.3])
    axes = axes_towards(slope, down)
    np.testing.assert_allclose(
        axes @ axes.transpose(0, 2, 1), np.tile(np.eye(3), (20, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(axes), 1)
    np.testing.assert_allclose(turned(slope[:, None], axes)[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(axes[:, 0] @ down, 0, atol=1e-12)
    assert (axes[:, 1] @ down > 0).all()
    points = random.standard_normal((20, 4, 3))
    there = np.einsum("tij,tnj->tni", axes, points)
    np.testing.assert_allclose(turned_back(there, axes), points, atol=1e-12)


def test_a_lens_with_errors_is_undone():
    """Against OpenCV's model, written out."""
    k1, k2, p1, p2, k3 = lens = (-0.2, 0.05, 0.001, -0.002, 0.01)
    true = np.random.default_rng(2).uniform(-0.5, 0.5, (30, 17, 2))
    x, y = true[..., 0], true[..., 1]
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    shown = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
            y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    np.testing.assert_allclose(undistorted(shown, lens), true, atol=1e-9)
    assert undistorted(true, (0.0,) * 5) is true


def toml(axes):
    """As Pose2Sim writes cameras; its rotation is a vector."""
    vector = Rotation.from_matrix(axes).as_rotvec().tolist()
    return f"""
[cam_01]
name = "cam_01"
size = [ 1920.0, 1080.0,]
matrix = [ [ 1500.0, 0.0, 960.0,], [ 0.0, 1500.0, 540.0,], [ 0.0, 0.0, 1.0,],]
distortions = [ 0.0, 0.0, 0.0, 0.0,]
rotation = {vector}
translation = [ 0.0, 0.0, 5.0,]
fisheye = false
[metadata]
adjusted = false
"""


def down(view):
    assert view.down is not None
    return view.down


def test_a_calibrated_camera_says_all_of_it(tmp_path):
    axes = rotation(20, 10)
    path = tmp_path / "Calib.toml"
    path.write_text(toml(axes))
    view = ViewOptions(camera=path).read(SIZE)
    np.testing.assert_allclose(view.focal, 1500)
    np.testing.assert_allclose(view.centre, (960, 540))
    np.testing.assert_allclose(down(view), direction_down(20, 10), atol=1e-6)
    told = {"matrix": np.diag([1500.0, 1500, 1]).tolist(), "rotation": axes.tolist()}
    told["matrix"][0][2], told["matrix"][1][2] = 960.0, 540.0
    (tmp_path / "one.json").write_text(json.dumps(told))
    same = ViewOptions(camera=tmp_path / "one.json").read(SIZE)
    np.testing.assert_allclose(down(same), down(view), atol=1e-9)
    world_y_up = axes @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # its y is our z
    (tmp_path / "y.json").write_text(
        json.dumps({**told, "rotation": world_y_up.tolist(), "up": [0, 1, 0]})
    )
    turned_world = ViewOptions(camera=tmp_path / "y.json").read(SIZE)
    np.testing.assert_allclose(down(turned_world), down(view), atol=1e-9)
    (tmp_path / "lens.json").write_text(json.dumps({"matrix": told["matrix"]}))
    assert ViewOptions(camera=tmp_path / "lens.json").read(SIZE).down is None


MATRIX = [[1500, 0, 960], [0, 1500, 540], [0, 0, 1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "it holds no camera"),
        ([1, 2], "it holds no camera"),
        ({"a": {"matrix": MATRIX}, "b": {"matrix": MATRIX}}, "--camera-name: a, b"),
        ({"matrix": [[1, 2], [3, 4]]}, "its matrix must be 3 x 3 numbers"),
        ({"matrix": "big"}, "its matrix is 'big', which is no array of numbers"),
        ({"matrix": [[0, 0, 1], [0, 1, 1], [0, 0, 1]]}, "focal lengths in its matrix must be pos"),
        ({"matrix": MATRIX, "rotation": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}, "neither a rotation"),
        ({"matrix": MATRIX, "rotation": [1, 2]}, "neither a rotation matrix nor a rotation vec"),
        ({"matrix": MATRIX, "rotation": [0, 0, 0], "up": [0, 0, 0]}, "its up is no direction"),
        ({"matrix": MATRIX, "distortions": [0] * 8}, "at most five distortions"),
        ({"matrix": MATRIX, "fisheye": True}, "at most five distortions"),
        ({"matrix": MATRIX, "rotation": {"w": 1}}, "its rotation is .* which is no array"),
    ],
)
def test_files_that_say_too_little_are_refused(tmp_path, content, message):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        ViewOptions(camera=path).read(SIZE)
    assert "camera.json" in str(error.value)


def test_damaged_files_and_contradictions_are_refused(tmp_path):
    for name, text in (("a.json", "{"), ("a.toml", "[[["), ("b.json", "\x00")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=f"{name} cannot be used"):
            ViewOptions(camera=tmp_path / name).read(SIZE)
    with pytest.raises(ValueError, match=r"none\.json"):
        ViewOptions(camera=tmp_path / "none.json").read(SIZE)
    with pytest.raises(ValueError, match="camera and pitch are both given"):
        ViewOptions(camera=tmp_path / "a.json", pitch=3)
    with pytest.raises(ValueError, match="camera_name is given without a file"):
        ViewOptions(camera_name="left")
    with pytest.raises(ValueError, match="field_of_view = 200 must be"):
        ViewOptions(field_of_view=200)
    with pytest.raises(ValueError, match="pitch = 90 must be"):
        ViewOptions(pitch=90)


def test_a_view_is_told_in_the_report():
    assert View(np.full(2, 9.0), np.zeros(2), True, None).facts() == {"focal": [9.0, 9.0]}
    facts = ViewOptions(pitch=90 - 60, roll=0).read(SIZE).facts()
    assert facts["down"] == [0.0, 0.86603, 0.5]
