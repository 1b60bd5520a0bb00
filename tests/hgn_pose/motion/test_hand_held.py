import pytest
import torch

from examples.hgn_pose.lifting.mapping import TRUNKS
from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.motion.hand_held import LOWEST, places, rotations
from examples.hgn_pose.motion.studio import BONES, FOCAL


def test_rotations_are_those_of_the_ring_and_of_a_turn_after_another():
    ring = ring_of_cameras().rotation
    heading = torch.deg2rad(torch.tensor([52.0, 142, 232, 322]) + 180)
    pitch = torch.atan2(torch.tensor(0.6), torch.tensor(5.2)).expand(4)
    torch.testing.assert_close(rotations(heading, pitch, torch.zeros(4)), ring, atol=1e-6, rtol=0)
    roll = torch.tensor([0.2, -0.2, 0.1, 0.3])
    rolled = rotations(heading, pitch, roll)
    torch.testing.assert_close(rolled[:, 2], ring[:, 2], atol=1e-6, rtol=0)
    assert (rolled[:3, 0, 2] * torch.tensor([-1, 1, -1]) > 0).all()  # clockwise: right goes down
    identity = torch.eye(3).expand(4, 3, 3)
    torch.testing.assert_close(rolled @ rolled.transpose(1, 2), identity, atol=1e-6, rtol=0)


def test_cameras_stand_where_they_see_the_person_as_asked():
    generator = torch.Generator().manual_seed(1)
    heading, pitch, roll, distance = torch.rand(4, 50, generator=generator).double()
    slope = (torch.rand(50, 2, generator=generator).double() - 0.5) * 0.8
    person = torch.tensor([0.5, -0.2, 0.9]).double().expand(50, 3)
    rotation = rotations(6 * heading, 0.6 * pitch - 0.1, roll - 0.5)
    distance = 2 + 6 * distance
    place = places(rotation, person, distance, slope)
    free = place[:, 2] > LOWEST
    assert free.any()
    assert (place[:, 2] >= LOWEST).all()
    seen = (rotation @ (person - place)[:, :, None])[..., 0][free]
    torch.testing.assert_close(seen[:, :2] / seen[:, 2:], slope[free])
    torch.testing.assert_close(torch.linalg.vector_norm(seen, dim=1), distance[free])


def test_the_studio_is_that_of_the_ring_and_of_the_training_motion():
    ring = ring_of_cameras()
    assert pytest.approx(2 * ring.focal / ring.width) == FOCAL
    assert TRUNKS["cmu17"].bones == BONES
