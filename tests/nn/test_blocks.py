"""The blocks: what they normalise and add, and what they leave to their convolution."""

from __future__ import annotations

import copy

import pytest
import torch
from layer_graphs import ring
from torch import nn

from multiscale_gcn.nn import GConv, GraphConvBlock, ResGConv, SemGConv


def test_block_normalises_over_batch_and_nodes():
    torch.manual_seed(0)
    block = GraphConvBlock(3, 5, ring(6), convolution=GConv)
    x = torch.randn(4, 6, 3)
    rows = block.convolution(x).reshape(-1, 5)
    expected = (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(block(x), expected.relu().reshape(4, 6, 5), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(block.norm.running_mean, 0.1 * rows.mean(0))


def test_residual_block_adds_its_input():
    block = ResGConv(4, ring(6), dropout=0.5).eval()
    nn.init.zeros_(block.second.norm.weight)
    x = torch.randn(2, 6, 4)
    torch.testing.assert_close(block(x), x)
    assert ResGConv(4, ring(6), non_local=False).non_local is None


def test_dropout_only_in_training():
    torch.manual_seed(0)
    block = GraphConvBlock(4, 50, ring(6), dropout=0.9)
    x = torch.randn(8, 6, 4)
    dropped = (block(x) == 0).float().mean()
    assert dropped > 0.85
    assert torch.equal(block.eval()(x), block(x))


def test_a_block_in_evaluation_whose_normalisation_trains_takes_the_batch():
    """As adaptation to new data does: statistics are learned, and all else rests."""
    torch.manual_seed(0)
    block = GraphConvBlock(3, 5, ring(6))
    x = 5 * torch.randn(4, 6, 3) + 3
    expected = copy.deepcopy(block)(x)
    block.eval().norm.train()
    torch.testing.assert_close(block(x), expected)
    assert block.norm.num_batches_tracked == 1


def test_a_subclass_may_have_its_own_forward():
    class Doubled(SemGConv):
        def forward(self, x):  # type: ignore[override]
            return 2 * super().forward(x)

    block = GraphConvBlock(3, 5, ring(6), convolution=Doubled).eval()
    x = torch.randn(2, 6, 3)
    expected = block.norm(block.convolution(x).flatten(0, 1)).relu().view(2, 6, 5)
    torch.testing.assert_close(block(x), expected)


def test_a_dropout_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"dropout = -0\.5 must be at least 0 and below 1"):
        GraphConvBlock(2, 2, ring(5), dropout=-0.5)
