"""Fusion of scales: its formula written out again, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multiscale_gcn.nn import CrossScaleFusion, ScaleSum


@settings(max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    order=st.sampled_from(["parallel", "sequential"]),
)
def test_fusion_is_its_formula(sizes, order):
    torch.manual_seed(len(sizes))
    fusion = CrossScaleFusion(sizes, order).double()
    features = [torch.randn(2, size, 3, dtype=torch.float64) for size in sizes]
    read = [x.clone() for x in features]
    expected = []
    for k in range(len(sizes)):
        sources = [i for i in range(len(sizes)) if i != k]
        total = read[k].clone()
        for place, i in enumerate(sources):
            prefix = f"sums.{k}.maps.{place}"
            weight = fusion.get_parameter(f"{prefix}.weight")
            total += torch.einsum("ki,bic->bkc", weight, read[i])
            total += fusion.get_parameter(f"{prefix}.bias")[:, None]
        expected.append(total)
        if order == "sequential":
            read[k] = total
    given_features = [x.clone() for x in features]
    for result, wanted in zip(fusion(given_features), expected, strict=True):
        torch.testing.assert_close(result, wanted)
    for before, after in zip(features, given_features, strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("order", ["parallel", "sequential"])
def test_fusion_gradcheck(order):
    torch.manual_seed(0)
    fusion = CrossScaleFusion([2, 3, 1], order).double()
    features = [torch.randn(2, n, 2, dtype=torch.float64, requires_grad=True) for n in (2, 3, 1)]
    assert torch.autograd.gradcheck(lambda *x: tuple(fusion(x)), features)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossScaleFusion([5]), "at least two scales"),
        (lambda: CrossScaleFusion([5, 0]), r"sizes\[1\] = 0 must be at least 1"),
        (
            lambda: CrossScaleFusion([5, 4], fusion_order="both"),  # type: ignore[arg-type]
            "neither 'parallel' nor 'sequential'",
        ),
        (lambda: ScaleSum([], 3), "sources is empty"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda: CrossScaleFusion([2, 3])([torch.zeros(1, 2, 4)]),
            "features has 1 tensors, expected 2",
        ),
        (
            lambda: CrossScaleFusion([2, 3])([torch.zeros(1, 2, 4), torch.zeros(1, 4, 4)]),
            r"features\[1\] has 4 nodes",
        ),
        (lambda: ScaleSum([2], 3)([]), "sources has 0 tensors, expected 1"),
        (
            lambda: CrossScaleFusion([2, 3])([torch.zeros(1, 2, 4), torch.zeros(1, 3, 5)]),
            r"features\[1\] has shape \[1, 3, 5\], expected \[1, 3, 4\]",
        ),
        (
            lambda: ScaleSum([2, 3], 4)([torch.zeros(1, 2, 4), torch.zeros(2, 3, 4)]),
            r"sources\[1\] has shape \[2, 3, 4\], expected \[1, 3, 4\]",
        ),
    ],
)
def test_bad_input_is_named(run, message):
    with pytest.raises(ValueError, match=message):
        run()
