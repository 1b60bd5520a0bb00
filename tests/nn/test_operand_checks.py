"""Operators name the argument that does not fit."""

from __future__ import annotations

import pytest
import torch
from layer_graphs import pattern_of, ring

from multiscale_gcn import ops

PATTERN = pattern_of(ring(17))  # 51 entries: a CPU takes it sparse
X = torch.zeros(2, 17, 3)
VALUES = torch.ones(51)
WEIGHT = torch.ones(2, 3, 4)


@pytest.mark.parametrize("shape", [(2, 20, 3), (2, 16, 3), (17, 3), (2, 2, 17, 3)])
def test_features_that_do_not_fit_a_pattern(shape):
    x = torch.zeros(shape)
    message = r"^x has shape \[.*expected \[B, 17, C\]"
    with pytest.raises(ValueError, match=message):
        ops.propagate(x, VALUES, PATTERN)
    with pytest.raises(ValueError, match=message):
        ops.semgconv(x, VALUES, WEIGHT, None, PATTERN)


@pytest.mark.parametrize("shape", [(50,), (52,), (2, 51), (1, 3, 51)])
def test_values_that_do_not_fit_a_pattern(shape):
    values = torch.ones(shape)
    with pytest.raises(ValueError, match=r"^values has shape .*expected \[51\] or \[3, 51\]"):
        ops.propagate(X, values, PATTERN)
    with pytest.raises(ValueError, match=r"^values has shape .*expected \[51\] or \[4, 51\]"):
        ops.graph_convolution(X, values, WEIGHT, None, PATTERN)
    with pytest.raises(ValueError, match=r"^logits has shape .*expected \[51\] or \[4, 51\]"):
        ops.semgconv(X, values, WEIGHT, None, PATTERN)


def test_logits_that_do_not_fit_a_pattern():
    with pytest.raises(ValueError, match=r"logits has shape \[3, 50\], expected \[..., 51\]"):
        ops.neighbour_softmax(torch.ones(3, 50), PATTERN)


@pytest.mark.parametrize("shape", [(3, 4), (3, 3, 4), (2, 4, 4)])
def test_weights_that_do_not_fit(shape):
    with pytest.raises(ValueError, match=r"weight has shape .*expected \[1 or 2, 3, C_out\]"):
        ops.semgconv(X, VALUES, torch.ones(shape), None, PATTERN)


def test_attention_that_does_not_fit():
    fits, other = torch.zeros(2, 5), torch.zeros(1, 5)
    value = torch.zeros(2, 5, 3)
    with pytest.raises(ValueError, match=r"source has shape \[1, 5\], expected \[2, 5\]"):
        ops.nonlocal_attention(other, fits, value)
    with pytest.raises(ValueError, match=r"target has shape \[1, 5\], expected \[2, 5\]"):
        ops.nonlocal_attention(fits, other, value)
    with pytest.raises(ValueError, match=r"value has shape \[5, 3\], expected \[B, N, C\]"):
        ops.nonlocal_attention(fits, fits, value[0])
    with pytest.raises(ValueError, match=r"joined has shape \[2, 5, 1\], expected"):
        ops.nonlocal_attention_joined(value[..., :1])
