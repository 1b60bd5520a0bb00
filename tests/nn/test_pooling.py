"""Pooling and unpooling, held to the hierarchy's own matrices and to their gradients."""

from __future__ import annotations

import copy
from typing import get_args

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from multiscale_gcn import Hierarchy, as_graph, coarsen
from multiscale_gcn.nn import GraphPool, GraphUnpool
from multiscale_gcn.nn.pooling import PoolKind
from multiscale_gcn.testing import graphs

KINDS: tuple[PoolKind, ...] = get_args(PoolKind)


def uneven() -> Hierarchy:
    """Clusters of 1 to 7 nodes, their members not side by side, and a level above."""
    graph = as_graph(nx.path_graph(14), node_weights=np.arange(1, 15))
    return Hierarchy.from_parents(
        graph, [[2, 0, 1, 1, 3, 0, 1, 1, 2, 1, 3, 1, 1, 4], [0, 1, 0, 1, 1]]
    )


def features(*shape: int, seed: int = 0, **options) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64, **options)


@settings(max_examples=20)
@given(graphs(min_nodes=1), st.sampled_from(KINDS), st.sampled_from([(), (2,), (2, 3), (0,)]))
def test_pool_is_the_hierarchys_restriction(graph, kind, leading) -> None:
    hierarchy = coarsen(graph, min_nodes=1)
    for fine, coarse in ((0, -1), (0, 0), (len(hierarchy) // 2, -1)):
        pool = GraphPool(hierarchy, fine, coarse, kind).double()
        x = features(*leading, hierarchy[fine].num_nodes, 3)
        y = pool(x)
        assert y.shape == (*leading, hierarchy[coarse].num_nodes, 3)
        nodes_first = x.movedim(-2, 0).numpy()
        expected = hierarchy.restrict(nodes_first, fine, coarse, kind)
        np.testing.assert_allclose(y.movedim(-2, 0), expected, rtol=1e-5, atol=1e-6)
        unpool = GraphUnpool(hierarchy, coarse, fine)
        lifted = hierarchy.prolong(y.movedim(-2, 0).numpy(), coarse, fine)
        np.testing.assert_array_equal(unpool(y).movedim(-2, 0), lifted)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind: PoolKind) -> None:
    hierarchy = uneven()
    pool = GraphPool(hierarchy, 0, 1, kind).double()
    x = features(2, 14, 3, requires_grad=True)
    assert torch.autograd.gradcheck(pool, x)
    assert torch.autograd.gradgradcheck(pool, x)
    pool = GraphPool(hierarchy, 0, 2, kind).double()
    assert torch.autograd.gradcheck(pool, features(14, 2, requires_grad=True))


def test_gradients_of_unpooling() -> None:
    unpool = GraphUnpool(uneven(), 2, 0)
    assert torch.autograd.gradcheck(unpool, features(2, 2, 3, requires_grad=True))
    assert torch.autograd.gradgradcheck(unpool, features(2, 2, 3, requires_grad=True))


def test_equal_maxima_share_the_gradient() -> None:
    hierarchy = uneven()
    x = torch.zeros(14, 1)
    x[6] = 1.0  # the best of its cluster alone
    GraphPool(hierarchy, 0, 1, "max")(x.requires_grad_()).sum().backward()
    assert x.grad is not None
    assert GraphPool(hierarchy, 0, 1, "sum")(x.grad).flatten().tolist() == [1] * 5
    others = torch.from_numpy(hierarchy.parent(0, 1) != 1)
    assert (x.grad[:, 0] > 0).equal(others | (torch.arange(14) == 6))


@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays_in_its_cluster(kind: PoolKind) -> None:
    hierarchy = uneven()
    x = torch.zeros(14, 2)
    x[6, 1] = torch.nan
    lost = GraphPool(hierarchy, 0, 1, kind)(x).isnan()
    assert lost.nonzero().tolist() == [[1, 1]], "node 6 belongs to 1"


@pytest.mark.parametrize("kind", KINDS)
def test_pooling_what_was_unpooled(kind: PoolKind) -> None:
    hierarchy = uneven()
    y = features(4, 2, 5).float()
    again = GraphPool(hierarchy, 0, 2, kind)(GraphUnpool(hierarchy, 2, 0)(y))
    members = torch.tensor([4.0, 10.0])[:, None] if kind == "sum" else 1.0
    torch.testing.assert_close(again, members * y)


class UNet(nn.Module):
    def __init__(self, hierarchy: Hierarchy, kind: PoolKind) -> None:
        super().__init__()
        self.down = GraphPool(hierarchy, 0, -1, kind)
        self.inner = nn.Linear(3, 3)
        self.up = GraphUnpool(hierarchy, -1, 0)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.up(self.inner(self.down(x)))
        return result


@pytest.mark.filterwarnings("default")  # of the compiler itself
@pytest.mark.parametrize("kind", KINDS)
def test_compiles_as_one_graph(kind: PoolKind) -> None:
    torch.manual_seed(0)
    net = UNet(uneven(), kind).double()
    x = features(2, 14, 3, requires_grad=True)
    expected = net(x)
    (gradient,) = torch.autograd.grad(expected.square().sum(), x)
    torch.compiler.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    ours = compiled(x)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(torch.autograd.grad(ours.square().sum(), x)[0], gradient)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_sums_in_float32(kind: PoolKind) -> None:
    star = Hierarchy.from_parents(nx.star_graph(4095), [[0] * 4096])
    x = torch.ones(4096, 1, dtype=torch.bfloat16)
    pooled = GraphPool(star, 0, 1, kind)(x)
    assert pooled.dtype == torch.bfloat16
    assert pooled.item() == (4096 if kind == "sum" else 1)
    net = UNet(uneven(), kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = net(features(2, 14, 3).float())
    result.float().sum().backward()
    assert net.inner.weight.grad is not None
    assert net.inner.weight.grad.isfinite().all()


def test_large_graphs_need_no_dense_matrix() -> None:
    """A dense 200,000 x 100,000 matrix would take 80 GB."""
    n = 200_000
    parent = np.random.default_rng(0).permutation(n) // 2
    edgeless = as_graph(np.empty((2, 0), dtype=int), num_nodes=n)
    hierarchy = Hierarchy.from_parents(edgeless, [parent])
    for kind in KINDS:
        pool, unpool = GraphPool(hierarchy, 0, 1, kind), GraphUnpool(hierarchy, 1, 0)
        x = torch.zeros(n, 2, requires_grad=True)
        unpool(pool(x)).sum().backward()
        total = sum(buffer.numel() for buffer in [*pool.buffers(), *unpool.buffers()])
        assert total < 8 * n


def test_buffers_follow_the_module_and_stay_out_of_the_state() -> None:
    for kind in KINDS:
        net = UNet(uneven(), kind)
        assert set(net.state_dict()) == {"inner.weight", "inner.bias"}
        assert {b.device.type for b in copy.deepcopy(net).to("meta").buffers()} == {"meta"}
    assert repr(GraphPool(uneven(), 0, 1)) == (
        "GraphPool(\n  14 -> 5 nodes, kind='mean'\n  (clusters): _Clusters()\n)"
    )


def test_bad_input_is_refused() -> None:
    hierarchy = uneven()
    with pytest.raises(ValueError, match="kind = 'min' is none of 'mean', 'sum'"):
        GraphPool(hierarchy, 0, 1, "min")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="level 0 is finer than level 1"):
        GraphPool(hierarchy, 1, 0)
    with pytest.raises(ValueError, match=r"x has shape \[2, 5, 3\], expected \[..., 14, C\]"):
        GraphPool(hierarchy, 0, 1)(torch.zeros(2, 5, 3))
    with pytest.raises(ValueError, match=r"expected \[..., 5, C\]"):
        GraphUnpool(hierarchy, 1, 0)(torch.zeros(5))
