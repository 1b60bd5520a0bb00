"""Layers name the argument that is wrong, and take numbers of any type."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from layer_graphs import ring
from torch import nn

from multiscale_gcn import coarsen
from multiscale_gcn import nn as typed

untyped: Any = typed
"""What is called here with types that it does not name."""

GRAPH = ring(5)
HIERARCHY = coarsen(ring(9), levels=1)
network = partial(
    untyped.MultiScaleGCN,
    [GRAPH],
    [[0]],
    in_channels=np.int64(3),
    channels=np.int8(4),
    out_channels=[2],
)


def test_counts_are_integers_of_any_type() -> None:
    layer = untyped.SemGConv(np.int32(3), np.uint8(4), GRAPH, per_channel=np.True_)
    assert type(layer.out_channels) is int
    assert layer.logits.shape == (4, 15)
    (y,) = network(non_local=np.False_)(torch.randn(2, 5, 3))
    assert y.shape == (2, 5, 2)
    sizes = np.array([5, 9])
    assert untyped.CrossScaleFusion(sizes).sizes == (5, 9)
    assert untyped.NonLocal(np.int64(4)).channels == 4


@pytest.mark.parametrize("value", [2.5, True, "4", None, 1j, 2**31, -1])
def test_counts_that_are_none(value: Any) -> None:
    for make in (
        lambda: untyped.SemGConv(3, value, GRAPH),
        lambda: untyped.GraphConvBlock(3, value, GRAPH),
        lambda: network(out_channels=value),
        lambda: untyped.MultiScaleGCN(
            [GRAPH], [[0]], in_channels=3, channels=4, out_channels=[value]
        ),
    ):
        with pytest.raises(ValueError, match=r"^out_channels(\[0\])? = "):
            make()


@pytest.mark.parametrize("value", [1, 0, "yes", None])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("bias", partial(untyped.SemGConv, 3, 4, GRAPH)),
        ("per_channel", partial(untyped.SemGConv, 3, 4, GRAPH)),
        ("separate_self", partial(untyped.GConv, 3, 4, GRAPH)),
        ("weighted", partial(untyped.GConv, 3, 4, GRAPH)),
        ("non_local", partial(untyped.ResGConv, 4, GRAPH)),
        ("non_local", network),
    ],
)
def test_flags_are_true_or_false(name: str, make: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} = .* must be True or False"):
        make(**{name: value})


@pytest.mark.parametrize("value", [1, 1.5, -0.1, float("nan"), "0.5", True])
def test_a_dropout_that_is_no_probability(value: Any) -> None:
    for make in (partial(untyped.GraphConvBlock, 3, 4, GRAPH), network):
        with pytest.raises(ValueError, match=r"^dropout = "):
            make(dropout=value)


@pytest.mark.parametrize("value", [None, "SemGConv", len, int, nn.Linear(3, 3), object()])
def test_a_convolution_that_cannot_be_called(value: Any) -> None:
    for make in (partial(untyped.GraphConvBlock, 3, 4, GRAPH), network):
        with pytest.raises(TypeError, match=r"^convolution = .* is no function of \(in_channels,"):
            make(convolution=value)


def test_a_convolution_that_makes_no_layer() -> None:
    with pytest.raises(TypeError, match="made a str; derive it from ConvolutionLayer"):
        untyped.GraphConvBlock(3, 4, GRAPH, convolution=lambda *_: "layer")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: untyped.MultiScaleGCN(GRAPH, [[0]], in_channels=1, channels=2, out_channels=1),
            "graphs",
        ),
        (
            lambda: untyped.MultiScaleGCN([GRAPH], 3, in_channels=1, channels=2, out_channels=1),
            "stages",
        ),
        (
            lambda: untyped.MultiScaleGCN([GRAPH], [0], in_channels=1, channels=2, out_channels=1),
            "stages",
        ),
        (lambda: untyped.ScaleSum({1, 2}, 3), "sources"),
        (lambda: untyped.ScaleSum(np.array(3), 3), "sources"),
        (lambda: untyped.CrossScaleFusion("ab"), "sizes"),
        (lambda: untyped.CrossScaleFusion([2, 3])(3), "features"),
        (lambda: untyped.HierarchyTransfer(HIERARCHY, 1), "levels"),
    ],
)
def test_what_is_no_sequence(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=rf"^{message}.* is no sequence; give a list"):
        make()


@pytest.mark.parametrize("value", [None, GRAPH, [GRAPH], "file"])
def test_what_is_no_hierarchy(value: Any) -> None:
    for make in (
        lambda: untyped.GraphPool(value, 0, 1),
        lambda: untyped.GraphUnpool(value, 1, 0),
        lambda: untyped.HierarchyTransfer(value),
    ):
        with pytest.raises(TypeError, match=r"^hierarchy = .* is no Hierarchy; coarsen\(graph"):
            make()


def test_graphs_of_a_network_are_named_by_their_place() -> None:
    with pytest.raises((TypeError, ValueError), match=r"^graphs\[1\]: "):
        untyped.MultiScaleGCN([GRAPH, None], [[0, 1]], in_channels=1, channels=2, out_channels=1)


@pytest.mark.parametrize(
    ("transfer", "message"),
    [(len, "transfer = .* is no function of"), (lambda i, k: "ab", "source 0 is a str; give")],
)
def test_transfers_that_are_none(transfer: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        untyped.CrossScaleFusion([2, 3], transfer=transfer)


@pytest.mark.parametrize("scale", [2, -1, "0", 0.0])
def test_scales_that_a_transfer_does_not_know(scale: Any) -> None:
    with pytest.raises(ValueError, match=r"^source = "):
        untyped.HierarchyTransfer(HIERARCHY)(scale, 0)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(2), "matrix is a ndarray; give a scipy.sparse matrix"),
        (sp.csr_array(np.ones(3)), r"matrix has shape \(3,\), expected \(M, N\)"),
        (sp.coo_array(np.eye(2)), r"matrix has the format coo; convert it with tocsr\(\)"),
        (sp.csr_array(([1.0, 1.0], [0, 0], [0, 2]), shape=(1, 2)), "columns twice or out of order"),
        (sp.csr_array(([1.0, 1.0], [1, 0], [0, 2]), shape=(1, 2)), "columns twice or out of order"),
    ],
)
def test_matrices_that_have_no_pattern(matrix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        untyped.MatrixPattern(matrix)


LAYERS = [
    (untyped.SemGConv(3, 4, GRAPH), torch.ones(2, 5, 3)),
    (untyped.GConv(3, 4, GRAPH), torch.ones(2, 5, 3)),
    (untyped.NonLocal(4), torch.ones(2, 5, 4)),
    (untyped.ResGConv(4, GRAPH), torch.ones(2, 5, 4)),
    (network(), torch.ones(2, 5, 3)),
]


@pytest.mark.parametrize(("layer", "x"), LAYERS, ids=lambda case: type(case).__name__)
def test_features_of_another_kind_are_refused(layer: nn.Module, x: torch.Tensor) -> None:
    with pytest.raises(TypeError, match=r" is a ndarray; give a torch\.Tensor"):
        layer(x.numpy())
    for other in (x.double(), x.half()):
        with pytest.raises(ValueError, match=r"float32 and x .*; convert one with \.to\(dtype\)"):
            layer(other)
    with pytest.raises(ValueError, match=r" is torch\.int64, expected one of"):
        layer(x.long())
    with pytest.raises(ValueError, match=r"is on cpu and x on meta; move one to the other"):
        layer(x.to("meta"))


def test_one_member_alone_is_told_how_to_be_a_batch() -> None:
    with pytest.raises(ValueError, match=r"expected \[B, 5, 3\]; one member .* scale 0\[None\]"):
        network()(torch.randn(5, 3))
    layer = untyped.SemGConv(3, 4, GRAPH)
    with pytest.raises(ValueError, match=r"expected \[B, 5, 3\]; one member is a batch too: x\["):
        layer(torch.randn(5, 3))
    with pytest.raises(ValueError, match=r"expected \[B, 5, 3\]$"):
        layer(torch.randn(4, 3))


def test_one_row_has_no_variance() -> None:
    x = torch.ones(1, 1, 4)
    with pytest.raises(ValueError, match=r"one row has no variance; .* call eval\(\)"):
        untyped.NonLocal(4)(x)
    assert untyped.NonLocal(4).eval()(x).shape == x.shape


@pytest.mark.parametrize("kind", ["mean", "sum", "max"])
def test_pooling_refuses_what_it_cannot_pool(kind: Any) -> None:
    pool, unpool = untyped.GraphPool(HIERARCHY, 0, 1, kind), untyped.GraphUnpool(HIERARCHY, 1, 0)
    for layer, nodes in ((pool, 9), (unpool, HIERARCHY[1].num_nodes)):
        with pytest.raises(TypeError, match=r"x is a list; give a torch\.Tensor"):
            layer([1.0])
        with pytest.raises(ValueError, match="give a dense tensor of real numbers"):
            layer(torch.ones(nodes, 2, dtype=torch.complex64))
        with pytest.raises(ValueError, match="x is on cpu and the layer on meta; move one"):
            layer.to("meta")(torch.ones(nodes, 2))
    assert untyped.GraphPool(HIERARCHY, 0, 1, kind)(torch.ones(0, 9, 2)).shape[0] == 0
