import math

import numpy as np
import pytest
import torch

from examples.hgn_pose.motion.cameras import ring_of_cameras


@pytest.fixture(scope="module")
def cameras():
    return ring_of_cameras()


def test_axes_are_a_right_handed_frame(cameras):
    for rotation in cameras.rotation.double():
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(3).double(), atol=1e-6, rtol=0)
        assert torch.linalg.det(rotation) == pytest.approx(1, abs=1e-6)


def test_cameras_stand_where_they_are_said_to(cameras):
    for position, azimuth in zip(cameras.position, (52, 142, 232, 322), strict=True):
        x, y, z = position.tolist()
        assert math.hypot(x, y) == pytest.approx(5.2, abs=1e-5)
        assert z == pytest.approx(1.55)
        assert math.degrees(math.atan2(y, x)) % 360 == pytest.approx(azimuth, abs=1e-4)


def test_up_in_the_world_is_up_in_the_image_and_right_is_right(cameras):
    for number in range(4):
        camera = torch.tensor([number])
        target = torch.tensor([[[0.0, 0.0, 0.95]]])
        above = target + torch.tensor([0.0, 0.0, 0.3])
        x, y = cameras.project(cameras.to_camera(above, camera))[0, 0].tolist()
        assert x == pytest.approx(500, abs=0.01)
        assert y < 450
        # Seen from a camera at azimuth a, the direction a + 90 degrees points to the right.
        angle = math.radians((52, 142, 232, 322)[number] + 90)
        beside = target + torch.tensor([math.cos(angle), math.sin(angle), 0.0])
        x, y = cameras.project(cameras.to_camera(beside, camera))[0, 0].tolist()
        assert x > 600
        assert y == pytest.approx(500, abs=0.01)


def test_projection_agrees_with_a_plain_pinhole(cameras):
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -1, 0], [1, 1, 2], (4, 6, 3))
    camera = [3, 0, 1, 1]
    seen = cameras.to_camera(torch.tensor(points).float(), torch.tensor(camera))
    pixels = cameras.project(seen)
    for b, number in enumerate(camera):
        R = cameras.rotation[number].double().numpy()
        matrix = (
            np.array([[1145, 0, 500], [0, 1145, 500], [0, 0, 1]])
            @ np.c_[R, -R @ cameras.position[number].double().numpy()]
        )
        homogeneous = np.c_[points[b], np.ones(6)] @ matrix.T
        expected = homogeneous[:, :2] / homogeneous[:, 2:]
        np.testing.assert_allclose(pixels[b].numpy(), expected, atol=2e-3)
        np.testing.assert_allclose(
            np.linalg.norm(seen[b].numpy(), axis=1),
            np.linalg.norm(points[b] - cameras.position[number].numpy(), axis=1),
            rtol=1e-5,
        )


def test_normalised_image_keeps_the_aspect(cameras):
    from dataclasses import replace

    wide = replace(cameras, width=1920, height=1080)
    corners = torch.tensor([[0.0, 0.0], [1920.0, 1080.0], [960.0, 540.0]])
    expected = torch.tensor([[-1.0, -0.5625], [1.0, 0.5625], [0.0, 0.0]])
    torch.testing.assert_close(wide.normalise(corners), expected)
