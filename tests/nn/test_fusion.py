"""Fusion of scales: its formula written out again, and what it refuses."""

from __future__ import annotations

from functools import reduce
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from multiscale_gcn.nn import CrossScaleFusion, DenseMap, ScaleSum


def drawn(fusion: CrossScaleFusion) -> CrossScaleFusion:
    """With weights, which are zero at the start."""
    for parameter in fusion.parameters():
        nn.init.normal_(parameter)
    return fusion.double()


@st.composite
def exchanges(draw: st.DrawFn) -> dict:
    count = draw(st.integers(2, 4))
    several: dict[str, Any] = {"min_size": count, "max_size": count}
    pairs = list(permutations(range(count), 2))
    widths = draw(st.none() | st.lists(st.integers(1, 3), **several))
    return {
        "sizes": draw(st.lists(st.integers(1, 6), **several)),
        "pairs": draw(st.none() | st.lists(st.sampled_from(pairs), min_size=1, unique=True)),
        "channels": widths,
        "skips": draw(st.sampled_from(["add", "concatenate"])) if widths else "add",
        "start": draw(st.sampled_from(["zero", "given"])) if widths else "zero",
    }


@settings(max_examples=60)
@given(given=exchanges(), order=st.sampled_from(["parallel", "sequential"]))
def test_fusion_is_its_formula(given, order):
    sizes, widths = given["sizes"], given["channels"] or [3] * len(given["sizes"])
    torch.manual_seed(len(sizes))
    fusion = drawn(CrossScaleFusion(fusion_order=order, **given))
    features = [
        torch.randn(2, *shape, dtype=torch.float64) for shape in zip(sizes, widths, strict=True)
    ]
    read = [x.clone() for x in features]
    expected = []
    for k in range(len(sizes)):
        sources = [
            i
            for i in range(len(sizes))
            if i != k and (given["pairs"] is None or (i, k) in given["pairs"])
        ]
        sent = torch.zeros_like(read[k])
        for place, i in enumerate(sources):
            prefix = f"sums.{k}.maps.{place}"
            weight, x = fusion.get_parameter(f"{prefix}.weight"), read[i]
            if widths[i] != widths[k] or (given["start"], given["skips"]) == ("given", "add"):
                mixing = fusion.get_parameter(f"sums.{k}.channel_maps.{place}.weight")
                x = torch.einsum("dc,bic->bid", mixing, x)
            sent += torch.einsum("ki,bic->bkc", weight, x)
            sent += fusion.get_parameter(f"{prefix}.bias")[:, None]
        total = read[k] + sent
        if sources and given["skips"] == "concatenate":
            own, others = fusion.get_parameter(f"joins.{k}.weight").split(widths[k], dim=1)
            total = read[k] @ own.T + sent @ others.T + fusion.get_parameter(f"joins.{k}.bias")
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
    fusion = drawn(CrossScaleFusion([2, 3, 1], order))
    features = [torch.randn(2, n, 2, dtype=torch.float64, requires_grad=True) for n in (2, 3, 1)]
    assert torch.autograd.gradcheck(lambda *x: tuple(fusion(x)), features)


@pytest.mark.parametrize("skips", ["add", "concatenate"])
@pytest.mark.parametrize("start", ["zero", "given"])
def test_gradcheck_between_scales_of_different_widths(skips, start):
    torch.manual_seed(0)
    matrix = sp.csr_array([[1.0, 0.0, 0.5], [0.0, 2.0, 0.0]])
    fusion = CrossScaleFusion(
        [2, 3],
        transfer=lambda i, k: matrix if (i, k) == (1, 0) else matrix.T.toarray(),
        channels=[2, 3],
        start=start,
        skips=skips,
    ).double()
    for parameter in fusion.parameters():
        nn.init.normal_(parameter)
    parameters = list(fusion.parameters())
    features = [
        torch.randn(2, *shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 2), (3, 3))
    ]
    assert torch.autograd.gradcheck(
        lambda a, b, *_: tuple(fusion([a, b])), [*features, *parameters]
    )


