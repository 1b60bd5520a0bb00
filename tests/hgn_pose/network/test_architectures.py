"""What every network of the registry does, and how many parameters its paper has."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from examples.hgn_pose.network.building import NetworkOptions, build_network, count_parameters
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.samples.batches import input_shape

WITHOUT_MESHES = [name for name, entry in ARCHITECTURES.items() if not entry.has_meshes]
VARIANTS = [
    (name, conv)
    for name in WITHOUT_MESHES
    for conv in (("sem", "vanilla") if ARCHITECTURES[name].takes_convolutions else ("sem",))
]


def narrow(name: str, conv: str = "sem", dropout: float | None = 0.0) -> NetworkOptions:
    """With few channels, and with the shortest clip where it is given one."""
    frames = min(ARCHITECTURES[name].frames, key=lambda number: (number == 1, number))
    return NetworkOptions(name, channels=16, conv=conv, dropout=dropout, frames=frames)  # type: ignore[arg-type]


def small(name: str, conv: str = "sem") -> nn.Module:
    """A narrow network without dropout, all of whose parameters are random."""
    model = build_network(narrow(name, conv), None, seed=0)
    torch.manual_seed(1)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def shape(name: str) -> tuple[int, ...]:
    """Of one input."""
    return input_shape(narrow(name).window)


@pytest.mark.parametrize(("name", "conv"), VARIANTS)
def test_every_parameter_takes_part(name, conv):
    model = small(name, conv)
    (pose,) = model(torch.randn(8, *shape(name)))
    assert pose.shape == (8, 17, 3)
    assert pose.dtype == torch.float32
    (pose * torch.randn_like(pose)).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize(("name", "conv"), VARIANTS)
def test_poses_of_a_batch_are_apart(name, conv):
    model = small(name, conv).eval()
    x = torch.randn(5, *shape(name))
    (whole,) = model(x)
    for k in range(5):
        torch.testing.assert_close(model(x[k : k + 1])[0], whole[k : k + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "conv"), VARIANTS)
def test_every_joint_may_move_every_other(name, conv):
    """The receptive field is the whole body, as in all of the papers."""
    model = small(name, conv).eval()
    x = torch.randn(3, *shape(name), requires_grad=True)
    (pose,) = model(x)
    reached = torch.autograd.grad(pose[:, 10].sum(), x)[0].abs().amax((0, -1))
    assert (reached > 0).all(), reached  # of every frame


@pytest.mark.parametrize(("name", "conv"), VARIANTS)
def test_state_and_buffers_are_apart_from_the_graph(name, conv):
    model = small(name, conv)
    other = build_network(narrow(name, conv), None, seed=5)
    x = torch.randn(3, *shape(name))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.eval()(x)[0], model.eval()(x)[0])


@pytest.mark.parametrize("name", WITHOUT_MESHES)
def test_it_reads_no_value_back(name):
    """What has no values cannot be read: so a CUDA device is never waited for, and can record."""
    model = small(name).to("meta")
    (pose,) = model(torch.empty(4, *shape(name), device="meta"))
    pose.sum().backward()
    assert pose.shape == (4, 17, 3)


@pytest.mark.filterwarnings("default")  # of the compiler itself
@pytest.mark.parametrize("name", WITHOUT_MESHES)
def test_its_steps_are_the_same_for_all_data(name):
    """One graph of operations holds them all."""
    model = small(name).eval()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    x = torch.randn(4, *shape(name))
    torch.testing.assert_close(compiled(x), model(x))


@pytest.mark.parametrize("name", WITHOUT_MESHES)
def test_dropout_is_that_of_the_options(name):
    def rates(dropout: float | None) -> set[float]:
        model = build_network(narrow(name, dropout=dropout), None, 0)
        found = {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
        found |= {m.dropout for m in model.modules() if isinstance(m, nn.MultiheadAttention)}
        return found - {0.0}

    assert rates(0.125) == {0.125}
    assert not rates(0.0)


@pytest.mark.parametrize(
    ("options", "parameters", "printed"),
    [
        (NetworkOptions("mlp"), 4_296_755, "4.29"),
        (NetworkOptions("semgcn"), 434_733, "0.43"),
        (NetworkOptions("semgcn", non_local="none"), 267_373, "0.27"),
        (NetworkOptions("graphsh"), 438_684, "0.44"),
        (NetworkOptions("graphsh", conv="vanilla"), 224_907, "0.22"),
        (NetworkOptions("transformer"), 1_786_947, "1.787"),
        (NetworkOptions("graformer"), 654_344, "0.65"),
        (NetworkOptions("modulated"), 289_408, "0.29"),
        (NetworkOptions("high_order"), 1_198_065, "1.20"),
        (NetworkOptions("temporal_convolutions"), 8_555_571, "8.56"),
        (NetworkOptions("temporal_convolutions", frames=81), 12_753_971, "12.75"),
        (NetworkOptions("temporal_convolutions", frames=243), 16_952_371, "16.95"),
    ],
)
def test_parameters_are_the_papers(options, parameters, printed):
    """Counted on 17 joints; what that changes stands in the docstring of each network."""
    model = build_network(options, None, 0)
    assert count_parameters(model) == parameters
    assert abs(parameters / 1e6 - float(printed)) < 0.01


@pytest.mark.parametrize(
    ("name", "on_16_joints", "of_the_nose"),
    [
        # Both ends of an edge and a loop more, a logit each, in ten convolutions, or nine.
        ("semgcn", 434_703, 10 * 3),
        ("graphsh", 438_657, 9 * 3),
        # A joint more on either side of five learned adjacency matrices.
        ("graformer", 654_179, 5 * (17**2 - 16**2)),
        # A row of factors in each of ten convolutions, and 33 offsets.
        # Two matrices of each size. The paper prints 4.22 million.
        ("weight_sharing", 4_218_243, 2 * (2 * 128 + 8 * 128 * 128 + 128 * 3)),
        ("modulated", 287_923, 9 * 128 + 3 + 10 * (17**2 - 16**2)),
    ],
)
def test_parameters_are_the_published_modules(name, on_16_joints, of_the_nose):
    """Counted on the published code, which leaves the nose out."""
    model = build_network(NetworkOptions(name), None, 0)
    assert count_parameters(model) == on_16_joints + of_the_nose


def test_ways_to_share_are_refused_where_they_mean_nothing():
    with pytest.raises(ValueError, match=r"sharing = full means nothing to mlp.*leave it out"):
        NetworkOptions("mlp", sharing="full")
    with pytest.raises(ValueError, match="sharing = 'some'"):
        NetworkOptions("weight_sharing", sharing="some")  # type: ignore[arg-type]
    assert "sharing" not in NetworkOptions("mlp").as_json()


def test_channels_that_cannot_be_shared_out_are_refused():
    with pytest.raises(
        ValueError, match=r"channels = 6 must be a multiple of 4 for graphsh.*take 8"
    ):
        NetworkOptions("graphsh", channels=6)


@pytest.mark.parametrize(
    ("name", "frames", "message"),
    [
        ("temporal_convolutions", 9, "none of those of temporal_convolutions: 27, 81, 243"),
        ("mlp", 27, "frames = 27 means nothing to mlp, which is given one frame; leave it out"),
        ("mlp", 0, "frames"),
    ],
)
def test_numbers_of_frames_that_a_network_does_not_know_are_refused(name, frames, message):
    with pytest.raises(ValueError, match=message):
        NetworkOptions(name, frames=frames)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_number_of_frames_has_a_middle_and_is_written_down(name):
    frames = ARCHITECTURES[name].frames
    assert all(number % 2 == 1 for number in frames)
    written = NetworkOptions(name).as_json()
    assert written.get("frames") == (None if frames == (1,) else frames[0])
    assert NetworkOptions(**written).window == frames[0]


def test_titles_tell_networks_apart():
    assert len({entry.title for entry in ARCHITECTURES.values()}) == len(ARCHITECTURES)
