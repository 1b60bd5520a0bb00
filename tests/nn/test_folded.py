"""Folded networks against the same ones run as they are."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import Any
from unittest.mock import patch

import networkx as nx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from multiscale_gcn.nn import (
    CrossScaleFusion,
    Folded,
    GConv,
    GraphConvBlock,
    MultiScaleGCN,
    NonLocal,
    ResGConv,
    ScaleSum,
    SemGConv,
)
from multiscale_gcn.nn import folded_layers as layers
from multiscale_gcn.nn import folded_products as products
from multiscale_gcn.testing import graphs

CONVOLUTIONS: tuple[Any, ...] = (
    SemGConv,
    GConv,
    partial(GConv, separate_self=True),
    partial(GConv, weighted=True, bias=False),
    partial(SemGConv, per_channel=True),
)


def stirred(network: nn.Module) -> nn.Module:
    """With weights and statistics of which none is what it begins as; in evaluation."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point() and "adjacency" not in name:
                tensor.normal_(0, 0.5, generator=generator)
    return network.eval()


def assert_same(network: nn.Module, *inputs: Tensor) -> Any:
    folded = Folded(network).eval()
    with torch.no_grad():
        expected, found = network(*inputs), folded(*inputs)
        plain = folded.for_export()(*inputs)
    assert folded.reason is None
    close(found, expected)
    close(plain, expected)
    return folded


def close(found: Any, expected: Any) -> None:
    """To rounding, which sums of hundreds of numbers add up."""
    first = expected if isinstance(expected, Tensor) else next(iter(expected))
    wide = first.dtype == torch.float64
    within = 1e-9 if wide else 1e-4
    torch.testing.assert_close(found, expected, rtol=within, atol=within)


@settings(max_examples=25, deadline=None)
@given(
    graph=graphs(min_nodes=1),
    convolution=st.sampled_from(CONVOLUTIONS),
    batch=st.integers(0, 3),
    widths=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    block=st.booleans(),
)
def test_convolutions_and_blocks(graph, convolution, batch, widths, block) -> None:
    torch.manual_seed(0)
    inside, outside = widths
    layer = convolution(inside, outside, graph)
    if block:
        layer = GraphConvBlock(inside, outside, graph, convolution=convolution)
    x = torch.randn(batch, graph.num_nodes, inside, dtype=torch.float64)
    assert_same(stirred(layer.double()), x)


@pytest.mark.parametrize("nodes", [1, 17, 300])
@pytest.mark.parametrize("groups", [False, True])
def test_non_local(nodes: int, groups: bool) -> None:
    torch.manual_seed(0)
    block = NonLocal(6, groups=[list(range(nodes))] if groups else None).double()
    assert_same(stirred(block), torch.randn(2, nodes, 6, dtype=torch.float64))


@pytest.mark.parametrize("order", ["parallel", "sequential"])
@pytest.mark.parametrize("channels", [None, [4, 4, 4], [2, 4, 8]])
def test_fusions(order, channels) -> None:
    torch.manual_seed(0)
    fusion = stirred(CrossScaleFusion([3, 5, 2], order, channels=channels).double())
    widths = channels or [4, 4, 4]
    features = [
        torch.randn(2, n, c, dtype=torch.float64) for n, c in zip((3, 5, 2), widths, strict=True)
    ]
    assert_same(_OfTensors(fusion).eval(), *features)


class _OfTensors(nn.Module):
    """Takes the scales one by one."""

    def __init__(self, fusion: nn.Module) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, *features: Tensor) -> list[Tensor]:
        result: list[Tensor] = self.fusion(list(features))
        return result


def two_scales(**options) -> Any:
    graphs = [nx.grid_2d_graph(4, 4), nx.path_graph(5)]
    torch.manual_seed(0)
    network = MultiScaleGCN(
        graphs, "parallel", in_channels=2, channels=8, out_channels=3, **options
    )
    stirred(network)
    return network


@pytest.mark.parametrize("batch", [1, 2, 40])
@pytest.mark.parametrize("options", [{}, {"fusion_order": "sequential"}, {"start": "published"}])
def test_networks_of_several_scales(batch: int, options) -> None:
    network = two_scales(**options).double()
    assert_same(network, torch.randn(batch, 16, 2, dtype=torch.float64))


