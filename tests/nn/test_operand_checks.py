"""Operators name the argument that does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from layer_graphs import pattern_of, ring

from multiscale_gcn import ops
from multiscale_gcn.nn import GraphPattern, MatrixPattern
from multiscale_gcn.ops import Pattern

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


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match=r"^x is a list; give a torch\.Tensor"):
        ops.propagate([[[1.0]]], VALUES, PATTERN)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^logits is a NoneType"):
        ops.neighbour_softmax(None, PATTERN)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^theta is no pair; give the weight and the bias"):
        ops.joined_map(torch.ones(2, 1), (torch.ones(1, 3), torch.ones(1)), X[0], X[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X.long(), r"x is torch\.int64, expected one of torch\.float32, .*; convert it with x"),
        (X.to(torch.complex64), r"x is torch\.complex64, expected"),
        (X.to_sparse(), r"x is laid out as torch\.sparse_coo; give a dense tensor"),
        (X.to("meta"), r"values is on cpu and x on meta; move one to the other"),
    ],
)
def test_tensors_that_are_no_features(x, message):
    for form in (ops.propagate, ops.propagate_dense, ops.propagate_sparse, ops.propagate_reference):
        with pytest.raises(ValueError, match=message):
            form(x, VALUES, PATTERN)


@pytest.mark.parametrize("convolve", [ops.graph_convolution, ops.semgconv])
def test_types_that_differ_are_refused_unless_autocast_makes_them_one(convolve):
    message = r"weight is torch\.float32 and x torch\.float16; convert one .*torch\.autocast"
    with pytest.raises(ValueError, match=message):
        convolve(X.half(), VALUES, WEIGHT, None, PATTERN)
    with torch.autocast("cpu", torch.bfloat16):
        assert convolve(X.half(), VALUES, WEIGHT, None, PATTERN).dtype == torch.bfloat16
        with pytest.raises(ValueError, match=r"weight is torch\.float32 and x torch\.float64"):
            convolve(X.double(), VALUES, WEIGHT, None, PATTERN)


def test_what_is_no_pattern_is_refused():
    module = GraphPattern(ring(17))
    with pytest.raises(TypeError, match=r"^pattern is a GraphPattern; give .*GraphPattern\(graph"):
        ops.propagate(X, VALUES, module)  # type: ignore[arg-type]
    cross = MatrixPattern(sp.eye_array(17, format="csr")).entries
    with pytest.raises(TypeError, match=r"^pattern is a CrossPattern"):
        ops.semgconv(X, torch.ones(17), WEIGHT, None, cross)  # type: ignore[arg-type]
    elsewhere = Pattern(*(tensor.to("meta") for tensor in PATTERN))
    with pytest.raises(ValueError, match=r"^x is on cpu and the pattern on meta; move"):
        ops.propagate(X, VALUES, elsewhere)


def test_normalisations_and_biases_that_do_not_fit():
    three = torch.ones(3)
    with pytest.raises(ValueError, match=r"^bias has shape \[3\], expected \[4\]"):
        ops.semgconv(X, VALUES, WEIGHT, three, PATTERN)
    norm = ops.Normalisation(three, three, None, None, 1e-5)
    with pytest.raises(ValueError, match=r"^norm\.mean has shape \[3\], expected \[4\]"):
        ops.semgconv(X, VALUES, WEIGHT, None, PATTERN, norm=norm)
    with pytest.raises(TypeError, match=r"^norm is a BatchNorm1d; give a Normalisation, or None"):
        ops.semgconv(X, VALUES, WEIGHT, None, PATTERN, norm=torch.nn.BatchNorm1d(4))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1, "yes", None, np.ones(2)])
def test_flags_are_true_or_false(value):
    with pytest.raises(ValueError, match=r"^relu = .* must be True or False"):
        ops.semgconv(X, VALUES, WEIGHT, None, PATTERN, relu=value)
    assert ops.semgconv(X, VALUES, WEIGHT, None, PATTERN, relu=np.True_).min() == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", [None, 3, np.array(["auto", "torch"]), torch.ones(2)])
def test_a_backend_is_a_name(backend):
    with pytest.raises(ValueError, match=r"^backend = .* is none of \('auto', 'torch', 'cupy'\)"):
        ops.propagate(X, VALUES, PATTERN, backend=backend)


@pytest.mark.parametrize("form", [ops.propagate, ops.propagate_dense, ops.propagate_sparse])
def test_an_empty_batch_gives_an_empty_batch(form):
    x = torch.ones(0, 17, 3, requires_grad=True)
    values = VALUES.clone().requires_grad_()
    result = form(x, values, PATTERN)
    assert result.shape == (0, 17, 3)
    for_x, for_values = torch.autograd.grad(result.sum(), (x, values))
    assert for_x.shape == x.shape
    assert torch.equal(for_values, torch.zeros(51))


def test_no_check_breaks_the_graph_of_a_compiler():
    pattern = pattern_of(ring(5))
    x, values = torch.randn(2, 5, 3), torch.rand(15)
    norm = ops.Normalisation(torch.zeros(4), torch.ones(4), None, None, 1e-5)

    def run(x, values):
        mixed = ops.semgconv(x, values, WEIGHT, None, pattern, norm=norm, relu=True)
        return ops.batch_norm(ops.mix_nodes(torch.ones(2, 5), mixed), None, None)

    compiled = torch.compile(run, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, values), run(x, values))
