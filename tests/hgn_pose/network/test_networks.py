"""HGN and the networks beside it, their parameter counts, and the skeleton."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from examples.hgn_pose.body.skeleton import EDGES, FLIP, JOINTS, PAIRS, skeleton_graph
from examples.hgn_pose.measuring.parameter_counts import format_table, parameter_table
from examples.hgn_pose.network.architectures.hgn import HGN
from examples.hgn_pose.network.architectures.semgcn import SemGCN
from examples.hgn_pose.network.architectures.simple_baseline import SimpleBaseline
from multiscale_gcn import Graph, as_graph
from multiscale_gcn.nn import GConv, GraphPattern, NonLocal, ResGConv, SemGConv

SKELETON = skeleton_graph()


def ring(n: int, reach: int) -> Graph:
    nodes = np.arange(n)
    ends = (nodes[:, None] + np.arange(1, reach + 1)).ravel() % n
    return as_graph(np.array([np.repeat(nodes, reach), ends]), num_nodes=n, symmetrize=True)


MESH48, MESH96 = ring(48, 3), ring(96, 3)
"""Seven entries a node, as in the stand-ins on which the published module was counted."""


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_skeleton():
    assert len(JOINTS) == 17
    assert SKELETON.num_edges == len(EDGES) == 16
    assert sorted(FLIP) == list(range(17))
    assert np.array_equal(FLIP[FLIP], np.arange(17))
    for left, right in PAIRS:
        assert JOINTS[left] == JOINTS[right].replace("R_", "L_")
        assert FLIP[left] == right
    mirrored = {frozenset((FLIP[a], FLIP[b])) for a, b in EDGES}
    assert mirrored == {frozenset(edge) for edge in EDGES}


def test_hgn_is_the_figure():
    model = HGN(SKELETON, MESH48, MESH96, channels=8)
    blocks = Counter(
        next(m.num_nodes for m in block.modules() if isinstance(m, GraphPattern))
        for block in model.modules()
        if isinstance(block, ResGConv)
    )
    assert blocks == {17: 4, 48: 4, 96: 2}
    assert model.stages == ((0, 1), (0, 1), (0, 1, 2), (0, 1, 2))
    pose, mesh48, mesh96 = model(torch.randn(4, 17, 2))
    assert pose.shape == (4, 17, 3)
    assert mesh48.shape == (4, 48, 3)
    assert mesh96.shape == (4, 96, 3)


@pytest.mark.parametrize(
    ("middle", "top", "nodes"),
    [(MESH48, None, [17, 48]), (None, MESH96, [17, 96])],
)
def test_hgn_with_two_subnetworks(middle, top, nodes):
    model = HGN(SKELETON, middle, top, channels=8)
    assert [y.shape[1] for y in model(torch.randn(4, 17, 2))] == nodes
    assert sum(isinstance(module, ResGConv) for module in model.modules()) == 8


def test_hgn_needs_a_mesh():
    with pytest.raises(ValueError, match="mesh48 and mesh96 are both None"):
        HGN(SKELETON, None, None)


@pytest.mark.parametrize(("channels", "expected"), [(128, 1_047_401), (79, 430_356), (64, 301_161)])
def test_hgn_has_the_published_modules_parameters(channels, expected):
    """Counted on the published HGN module with stand-in graphs of 48 x 7 and 96 x 7 entries."""
    assert parameters(HGN(SKELETON, MESH48, MESH96, channels)) == expected


def test_the_fusion_orders_have_one_state_and_two_results():
    torch.manual_seed(0)
    parallel = HGN(SKELETON, MESH48, MESH96, 8).eval()
    sequential = HGN(SKELETON, MESH48, MESH96, 8, fusion_order="sequential").eval()
    sequential.load_state_dict(parallel.state_dict())
    x = torch.randn(4, 17, 2)
    for a, b in zip(parallel(x), sequential(x), strict=True):
        assert not torch.allclose(a, b, rtol=0.01)


@pytest.mark.parametrize(
    "make",
    [
        lambda: HGN(SKELETON, MESH48, MESH96, 8),
        lambda: HGN(SKELETON, MESH48, MESH96, 8, conv=GConv, fusion_order="sequential"),
        lambda: SemGCN(SKELETON, 16),
        lambda: SimpleBaseline(channels=32, dropout=0.0),
    ],
)
def test_networks_fit_a_few_samples(make):
    """Each learns eight poses by heart, and every parameter takes part."""
    torch.manual_seed(0)
    model = make()
    x = torch.randn(8, 17, 2)
    target = torch.randn(8, 17, 3)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        outputs = model(x)
        loss = (outputs[0] - target).square().mean()
        (loss + sum(y.square().mean() for y in outputs[1:])).backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is not None for p in model.parameters())


def test_semgcn_has_a_nonlocal_block_after_its_input():
    model = SemGCN(SKELETON, 8, conv=GConv)
    assert sum(isinstance(m, NonLocal) for m in model.modules()) == 5
    assert not any(isinstance(m, SemGConv) for m in model.modules())
    (pose,) = model(torch.randn(4, 17, 2))
    assert pose.shape == (4, 17, 3)


def test_simple_baseline_is_the_published_one():
    model = SimpleBaseline()
    linear = 34 * 1024 + 1024 + 4 * (1024 * 1024 + 1024) + 1024 * 51 + 51
    assert parameters(model) == linear + 5 * 2 * 1024
    dropouts = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    assert dropouts == [0.5] * 5
    (pose,) = model(torch.randn(4, 17, 2))
    assert pose.shape == (4, 17, 3)
    with pytest.raises(ValueError, match=r"expected \[B, 17, 2\]"):
        model(torch.randn(4, 16, 2))


def test_parameter_table_counts_what_its_rows_say():
    rows = parameter_table(SKELETON, MESH48, MESH96)
    assert len(rows) == 13
    by_name = {(row.model, row.channels, row.convolution): row for row in rows}
    assert by_name["HGN", 128, "sem"].parameters == 1_047_401
    assert by_name["HGN", 128, "sem"].agreement == "truncated"
    # Four blocks of two convolutions on 48 nodes and two on 96, and one output on each.
    logits = by_name["HGN", 128, "sem"].mesh_logits
    assert logits.count == 9 * 48 * 7 + 5 * 96 * 7
    assert logits.nodes == 9 * 48 + 5 * 96
    assert by_name["HGN", 128, "vanilla"].mesh_logits.count == 0
    assert by_name["GraphSH", 64, "sem"].agreement == "rounded"
    assert by_name["GraphSH", 64, "vanilla"].agreement == "truncated"
    assert {row.paper for row in rows} == {43, 82, 81, 104, 44, 29, 30, 22, 21, 71}


def test_every_row_agrees_or_differs_by_mesh_edges():
    """Fewer edges a node, as coarse graphs have, give the paper's digits in every row."""
    for row in parameter_table(SKELETON, MESH48, MESH96):
        assert bool(row.agreement) == (row.excess == 0) == (row.explanation == "")
        if row.explanation:
            assert "logits of mesh edges" in row.explanation
    rows = parameter_table(SKELETON, ring(48, 2), ring(96, 2))
    assert all(row.agreement for row in rows)
    assert len(format_table(rows).splitlines()) == 1 + len(rows)


def test_explanation_is_counted():
    row = next(
        row
        for row in parameter_table(SKELETON, MESH48, MESH96)
        if (row.model, row.channels, row.convolution) == ("HGN", 64, "sem")
    )
    assert row.excess == 301_161 - 299_999
    assert "+1,162 parameters: 6,384 are logits of mesh edges, 7.00 a node" in row.explanation
    assert "at most 5,222, 5.73 a node" in row.explanation
    assert row.explanation in format_table([row])
    less = replace(row, parameters=row.parameters - row.excess)
    assert less.agreement == "truncated"
    assert replace(row, parameters=284_000).excess == -1_000
    vanilla = replace(row, mesh_logits=replace(row.mesh_logits, count=0))
    assert "not a matter of the mesh edges" in vanilla.explanation


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the compiler itself
def test_hgn_compiles_as_one_graph():
    torch.manual_seed(0)
    model = HGN(SKELETON, MESH48, MESH96, channels=8).eval()
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    x = torch.randn(4, 17, 2)
    for plain, ours in zip(model(x), compiled(x), strict=True):
        torch.testing.assert_close(ours, plain)