def test_every_layer_of_a_network_is_folded() -> None:
    folded = assert_same(two_scales(), torch.randn(3, 16, 2))
    kinds = {type(part) for part in folded._folded.module.modules()}
    assert not kinds & {SemGConv, GraphConvBlock, NonLocal, ScaleSum}
    assert layers.FoldedConvolution in kinds


@pytest.mark.parametrize("work", [0, 2**40])
def test_both_products_give_the_same(work: int) -> None:
    """By oneDNN, and by whatever PyTorch takes."""
    with patch.object(products, "PRODUCT_WORK", work):
        assert_same(two_scales(), torch.randn(3, 16, 2))
    with patch.object(products, "_packed", lambda weight: None):
        assert_same(two_scales(), torch.randn(3, 16, 2))


def test_it_folds_anew_when_weights_change() -> None:
    network = two_scales()
    x = torch.randn(2, 16, 2)
    folded = assert_same(network, x)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    folded.train()
    sum(y.square().mean() for y in folded(x)).backward()
    optimizer.step()
    folded.eval()
    with torch.no_grad():
        close(folded(x), network(x))
    state = {name: tensor * 1.5 for name, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    with torch.no_grad():
        close(folded(x), network(x))
        folded.double()
        close(folded(x.double()), network(x.double()))
        network.blocks[0]["0"].train()
        close(folded(x.double()), network(x.double()))
        network.eval()
        close(folded(x.double()), network(x.double()))


def test_the_parts_of_a_network_keep_their_state() -> None:
    network = two_scales()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = assert_same(network, torch.randn(2, 16, 2))
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert set(folded.state_dict()) == {f"module.{name}" for name in before}
    for again in (copy.deepcopy(folded), pickle.loads(pickle.dumps(folded))):
        x = torch.randn(2, 16, 2)
        with torch.no_grad():
            close(again(x), network(x))


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda f: f.train(), "it is in training; call eval() first"),
        (lambda f: f, "gradients are asked for; call it under torch.no_grad()"),
    ],
)
def test_it_says_why_it_runs_as_it_is(prepare, reason: str) -> None:
    network = two_scales()
    folded = prepare(Folded(network).eval())
    x = torch.randn(2, 16, 2)
    assert all(map(torch.equal, folded(x), network(x)))
    assert folded.reason == reason


def test_autocast_inference_tensors_and_other_inputs_run_as_they_are() -> None:
    x = torch.randn(2, 16, 2)
    folded: Any = Folded(two_scales()).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(folded(x)[0], folded.module(x)[0])
    assert folded.reason.startswith("autocast")
    with torch.inference_mode():
        folded = Folded(two_scales()).eval()
        assert torch.equal(folded(x)[0], folded.module(x)[0])
    assert folded.reason.startswith("weights were made in inference mode")
    assert Folded(nn.Identity()).eval()(3) == 3
    with torch.inference_mode():
        outside = Folded(ResGConv(4, nx.path_graph(2))).eval()
    assert outside.reason is None


def test_hooks_and_layers_of_others_keep_their_place() -> None:
    network = two_scales()
    seen = []
    network.blocks[0]["0"].first.register_forward_hook(lambda *_: seen.append("block"))
    network.outputs["0"].register_forward_hook(lambda *_: seen.append("output"))
    assert_same(network, torch.randn(2, 16, 2))
    assert seen == ["block", "output"] * 3  # of the network, folded, and for export

    class Doubled(SemGConv):
        def convolve(self, x, norm, relu):
            return 2 * super().convolve(x, norm, relu)

    assert_same(stirred(Doubled(2, 3, nx.path_graph(2))), torch.randn(2, 2, 2))


def test_wrong_inputs_are_refused_as_by_the_network() -> None:
    folded = Folded(two_scales()).eval()
    with torch.no_grad():
        for x in (torch.randn(2, 15, 2), torch.randn(16, 2), torch.randn(2, 16, 2).double()):
            with pytest.raises(ValueError, match=r"scale 0|float64") as mine:
                folded(x)
            with pytest.raises(ValueError, match=r"scale 0|float64") as networks:
                folded.module(x)
            if x.dtype == torch.float32:
                assert str(mine.value) == str(networks.value)
    with pytest.raises(TypeError, match="module"):
        Folded(lambda x: x)  # type: ignore[arg-type]


