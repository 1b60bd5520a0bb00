"""Graph Stacked Hourglass: its levels, and its layers written out again."""

from __future__ import annotations

import torch

from examples.hgn_pose.body.skeleton import FLIP, JOINTS, part_ids, skeleton_graph
from examples.hgn_pose.network.architectures.graphsh import (
    Hourglass,
    SqueezeAndExcitation,
    skeletal_levels,
)
from examples.hgn_pose.network.convolutions import GConv

LEVELS = skeletal_levels(skeleton_graph())


def test_levels_are_the_papers_and_mirror_images_of_themselves():
    assert LEVELS.sizes == (17, 8, 4)
    assert sorted(sum(part_ids(), ())) == list(range(len(JOINTS)))
    for index in (1, 2):
        parent = LEVELS.parent(0, index)
        mirrored = dict(zip(parent.tolist(), parent[FLIP].tolist(), strict=True))
        assert [mirrored[p] for p in parent.tolist()] == parent[FLIP].tolist()
        graph = LEVELS[index].graph
        assert graph.num_edges == graph.num_nodes - 1  # a tree, as the skeleton is
        for i, j in zip(graph.rows().tolist(), graph.indices.tolist(), strict=True):
            if i != j:
                neighbours = graph.indices[slice(*graph.indptr[mirrored[i] :][:2])].tolist()
                assert mirrored[j] in neighbours


def test_an_hourglass_is_its_figure():
    """Written out again with plain tensors: maxima of parts, copies back, three sums."""
    torch.manual_seed(0)
    hourglass = Hourglass(LEVELS, 8, conv=GConv, dropout=0.0).double().eval()
    x = torch.randn(2, 17, 8, dtype=torch.float64)
    parts_of, limbs_of = (torch.from_numpy(LEVELS.parent(k, k + 1).copy()) for k in (0, 1))

    def pooled(h: torch.Tensor, parent: torch.Tensor) -> torch.Tensor:
        return torch.stack([h[:, parent == k].amax(1) for k in range(int(parent.max()) + 1)], dim=1)

    joints = hourglass.joints_down(x)
    parts = hourglass.parts_down(pooled(joints, parts_of))
    limbs = hourglass.limbs(pooled(parts, limbs_of))
    up = hourglass.parts_up(limbs[:, limbs_of] + parts)
    expected = hourglass.joints_up(up[:, parts_of] + joints) + x
    torch.testing.assert_close(hourglass(x), expected)
    widths = [joints.shape[2], parts.shape[2], limbs.shape[2], up.shape[2]]
    assert widths == [12, 16, 16, 12]


def test_squeeze_and_excitation_is_its_formula():
    torch.manual_seed(0)
    block = SqueezeAndExcitation(16)
    assert block.squeeze.out_features == 2
    x = torch.randn(3, 17, 16)
    for member, result in zip(x, block(x), strict=True):
        hidden = (block.squeeze.weight @ member.mean(0) + block.squeeze.bias).clamp(min=0)
        factor = 1 / (1 + torch.exp(-(block.excite.weight @ hidden + block.excite.bias)))
        torch.testing.assert_close(result, member * factor)
