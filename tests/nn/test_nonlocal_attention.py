"""Non-local attention: the dense and the sorted form against the literal definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from multiscale_gcn import BackendUnavailable, ops
from multiscale_gcn.ops.nonlocal_attention.dispatch import DENSE_SCORE_NODES
from multiscale_gcn.ops.nonlocal_attention.on_cuda import MOST_BLOCK_NODES
from multiscale_gcn.ops.nonlocal_attention.walk_division import MOST_WALKERS, WalkSizes, divide_walk

FORMS = [ops.nonlocal_attention_dense, ops.nonlocal_attention_sorted]


def definition(theta: Tensor, phi: Tensor, score: Tensor, value: Tensor) -> Tensor:
    """f(x_i, x_j) = ReLU(w^T [theta_i, phi_j]), y_i = 1/N sum_j f_ij g_j, pair by pair."""
    batch, n, _ = theta.shape
    rows = []
    for b in range(batch):
        for i in range(n):
            total = torch.zeros_like(value[b, 0])
            for j in range(n):
                pair = torch.cat([theta[b, i], phi[b, j]])
                total = total + torch.relu(score.flatten() @ pair) * value[b, j]
            rows.append(total / n)
    return torch.stack(rows).view(batch, n, -1)


@st.composite
def attention_inputs(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Theta, phi, score, value; small integers make ties and scores of exactly zero."""
    batch, n, inner, channels = (draw(st.integers(1, top)) for top in (3, 7, 3, 3))
    kind = draw(st.sampled_from(["normal", "ties", "zero", "blind"]))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    theta, phi = torch.randn(2, batch, n, inner, dtype=torch.float64)
    score = torch.randn(2, inner, dtype=torch.float64)
    if kind == "ties":
        theta, phi, score = (torch.randint(-2, 3, t.shape).double() for t in (theta, phi, score))
    elif kind == "zero":
        score = torch.zeros_like(score)
    elif kind == "blind":
        theta, phi, score = theta.abs(), phi.abs(), -score.abs()
    value = torch.randn(batch, n, channels, dtype=torch.float64)
    tensors = (theta, phi, score, value)
    return tuple(t.requires_grad_() for t in tensors)  # type: ignore[return-value]


@given(attention_inputs())
def test_every_form_is_the_definition(inputs):
    theta, phi, score, value = inputs
    expected = definition(*inputs)
    upstream = torch.randn_like(expected)
    expected_gradients = torch.autograd.grad(expected, inputs, upstream, retain_graph=True)
    results = [ops.nonlocal_attention_reference(*inputs)]
    forms = (*FORMS, ops.nonlocal_attention)
    results.extend(form(theta @ score[0], phi @ score[1], value) for form in forms)
    for result in results:
        torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-11)
        for ours, theirs in zip(
            torch.autograd.grad(result, inputs, upstream, retain_graph=True),
            expected_gradients,
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form):
    torch.manual_seed(0)
    source, target = torch.randn(2, 2, 7, dtype=torch.float64)
    value = torch.randn(2, 7, 3, dtype=torch.float64)
    inputs = tuple(t.clone().requires_grad_() for t in (source, target, value))
    assert torch.autograd.gradcheck(form, inputs)


@pytest.mark.parametrize("n", [DENSE_SCORE_NODES, DENSE_SCORE_NODES + 1])
def test_the_forms_meet_where_the_choice_changes(n):
    torch.manual_seed(0)
    source, target = torch.randn(2, 2, n)
    value = torch.randn(2, n, 5)
    dense, by_sorting = (form(source, target, value) for form in FORMS)
    torch.testing.assert_close(dense, by_sorting, rtol=1e-4, atol=1e-4)
    chosen = dense if n <= DENSE_SCORE_NODES else by_sorting
    assert torch.equal(ops.nonlocal_attention(source, target, value), chosen)