def test_the_blocks_of_a_network_are_folded_whole() -> None:
    folded = assert_same(two_scales(), torch.randn(1, 16, 2))
    kinds = [type(part) for part in folded._folded.module.modules()]
    assert layers.FoldedBlock in kinds
    assert layers.FoldedFusion in kinds
    assert not {ResGConv, CrossScaleFusion} & set(kinds)


@pytest.mark.parametrize("pairs", [[(0, 1), (1, 0), (2, 0)], None])
def test_fusions_of_some_pairs_and_of_four_scales(pairs) -> None:
    torch.manual_seed(0)
    sizes = [3, 5, 2] if pairs else [3, 5, 2, 4]
    fusion = stirred(CrossScaleFusion(sizes, pairs=pairs).double())
    features = [torch.randn(2, n, 4, dtype=torch.float64) for n in sizes]
    folded = assert_same(_OfTensors(fusion).eval(), *features)
    joined = isinstance(folded._folded.module.fusion, layers.FoldedFusion)
    assert joined == (pairs is None)


@pytest.mark.parametrize("kind", ["fusion", "sum"])
def test_too_few_scales_are_refused(kind: str) -> None:
    layer = CrossScaleFusion([3, 5]) if kind == "fusion" else ScaleSum([3, 5], 2)
    folded = Folded(_OfTensors(layer)).eval()
    name = "features" if kind == "fusion" else "sources"
    with torch.no_grad(), pytest.raises(ValueError, match=f"{name} has 1 tensors, expected 2"):
        folded(torch.randn(2, 3, 4))
    assert folded.reason is None


def test_dropout_that_is_in_training_is_not_left_out() -> None:
    """As for answers that are drawn many times, to see how sure a network is."""
    block: Any = GraphConvBlock(3, 64, nx.path_graph(4), dropout=0.9)
    stirred(block)
    block.dropout.train()
    x = torch.ones(1, 4, 3)
    folded = Folded(block)
    folded.training = False
    with torch.no_grad():
        drawn = [folded(x) for _ in range(8)]
    assert any(not torch.equal(one, drawn[0]) for one in drawn)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}, {"convolution": GConv}])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_made_for_export_is_plain_and_has_a_dynamic_batch(batch: int, options) -> None:
    network = two_scales(**options).double()
    plain = Folded(network).eval().for_export()
    shape = None if batch == 1 else {"inputs": ({0: torch.export.Dim.DYNAMIC},)}
    x = torch.randn(batch, 16, 2, dtype=torch.float64)
    with torch.no_grad():
        program = torch.export.export(plain, (x,), dynamic_shapes=shape)
        names = {str(node.target) for node in program.graph.nodes}
        assert not any(name in " ".join(names) for name in ("embedding_bag", "mkldnn", "softmax"))
        for size in (batch,) if batch == 1 else (batch, 7):
            x = torch.randn(size, 16, 2, dtype=torch.float64)
            close(program.module()(x), network(x))


def test_what_is_made_for_export_keeps_its_numbers() -> None:
    network = two_scales()
    folded = Folded(network)
    with pytest.raises(ValueError, match=r"it is in training; call eval\(\) first"):
        folded.train().for_export()
    plain, x = folded.eval().for_export(), torch.randn(2, 16, 2)
    with torch.no_grad():
        before = plain(x)[0]
        for tensor in network.state_dict().values():
            tensor.zero_()
        assert torch.equal(plain(x)[0], before)


def test_large_graphs_stay_sparse_for_export() -> None:
    layer: Any = stirred(SemGConv(2, 3, nx.path_graph(600)))
    plain = Folded(layer).eval().for_export()
    assert type(plain) is SemGConv
    with torch.no_grad():
        x = torch.randn(1, 600, 2)
        close(plain(x), layer(x))


def test_under_a_compiler_the_network_itself_is_seen() -> None:
    folded = Folded(two_scales()).eval()
    x = torch.randn(2, 16, 2)
    with torch.no_grad():
        program = torch.export.export(folded, (x,))
        assert torch.equal(program.module()(x)[0], folded.module(x)[0])
