"""Poses as depths on rays: the camera sees them where the 2D joints are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from examples.hgn_pose.motion.cameras import ring_of_cameras
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.facing import Facing
from examples.hgn_pose.network.ray_head import USUAL_DISTANCE, RayHead, answering
from examples.hgn_pose.network.registry import ARCHITECTURES


class Given(nn.Module):
    def __init__(self, *answers: Tensor) -> None:
        super().__init__()
        self.answers = answers

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.answers


def test_the_camera_sees_the_pose_where_the_joints_were():
    torch.manual_seed(0)
    answer, mesh = 0.2 * torch.randn(5, 17, 3), torch.randn(5, 48, 3)
    image = torch.rand(5, 17, 2) - 0.5
    pose, other = RayHead(Given(answer, mesh))(image)
    assert other is mesh
    assert (pose[:, 0] == 0).all()
    cameras = ring_of_cameras()
    for b in range(5):
        distance = USUAL_DISTANCE * float(torch.exp(answer[b, :, :2].sum() / 34))
        depth = distance + float(answer[b, 0, 2])
        half = 1000 / (2 * 1145)
        root = torch.tensor([*(image[b, 0] * half * depth).tolist(), depth])
        seen = cameras.normalise(cameras.project(pose[b] + root))
        torch.testing.assert_close(seen, image[b], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(pose[b, :, 2], answer[b, :, 2] - answer[b, 0, 2])


@pytest.mark.parametrize("name", ["mlp", "transformer", "semgcn", "graformer"])
def test_every_network_may_have_it(name):
    options = NetworkOptions(name, channels=16, head="ray")
    model = build_network(options, None, 0)
    assert isinstance(model, RayHead)
    assert options.as_json()["head"] == "ray"
    image = 0.1 * torch.randn(8, 17, 2)
    (pose,) = model(image)
    (pose * torch.randn_like(pose)).sum().backward()
    for layer in ARCHITECTURES[name].last_layers(answering(model)):
        for parameter in layer.parameters():
            assert parameter.grad is not None
            assert parameter.grad.abs().max() > 0
    plain = build_network(NetworkOptions(name, channels=16), None, 0)
    assert type(answering(Facing(model))) is type(plain)
    assert "head" not in NetworkOptions(name).as_json()
    for one, other in zip(plain.parameters(), answering(model).parameters(), strict=True):
        assert torch.equal(one, other)


def test_every_frame_of_a_clip_has_a_camera_of_its_own_distance():
    torch.manual_seed(0)
    answer, image = 0.2 * torch.randn(3, 5, 17, 3), torch.rand(3, 5, 17, 2) - 0.5
    (poses,) = RayHead(Given(answer))(image)
    for frame in range(5):
        (pose,) = RayHead(Given(answer[:, frame]))(image[:, frame])
        torch.testing.assert_close(poses[:, frame], pose)
    (middle,) = RayHead(Given(answer[:, 2]))(image)
    assert torch.equal(middle, RayHead(Given(answer[:, 2]))(image[:, 2])[0])


def test_gradients_are_those_of_differences():
    image = torch.rand(2, 17, 2, dtype=torch.float64) - 0.5
    answer = torch.randn(2, 17, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: RayHead(Given(a))(image)[0], answer)