@pytest.mark.parametrize("start", ["zero", "given"])
@pytest.mark.parametrize("skips", ["add", "concatenate"])
@pytest.mark.parametrize("order", ["parallel", "sequential"])
def test_fusion_begins_as_the_identity_and_learns_at_once(order, skips, start):
    torch.manual_seed(0)
    fusion = CrossScaleFusion([4, 3, 5], order, channels=[2, 3, 4], skips=skips, start=start)
    features = [torch.randn(2, n, c) for n, c in ((4, 2), (3, 3), (5, 4))]
    results = fusion(features)
    for before, after in zip(features, results, strict=True):
        assert torch.equal(before, after)
    sum((y * torch.randn_like(y)).sum() for y in results).backward()
    awake = "joins" if skips == "concatenate" else {"zero": "maps", "given": "channel_maps"}[start]
    parts = [(p, name) for name, p in fusion.named_parameters() if awake in name.split(".")]
    assert parts
    for parameter, name in parts:
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_clipped_step_is_written_out(count):
    """The maps are added to the base in their order, then the sum of the biases in theirs.

    Sources are powers of two, so that sums alone round. Gradients that shared memory would be
    clipped once for every map.
    """
    torch.manual_seed(count)
    sums = ScaleSum([1] * count, 7)
    for parameter in sums.parameters():
        nn.init.normal_(parameter)
    sources = [2.0 ** torch.randint(-3, 4, (3, 1, 4)) for _ in range(count)]
    base, target = torch.randn(3, 7, 4), torch.randn(3, 7, 4)
    names = [f"maps.{place}.{of}" for place in range(count) for of in ("weight", "bias")]
    start = dict(sums.named_parameters())
    learned = [start[name].detach().clone().requires_grad_() for name in names]

    expected = base
    for weight, x in zip(learned[::2], sources, strict=True):
        expected = expected + weight * x
    expected = expected + reduce(torch.add, learned[1::2]).unsqueeze(1)
    gradients = torch.autograd.grad((expected - target).square().sum(), learned)
    norm = torch.stack([torch.linalg.vector_norm(g) for g in gradients]).norm()
    shorter = [p - 0.1 * (g / (norm + 1e-6)) for p, g in zip(learned, gradients, strict=True)]

    found = sums(sources, base)
    (found - target).square().sum().backward()
    nn.utils.clip_grad_norm_(sums.parameters(), 1.0)
    torch.optim.SGD(sums.parameters(), lr=0.1).step()
    assert torch.equal(found, expected)
    for name, one in zip(names, shorter, strict=True):
        torch.testing.assert_close(start[name], one, rtol=1e-5, atol=1e-6, msg=name)


def test_an_array_is_where_a_dense_map_begins():
    weights = np.arange(6.0).reshape(2, 3) / 7
    layer = ScaleSum([3], 2, [weights])
    assert isinstance(layer.maps[0], DenseMap)
    x = torch.randn(4, 3, 5)
    torch.testing.assert_close(layer([x]), torch.from_numpy(weights).float() @ x)
    weights[:] = 0
    assert layer.get_parameter("maps.0.weight").any(), "the layer has its own"


def test_maps_as_published_are_those_of_nn_linear():
    torch.manual_seed(0)
    fusion = CrossScaleFusion([3, 5, 2], start="published")
    torch.manual_seed(0)
    for k, target in enumerate([3, 5, 2]):
        for place, source in enumerate(n for i, n in enumerate([3, 5, 2]) if i != k):
            linear = nn.Linear(source, target)
            for name in ("weight", "bias"):
                ours = fusion.get_parameter(f"sums.{k}.maps.{place}.{name}")
                assert torch.equal(ours, getattr(linear, name))


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
        (lambda: ScaleSum([2], 3, source_channels=[4]), "go together; give both or neither"),
        (lambda: ScaleSum([2], 3, source_channels=[4, 4], channels=4), "2 entries for 1 sources"),
        (lambda: ScaleSum([2], 3, start="given"), "start = 'given' needs maps of the channels"),
        (lambda: ScaleSum([2], 3, start="one"), "start = 'one' is none of 'mean', 'zero'"),  # type: ignore[arg-type]
        (lambda: ScaleSum([2], 3, [np.ones((2, 3))]), r"shape \(2, 3\), expected \(3, 2\)"),
        (lambda: ScaleSum([1], 1, [np.array([[np.inf]])]), r"source 0: \[0, 0\] = inf must be"),
        (lambda: CrossScaleFusion([5, 4], pairs=[]), "pairs is empty"),
        (lambda: CrossScaleFusion([5, 4], pairs=[(0, 2)]), r"pairs\[0\] names scale 2; scales run"),
        (lambda: CrossScaleFusion([5, 4], pairs=[(1, 1)]), r"pairs\[0\] sends scale 1 to itself"),
        (lambda: CrossScaleFusion([5, 4], channels=[1]), "channels has 1 entries for 2 scales"),
        (lambda: CrossScaleFusion([5, 4], skips="concatenate"), "'concatenate' needs maps of the"),
        (lambda: CrossScaleFusion([5, 4], start="mean"), "start = 'mean' is none of 'zero'"),
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