def test_a_large_graph_is_exact_and_makes_no_pairs():
    """300,000 nodes: one dense float32 score matrix would be 335 GiB."""
    n = 300_000
    torch.manual_seed(0)
    source, target = (torch.randn(1, n, requires_grad=True) for _ in range(2))
    value = torch.randn(1, n, 2, requires_grad=True)
    result = ops.nonlocal_attention(source, target, value)
    result.sum().backward()
    for i in (0, 77, n - 1):
        wide = [t.detach().double()[0] for t in (source, target, value)]
        scores = (wide[0][i] + wide[1]).relu()
        torch.testing.assert_close(
            result[0, i].double(), scores @ wide[2] / n, rtol=1e-4, atol=1e-6
        )
        seen = (wide[0][i] + wide[1] > 0).double()
        assert source.grad is not None
        torch.testing.assert_close(
            source.grad[0, i].double(), (seen @ wide[2]).sum() / n, rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("form", FORMS)
def test_half_precision_sums_in_float32(form, dtype):
    """4,096 equal values: a running sum in bfloat16 would stop at 256 of them."""
    source, target = torch.full((2, 1, 4096), 1.0, dtype=dtype)
    value = torch.full((1, 4096, 2), 30.0, dtype=dtype)
    result = form(source, target, value)
    assert result.dtype == dtype
    torch.testing.assert_close(result.float(), torch.full((1, 4096, 2), 60.0), rtol=0.01, atol=0)


@pytest.mark.parametrize("n", [5, 300])
def test_joined_arguments_give_the_same_and_joined_gradients(n):
    torch.manual_seed(0)
    joined = torch.randn(2, n, 6, requires_grad=True)
    parts = joined[..., 4], joined[..., 5], joined[..., :4]
    expected = ops.nonlocal_attention(*parts)
    result = ops.nonlocal_attention_joined(joined)
    assert torch.equal(result, expected)
    upstream = torch.randn_like(result)
    (found,) = torch.autograd.grad(result, joined, upstream)
    (wanted,) = torch.autograd.grad(expected, joined, upstream)
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("shape", [(0, 5, 6), (2, 0, 6), (2, 5, 2), (0, 300, 6), (2, 300, 2)])
def test_nothing(shape):
    joined = torch.randn(shape, requires_grad=True)
    result = ops.nonlocal_attention_joined(joined)
    assert result.shape == (*shape[:2], shape[2] - 2)
    (gradient,) = torch.autograd.grad(result.sum(), joined)
    assert torch.equal(gradient, torch.zeros(shape))


def test_a_backend_that_cannot_run_is_refused():
    joined = torch.randn(1, 3, 4)
    with pytest.raises(BackendUnavailable, match=r"nonlocal_attention: .* on cpu"):
        ops.nonlocal_attention_joined(joined, backend="cupy")
    with pytest.raises(ValueError, match="backend = 'numpy' is none of"):
        ops.nonlocal_attention(joined[..., 2], joined[..., 3], joined[..., :2], backend="numpy")
    assert ops.select_backend("nonlocal_attention", num_nodes=96, in_channels=64).name == (
        "torch dense"
    )
    assert ops.select_backend("nonlocal_attention", num_nodes=999, in_channels=64).name == (
        "torch sorted"
    )


@given(
    channels=st.integers(1, 600),
    number=st.sampled_from([2, 4, 8]),
    aligned=st.lists(st.integers(0, 4), min_size=2, max_size=2),
    nodes=st.integers(1, MOST_BLOCK_NODES),
    ways=st.sampled_from([1, 2]),
    memory=st.sampled_from([64 << 10, 99 << 10, 227 << 10]),
)
def test_every_size_is_divided_so_that_it_fits(channels, number, aligned, nodes, ways, memory):
    def bytes_of(power):
        whole = channels * number
        return max(number, min(1 << power, whole & -whole, 16))

    reading = bytes_of(aligned[0])
    writing = min(reading, bytes_of(aligned[1]))
    entries = 2 * nodes
    sizes = WalkSizes(
        channels, number, reading, writing, ways * nodes, entries, ways, nodes, memory
    )
    division = divide_walk(sizes)
    assert division.shared_memory <= memory
    assert (division.slices - 1) * division.slice < channels <= division.slices * division.slice
    assert division.walkers * division.width >= division.slice
    assert division.walkers % 32 == 0
    assert division.walkers <= MOST_WALKERS
    assert division.slice * number % division.copy == 0
    assert division.slice % division.width == channels % division.width == 0


@pytest.mark.parametrize("place", ["source", "target", "value"])
def test_what_is_not_a_number_reaches_the_same_nodes_in_every_form(place):
    torch.manual_seed(0)
    inputs = {"source": torch.rand(2, 6), "target": torch.rand(2, 6), "value": torch.rand(2, 6, 3)}
    inputs[place][0, 4] = torch.nan
    lost = [form(**inputs).isnan() for form in FORMS]
    assert torch.equal(*lost)
    assert lost[0][0].any()
    assert not lost[0][1].any()
