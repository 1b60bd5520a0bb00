from dataclasses import replace

import numpy as np
import pytest
import torch
from recordable import Recordable
from torch import Tensor, nn

from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.body.skeleton import EDGES, FLIP
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.motion.studio import BONES, FOCAL
from examples.hgn_pose.network import facing
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.facing import Facing
from examples.hgn_pose.samples.batches import mirrored

TURNS = torch.linspace(-0.6, 0.6, 7, dtype=torch.float64)


class Seen(nn.Module):
    """Keeps its input, and answers with points on the rays that it sees."""

    image: Tensor

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        self.image = image
        return (torch.cat([image, torch.ones_like(image[..., :1])], dim=2),)


def people():
    """Standing 5 m before the camera, x to the right, y down."""
    motion = load_builtin().positions[::100].astype(np.float64)
    pose = torch.from_numpy(motion - motion[:, :1])
    right, down = -pose[..., 0], -pose[..., 2]
    return torch.stack([right, down, 5 - pose[..., 1]], dim=2)


def picture(points):
    return FOCAL * points[..., :2] / points[..., 2:]


def about_y(angle):
    c, s = torch.cos(angle), torch.sin(angle)
    return torch.tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]], dtype=torch.float64)


def about_x(angle):
    c, s = torch.cos(angle), torch.sin(angle)
    return torch.tensor([[1, 0, 0], [0, c, -s], [0, s, c]], dtype=torch.float64)


@pytest.mark.parametrize("yaw", TURNS[::2])
@pytest.mark.parametrize("pitch", TURNS[::3])
def test_a_camera_that_turned_away_gives_the_same_input_and_the_turned_answer(yaw, pitch):
    """Turned about its own vertical axis first and then up or down, as a tripod does."""
    points = people()
    model = Facing(Seen())
    (straight,) = model(picture(points))
    first = model.network.image
    turn = about_y(yaw) @ about_x(pitch)
    (away,) = model(picture(points @ turn.T))
    torch.testing.assert_close(model.network.image, first, atol=1e-9, rtol=0)
    torch.testing.assert_close(away, straight @ turn.T, atol=1e-9, rtol=0)


def test_the_pelvis_is_in_the_middle_and_everybody_of_one_size():
    points = people()
    points[1] *= 2  # as tall again, and as far again: the same picture
    points[2] += torch.tensor([0.7, -0.4, 2.0])
    network = Seen()
    Facing(network)(picture(points))
    seen = network.image.numpy()
    np.testing.assert_allclose(seen[:, 0], 0, atol=1e-12)
    for person in seen:
        total = sum(np.linalg.norm(person[b] - person[a]) for a, b in EDGES)
        assert total == pytest.approx(BONES, rel=1e-9)


def test_the_mirrored_person_gets_the_mirrored_answer():
    points = people() + torch.tensor([0.9, 0.3, 0.0])
    flip = torch.tensor(FLIP)
    model = Facing(Seen())
    (plain,) = model(picture(points))
    (other,) = model(mirrored(picture(points), flip))
    torch.testing.assert_close(mirrored(other, flip), plain, atol=1e-9, rtol=0)


def test_every_network_can_face_and_keeps_its_weights():
    _, hierarchy = coarse_body()
    image = 0.3 * torch.randn(5, 17, 2, generator=torch.Generator().manual_seed(0))
    for name in ("hgn", "mlp", "semgcn", "transformer"):
        plain = build_network(NetworkOptions(name, 8), hierarchy, seed=3).eval()
        facing_one = build_network(NetworkOptions(name, 8, facing=True), hierarchy, seed=3).eval()
        for key, value in plain.state_dict().items():
            assert torch.equal(facing_one.state_dict()[f"network.{key}"], value)
        axes = facing.turned_axes(image[:, 0] / FOCAL)
        seen = facing.standard_size(facing.turned(image / FOCAL, axes))
        for here, there in zip(facing_one(image), plain(seen), strict=True):
            torch.testing.assert_close(here, there @ axes, atol=1e-6, rtol=1e-5)


