"""Body streams: joints beside two coarse bodies, on the body that comes along."""

from __future__ import annotations

import pytest
import torch
from recordable import Recordable
from torch import nn

from examples.hgn_pose.body.coarse import coarse_body
from examples.hgn_pose.body.rest import rest_joints
from examples.hgn_pose.body.skeleton import FLIP
from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.precision import ends_of, keep_in_float32
from examples.hgn_pose.samples.batches import Batch
from examples.hgn_pose.training.loss import pose_loss
from multiscale_gcn.nn import MirrorEquivariant, Reflection, StochasticDepth

OPTIONS = NetworkOptions("body_streams")
NARROW = NetworkOptions("body_streams", channels=16, dropout=0.0)


@pytest.fixture(scope="module")
def coarse():
    return coarse_body()


def made(coarse, options, seed=0):
    body, hierarchy = coarse
    return build_network(options, hierarchy, seed, body)


def awake(model):
    """All parameters at random: fusions begin as nothing."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model.eval()


def test_parameters(coarse):
    assert count_parameters(made(coarse, OPTIONS)) == 1_048_085
    # A transformer of 128 x 4 with the graph in it.
    alone = NetworkOptions("body_streams", clusters="none")
    assert count_parameters(made(coarse, alone)) == 674_599


def test_maps_begin_by_distance_at_rest(coarse):
    body, hierarchy = coarse
    model = made(coarse, NARROW).network
    weight = model.fusions[0].sums["1"].maps[0].weight.detach()  # from the joints to 48 nodes
    places = hierarchy.coarse_positions(body.rest_vertices, hierarchy.level(48).index)
    joints = rest_joints(body)
    for node in range(48):
        near = ((places[node] - joints) ** 2).sum(1).argmin()
        assert weight[node].argmax() == near
    torch.testing.assert_close(weight.sum(1), torch.ones(48))
    for sums in model.fusions[0].sums.values():
        assert all((m.weight == 0).all() for m in sums.channel_maps.values())


def test_every_parameter_takes_part(coarse):
    model = awake(made(coarse, NARROW))
    outputs = model(torch.randn(4, 17, 2))
    assert [y.shape[1] for y in outputs] == [17, 48, 96]
    sum((y * torch.randn_like(y)).sum() for y in outputs).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_bodies_are_heard_through_fusion(coarse):
    """After every stage, or after the last one alone."""
    for fusion in ("every", "last"):
        options = NetworkOptions("body_streams", channels=16, fusion=fusion)
        model = awake(made(coarse, options))
        x = torch.randn(2, 17, 2)
        before = model(x)[0]
        maps = [f for f in model.network.fusions if len(list(f.parameters()))]
        assert len(maps) == (4 if fusion == "every" else 1)
        with torch.no_grad():
            for parameter in model.network.blocks[0]["1"].parameters():
                parameter.add_(0.1)
        assert not torch.allclose(model(x)[0], before, atol=1e-4)


def test_its_mirrored_twin_is_exact(coarse):
    hierarchy = coarse[1]
    model = awake(made(coarse, NARROW)).double()
    flips = [FLIP, *(hierarchy.level(n).constraints.symmetry for n in (48, 96))]
    images = [Reflection(flip, [-1, 1, 1]) for flip in flips]
    seen = Reflection(FLIP, [-1, 1])
    whole = MirrorEquivariant(model, [seen], images).double()
    x = torch.randn(3, 17, 2, dtype=torch.float64)
    for image, answer, other in zip(images, whole(x), whole(seen(x)), strict=True):
        torch.testing.assert_close(other, image(answer), rtol=0, atol=1e-13)


def test_it_reads_no_value_back(coarse):
    """What has no values cannot be read: so a CUDA device is never waited for, and can record."""
    model = made(coarse, NARROW).to("meta")
    model(torch.empty(4, 17, 2, device="meta"))[0].sum().backward()


def test_dropout_is_stochastic_depth(coarse):
    def rates(dropout):
        model = made(coarse, NetworkOptions("body_streams", channels=16, dropout=dropout))
        return {m.drop for m in model.modules() if isinstance(m, StochasticDepth)}

    assert rates(None) == {0.1}
    assert rates(0.25) == {0.25}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "hgn", "fusion": "last"}, "fusion = last is of the streams of body_streams"),
        ({"network": "body_streams", "padding": "published"}, "adds nodes that lie nowhere"),
        ({"network": "body_streams", "channels": 12}, "channels = 12 must be a multiple of 8"),
        ({"network": "mlp", "head": "beam"}, "head = 'beam'"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        NetworkOptions(**options)


def test_it_is_not_built_without_its_body(coarse):
    with pytest.raises(ValueError, match="body is missing; body_streams begins by where its"):
        build_network(NARROW, coarse[1], 0)


def test_its_steps_can_be_recorded(coarse):
    """In half precision inside, as the modern recipe runs it."""
    model = made(coarse, NetworkOptions("body_streams", channels=16))
    for end in ends_of("body_streams", model):
        keep_in_float32(end)
    true, image = torch.randn(4, 17, 3), 0.1 * torch.randn(4, 17, 2)
    batch = Batch(image, true, (), torch.ones(4, dtype=torch.bool))
    with Recordable():
        with torch.autocast("cpu", torch.bfloat16):
            outputs = model(batch.image)
        pose_loss(outputs[:1], batch, "distance")[0].backward()
