"""Body clips: joints in every frame, and one body for all, on the body that comes along."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recordable import Recordable
from torch import nn

from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.body.rest import rest_joints
from examples.hgn_pose.body.skeleton import FLIP, skeleton_graph
from examples.hgn_pose.network.architectures.body_clips import BodyClips, InFrames, OverTime
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.precision import ends_of, keep_in_float32
from examples.hgn_pose.samples.batches import Batch
from examples.hgn_pose.training.loss import pose_loss
from multiscale_gcn.nn import MirrorEquivariant, Reflection

FRAMES = 9
NARROW = NetworkOptions("body_clips", channels=16, dropout=0.0, frames=FRAMES)


@pytest.fixture(scope="module")
def coarse():
    return coarse_body()


def made(coarse, options):
    body, hierarchy = coarse
    return build_network(options, hierarchy, 0, body)


def awake(model):
    """All parameters at random: fusions begin as nothing."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model


def test_parameters(coarse):
    assert count_parameters(made(coarse, NetworkOptions("body_clips"))) == 1_916_453
    alone = NetworkOptions("body_clips", clusters="none")
    assert count_parameters(made(coarse, alone)) == 966_599


def test_layers_see_frames_or_nodes_by_themselves():
    """Each against a loop over the frames, or over the nodes."""
    torch.manual_seed(0)
    x = torch.randn(2, FRAMES * 17, 4)
    within = nn.Linear(17, 17)
    over = nn.Linear(FRAMES, FRAMES)

    class Mix(nn.Module):
        def __init__(self, mix):
            super().__init__()
            self.mix = mix

        def forward(self, x):
            return self.mix(x.transpose(1, 2)).transpose(1, 2)

    in_frames, over_time = InFrames(Mix(within), FRAMES)(x), OverTime(Mix(over), FRAMES)(x)
    places = np.arange(FRAMES * 17).reshape(FRAMES, 17)
    for b in range(2):
        for frame in range(FRAMES):
            seen = x[b, places[frame]]
            torch.testing.assert_close(in_frames[b, places[frame]], within(seen.T).T)
        for node in range(17):
            seen = x[b, places[:, node]]
            torch.testing.assert_close(over_time[b, places[:, node]], over(seen.T).T)


def test_it_answers_for_all_frames_in_training_and_for_the_middle_otherwise(coarse):
    model = awake(made(coarse, NARROW))
    x = 0.1 * torch.randn(3, FRAMES, 17, 2)
    poses, *meshes = model.train()(x)
    pose, *others = model.eval()(x)
    assert poses.shape == (3, FRAMES, 17, 3)
    torch.testing.assert_close(pose, poses[:, FRAMES // 2])
    for one, other in zip(meshes, others, strict=True):
        torch.testing.assert_close(one, other)
    assert [mesh.shape[1] for mesh in meshes] == [48, 96]


def test_maps_begin_as_means_over_the_frames(coarse):
    body, hierarchy = coarse
    sums = made(coarse, NARROW).network.fusions[0].sums
    weight = sums["1"].maps[0].weight.detach().view(48, FRAMES, 17)  # from the joints to 48 nodes
    places = hierarchy.coarse_positions(body.rest_vertices, hierarchy.level(48).index)
    joints = rest_joints(body)
    assert all(torch.equal(weight[:, 0], weight[:, frame]) for frame in range(FRAMES))
    torch.testing.assert_close(weight.sum((1, 2)), torch.ones(48))
    for node in range(48):
        assert weight[node, 0].argmax() == ((places[node] - joints) ** 2).sum(1).argmin()
    back = sums["0"].maps[0].weight.detach().view(FRAMES, 17, 48)
    assert all(torch.equal(back[0], back[frame]) for frame in range(FRAMES))
    torch.testing.assert_close(back.sum(2), torch.ones(FRAMES, 17))


@pytest.mark.parametrize("clusters", ["heavy_edge", "none"])
def test_every_frame_is_heard_by_every_other(coarse, clusters):
    options = NetworkOptions("body_clips", channels=16, frames=FRAMES, clusters=clusters)
    model = awake(made(coarse, options)).eval()
    x = (0.1 * torch.randn(1, FRAMES, 17, 2)).requires_grad_()
    slope = torch.autograd.grad(model.network.train()(x)[0][:, 0].square().sum(), x)[0]
    assert (slope.abs().amax((0, 2, 3)) > 0).all()


def test_every_parameter_takes_part(coarse):
    model = awake(made(coarse, NARROW))
    outputs = model(0.1 * torch.randn(4, FRAMES, 17, 2))
    sum((y * torch.randn_like(y)).sum() for y in outputs).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_its_mirrored_twin_is_exact(coarse):
    model = awake(made(coarse, NARROW)).double().eval()

    class Flat(nn.Module):
        """[B, T N, C] for reflections, which know one axis of nodes."""

        def forward(self, x):
            return model(x.unflatten(1, (FRAMES, 17)))[0]

    flips = (np.arange(FRAMES)[:, None] * 17 + np.asarray(FLIP)).ravel()
    seen, image = Reflection(flips, [-1, 1]), Reflection(FLIP, [-1, 1, 1])
    whole = MirrorEquivariant(Flat(), [seen], [image]).double()
    x = 0.1 * torch.randn(3, FRAMES * 17, 2, dtype=torch.float64)
    torch.testing.assert_close(whole(seen(x)), image(whole(x)), rtol=0, atol=1e-13)


def test_other_clips_are_refused():
    network = BodyClips(skeleton_graph(), [], channels=8, frames=FRAMES)
    with pytest.raises(ValueError, match=r"x has shape \[2, 7, 17, 2\], expected \[B, 9, 17, 2\]"):
        network(torch.zeros(2, 7, 17, 2))


def test_it_reads_no_value_back(coarse):
    """What has no values cannot be read: so a CUDA device is never waited for, and can record."""
    model = made(coarse, NARROW).to("meta")
    model(torch.empty(4, FRAMES, 17, 2, device="meta"))[0].sum().backward()


def test_its_steps_can_be_recorded(coarse):
    """In half precision inside, as the modern recipe runs it."""
    model = made(coarse, NARROW)
    for end in ends_of("body_clips", model):
        keep_in_float32(end)
    true, clips = torch.randn(4, FRAMES, 17, 3), 0.1 * torch.randn(4, FRAMES, 17, 2)
    batch = Batch(clips, true[:, 4], (), torch.ones(4, dtype=torch.bool), true)
    with Recordable():
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(batch.image)
        pose_loss(outputs[:1], batch, "distance")[0].backward()