def test_input_that_makes_no_sense_stays_finite():
    model = Facing(Seen())
    wild = torch.tensor([1e4, -1e4, 0.0])[torch.arange(34) % 3].view(1, 17, 2)
    for image in (torch.zeros(1, 17, 2), wild):
        (answer,) = model(image)
        assert answer.isfinite().all()


def test_a_network_that_faces_can_be_recorded():
    model = Facing(Seen())
    image = picture(people()).float()
    (first,) = model(image)
    with Recordable():
        (again,) = model(image)
    assert torch.equal(first, again)


def test_options_say_it_only_where_it_is_so():
    assert "facing" not in NetworkOptions("mlp").as_json()
    assert NetworkOptions("mlp", facing=True).as_json()["facing"] is True


def walking():
    """Clips of people who walk to the right and towards the camera: [B, 5, 17, 3]."""
    step = torch.tensor([0.2, 0.0, -0.3]).double()
    return people()[:, None] + step * torch.arange(-2, 3)[:, None, None]


class AllFrames(Seen):
    def forward(self, image):
        (points,) = super().forward(image.flatten(0, 1))
        self.image = image
        return points.unflatten(0, image.shape[:2]), points.unflatten(0, image.shape[:2])[:, 2]


@pytest.mark.parametrize("yaw", TURNS[::3])
@pytest.mark.parametrize("pitch", TURNS[::3])
def test_the_camera_of_a_clip_turns_once(yaw, pitch):
    """A camera that turned away before a clip gives the same input and the turned answers."""
    points = walking()
    network = AllFrames()
    model = Facing(network)
    straight = model(picture(points))
    first = network.image
    turn = about_y(yaw) @ about_x(pitch)
    away = model(picture(points @ turn.T))
    torch.testing.assert_close(network.image, first, atol=1e-9, rtol=0)
    for there, here in zip(away, straight, strict=True):
        torch.testing.assert_close(there, here @ turn.T, atol=1e-9, rtol=0)


def test_what_moves_before_the_camera_moves_in_the_clip():
    points = walking()
    network = AllFrames()
    Facing(network)(picture(points))
    seen = network.image
    torch.testing.assert_close(seen[:, 2, 0], torch.zeros_like(seen[:, 2, 0]))
    assert (seen[:, 1:, 0, 0] > seen[:, :-1, 0, 0]).all()
    a, b = torch.tensor(EDGES).T
    length = (seen[:, :, a] - seen[:, :, b]).norm(dim=3).sum(2)
    torch.testing.assert_close(length.mean(1), torch.full_like(length[:, 0], BONES))
    assert (length[:, -1] > 1.1 * length[:, 0]).all()  # who comes nearer grows


def test_a_clip_of_people_who_stand_is_a_frame_over_and_over():
    image = picture(people())
    alone, clip = Seen(), AllFrames()
    (answer,) = Facing(alone)(image)
    every, middle = Facing(clip)(image[:, None].expand(-1, 5, -1, -1))
    for frame in range(5):
        torch.testing.assert_close(clip.image[:, frame], alone.image)
        torch.testing.assert_close(every[:, frame], answer)
    torch.testing.assert_close(middle, answer)


@pytest.mark.parametrize("name", ["body_clips", "temporal_convolutions", "spatio_temporal"])
def test_networks_of_clips_can_face(name):
    body, hierarchy = coarse_body()
    options = NetworkOptions(name, 8, clusters="none" if name == "body_clips" else "heavy_edge")
    plain, facing_one = (
        build_network(replace(options, facing=wanted), hierarchy, 3, body)
        for wanted in (False, True)
    )
    for key, value in plain.state_dict().items():
        assert torch.equal(facing_one.state_dict()[f"network.{key}"], value)
    image = 0.3 * torch.randn(4, options.window, 17, 2, generator=torch.Generator().manual_seed(0))
    facing_one.eval()
    with Recordable():
        (pose,) = facing_one(image)
    assert pose.shape == (4, 17, 3)
    assert facing_one(torch.zeros_like(image))[0].isfinite().all()
