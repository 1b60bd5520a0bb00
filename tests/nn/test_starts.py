"""At the start no layer, schedule, depth or number of scales changes the size of features."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn import coarsen
from multiscale_gcn.nn import (
    CrossScaleFusion,
    GConv,
    GraphConvBlock,
    HierarchyTransfer,
    MultiScaleGCN,
    NonLocal,
    ResGConv,
    ScaleSum,
    Schedule,
    SemGConv,
    convolutions,
)
from multiscale_gcn.nn.schedules import BY_NAME

FACTOR = 3.0
"""Between the size of the input, which is 1, and that of any features."""

CHANNELS = 32
"""Of outputs too: the size of a single channel is that of a single draw of weights."""

HIERARCHY = coarsen(ring(96), sizes=[48, 24, 12, 6])
OF_RESIDUAL_BLOCKS = {"GraphAttention", "AdaptiveGConv"}
"""These begin as in transformers, where what they add is normalised first: see their notes."""
CONVOLUTIONS = {
    name: getattr(convolutions, name)
    for name in convolutions.__all__
    if issubclass(getattr(convolutions, name), nn.Module) and name not in OF_RESIDUAL_BLOCKS
} | {
    "GConv separate": functools.partial(GConv, separate_self=True),
    "SemGConv per channel": functools.partial(SemGConv, per_channel=True),
}
TRANSFERS: dict[str, Any] = {
    "dense": None,
    "constant": HierarchyTransfer(HIERARCHY),
    "smoothed": HierarchyTransfer(HIERARCHY, kind="smoothed"),
    "linear": HierarchyTransfer(
        HIERARCHY, kind="linear", positions=torch.linspace(0, 1, 96)[:, None].numpy()
    ),
}


def size(x: Tensor) -> float:
    """Root mean square."""
    return float(x.detach().square().mean().sqrt())


def smooth_input(nodes: int, channels: int) -> Tensor:
    """Of size 1, and alike at neighbours, as fields on a mesh are."""
    places = torch.arange(nodes) / nodes * 2 * torch.pi
    waves = torch.cos(places[:, None] + 2 * torch.pi * torch.rand(32, 1, channels))
    x = waves + torch.randn(32, 1, channels)
    return x / size(x)


def sizes_on_the_way(net: MultiScaleGCN, train: bool) -> dict[str, float]:
    """Of what every encoder, beginning, block, fusion and decoder makes."""
    sizes = {}

    def keep(name: str, result: Tensor | list[Tensor]) -> None:
        parts = [result] if isinstance(result, Tensor) else result
        sizes.update({f"{name}[{place}]": size(x) for place, x in enumerate(parts)})

    for part in ("inputs", "beginnings", "blocks", "fusions", "outputs"):
        for name, module in getattr(net, part).named_children():
            children = module.items() if isinstance(module, nn.ModuleDict) else [("", module)]
            for inner, child in children:
                where = f"{part}.{name}.{inner}"
                child.register_forward_hook(lambda _, __, result, where=where: keep(where, result))
    inputs = [
        smooth_input(nodes, channels)
        for nodes, channels in zip(net.sizes, net.in_channels, strict=True)
        if channels
    ]
    net.train(train)(*inputs)
    return sizes


@st.composite
def stages(draw: st.DrawFn) -> list[list[int]]:
    """Of one to five scales, of which scale 0 has the input."""
    count = draw(st.integers(1, 5))
    some = st.lists(st.integers(0, count - 1), min_size=1, max_size=count, unique=True)
    return draw(st.lists(some, min_size=1, max_size=12))


def network(schedule: Schedule | list[list[int]], **options) -> MultiScaleGCN:
    named = schedule.stages if isinstance(schedule, Schedule) else schedule
    count = 1 + max(k for stage in named for k in stage)
    arguments = {
        "in_channels": 2,
        "channels": CHANNELS,
        "out_channels": [
            CHANNELS * any(k in stage for stage in [(0,), *named]) for k in range(count)
        ],
        **options,
    }
    return MultiScaleGCN([level.graph for level in list(HIERARCHY)[:count]], schedule, **arguments)


def assert_of_one_size(net: MultiScaleGCN) -> None:
    for train in (True, False):
        off = {
            name: round(value, 3)
            for name, value in sizes_on_the_way(net, train).items()
            if not 1 / FACTOR < value < FACTOR
        }
        assert not off, "in training" if train else "in evaluation"


@settings(max_examples=60, deadline=None)
@given(
    schedule=stages(),
    convolution=st.sampled_from(sorted(CONVOLUTIONS)),
    transfer=st.sampled_from(sorted(TRANSFERS)),
    start=st.sampled_from(["zero", "given"]),
    fusion_order=st.sampled_from(["parallel", "sequential"]),
    non_local=st.booleans(),
    seed=st.integers(0, 9),
)
def test_no_schedule_changes_the_size_of_features(
    schedule, convolution, transfer, start, fusion_order, non_local, seed
):
    torch.manual_seed(seed)
    assert_of_one_size(
        network(
            schedule,
            convolution=CONVOLUTIONS[convolution],
            transfer=TRANSFERS[transfer],
            start=start,
            fusion_order=fusion_order,
            non_local=non_local,
        )
    )


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("stages", [60, 12])
def test_no_depth_and_no_number_of_scales_does(stages, train):
    """What the blocks add up to stays below what one would add."""
    torch.manual_seed(0)
    net = network([[0, 1, 2, 3, 4]] * stages, transfer=TRANSFERS["constant"], non_local=False)
    sizes = sizes_on_the_way(net, train)
    for k in range(5):
        first, last = sizes[f"blocks.0.{k}[0]"], sizes[f"blocks.{stages - 1}.{k}[0]"]
        assert first <= last < 2 * first


@pytest.mark.parametrize("name", sorted(BY_NAME))
@pytest.mark.parametrize("num_scales", [1, 2, 5])
@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("transfer", [None, TRANSFERS["constant"]])
def test_no_named_schedule_does(name, num_scales, depth, transfer):
    torch.manual_seed(0)
    schedule = BY_NAME[name](num_scales, depth=depth)
    widths = [16, 64, 32, 48, 24][:num_scales]
    assert_of_one_size(network(schedule, transfer=transfer, channels=widths))


def test_a_network_as_published_fails_here():
    """Sums over scales and stages: the features double and more in each."""
    torch.manual_seed(0)
    net = network([[0, 1, 2, 3]] * 6, transfer=TRANSFERS["constant"], start="published")
    sizes = sizes_on_the_way(net, train=True)
    fused = [sizes[f"fusions.{stage}.[0]"] for stage in range(6)]
    assert all(after > 2 * before for before, after in pairwise(fused))


@pytest.mark.parametrize("channels", [(1, 64), (64, 1), (32, 32), (3, 200)])
@pytest.mark.parametrize("convolution", sorted(CONVOLUTIONS))
def test_no_convolution_does(convolution, channels):
    """As it is in front of a ReLU, which halves the mean square."""
    torch.manual_seed(0)
    found = []
    for _ in range(20):
        layer = CONVOLUTIONS[convolution](*channels, ring(24))
        x = smooth_input(24, 1).expand(-1, -1, channels[0]) * torch.randn(channels[0]).sign()
        found.append(size(layer(x)) ** 2 / 2)
    assert 0.25 < sum(found) / len(found) < 4


def test_no_layer_does():
    torch.manual_seed(0)
    x = smooth_input(24, 32)
    layers: dict[str, Callable[[Tensor], Tensor]] = {
        "GraphConvBlock": GraphConvBlock(32, 32, ring(24)),
        "ResGConv": ResGConv(32, ring(24)),
        "NonLocal": NonLocal(32),
        "ScaleSum": lambda x: ScaleSum([24] * 4, 50)([x] * 4),
        "ScaleSum of means": lambda x: ScaleSum([24] * 4, 24, [torch.eye(24).numpy()] * 4)([x] * 4),
        "CrossScaleFusion": lambda x: CrossScaleFusion([24] * 4)([x] * 4)[0],
    }
    for name, layer in layers.items():
        assert 0.5 < size(layer(x)) < 2, name


def test_a_sum_begins_as_the_mean_of_its_matrices():
    torch.manual_seed(0)
    matrices = [TRANSFERS["constant"](k, 2) for k in (0, 1)]
    features = [torch.randn(3, size, 5) for size in HIERARCHY.sizes[:2]]
    expected = sum(
        torch.from_numpy(matrix.toarray()).float() @ x
        for matrix, x in zip(matrices, features, strict=True)
    )
    sizes = HIERARCHY.sizes
    for start, factor in {"mean": 0.5, "published": 1.0, "zero": 0.0}.items():
        layer = ScaleSum(sizes[:2], sizes[2], matrices, start=start)  # type: ignore[arg-type]
        torch.testing.assert_close(layer(features), factor * expected)


def test_the_sum_of_dense_maps_begins_as_large_as_its_sources():
    """Unequal sizes and many draws: the mean square is that of the sources."""
    torch.manual_seed(0)
    features = [torch.rand(1, n, 3) * s for n, s in ((40, 1.0), (10, 3.0), (90, 0.1))]
    expected = sum(float(x.square().mean()) for x in features) / 3
    found = [size(ScaleSum([40, 10, 90], 70)(features)) ** 2 for _ in range(200)]
    assert sum(found) / len(found) == pytest.approx(expected, rel=0.05)


def test_blocks_begin_with_their_gain():
    torch.manual_seed(0)
    x = torch.randn(8, 6, 4)
    block, small = ResGConv(4, ring(6)), ResGConv(4, ring(6), gain=0.125)
    small.load_state_dict({**block.state_dict(), "second.norm.weight": torch.full((4,), 0.125)})
    torch.testing.assert_close(small(x) - x, 0.125 * (block(x) - x))
    assert torch.equal(ResGConv(4, ring(6), gain=0.125).second.norm.weight, torch.full((4,), 0.125))
    with pytest.raises(ValueError, match="gain = 0 must be positive"):
        ResGConv(4, ring(6), gain=0)


def test_given_maps_are_there_from_the_start_and_change_nothing():
    """Behind maps of the channels that begin at zero, which learn at once."""
    torch.manual_seed(0)
    rest = torch.softmax(torch.randn(48, 96), dim=1).numpy()

    def transfer(source: int, target: int) -> object:
        return rest if (source, target) == (0, 1) else TRANSFERS["constant"](source, target)

    fusion = CrossScaleFusion([96, 48], transfer=transfer, channels=[4, 6], start="given")
    fine, coarse = torch.randn(2, 96, 4), torch.randn(2, 48, 6)
    for before, after in zip((fine, coarse), fusion([fine, coarse]), strict=True):
        assert torch.equal(before, after)
    weight = fusion.get_parameter("sums.1.channel_maps.0.weight")
    torch.testing.assert_close(
        fusion.get_parameter("sums.1.maps.0.weight"), torch.from_numpy(rest).float()
    )
    nn.init.normal_(weight)
    expected = coarse + torch.from_numpy(rest).float() @ fine @ weight.T
    torch.testing.assert_close(fusion([fine, coarse])[1], expected)
