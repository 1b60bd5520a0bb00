"""Batch normalisation in training by CuPy kernels, against its formula in float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from cuda_checks import TOLERANCE, check_values_and_gradients, error, needs_kernels
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import ring
from torch import Tensor, nn

from multiscale_gcn.nn import GraphConvBlock, NonLocal, ResGConv
from multiscale_gcn.ops import batch_norm
from multiscale_gcn.ops.batch_norm import on_cuda

pytestmark = needs_kernels


class Case:
    """Random arguments of one normalisation."""

    def __init__(
        self,
        nodes: int,
        batch: int,
        channels: int,
        dtype: torch.dtype = torch.float32,
        *,
        relu: bool = True,
        affine: bool = True,
        adds: bool = True,
        running: bool = True,
        by_node: bool = True,
        mean: float = 0.0,
        seed: int = 0,
    ) -> None:
        generator = torch.Generator(device="cuda").manual_seed(seed)
        real = torch.promote_types(dtype, torch.float32)

        def draw(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
            return torch.randn(*shape, generator=generator, device="cuda").to(dtype)

        x = draw(nodes, batch, channels).transpose(0, 1) + mean
        self.x = (x if by_node else x.contiguous()).requires_grad_()
        self.add = draw(batch, nodes, channels).requires_grad_() if adds else None
        self.affine = [
            draw(channels, dtype=real).requires_grad_() if affine else None for _ in range(2)
        ]
        self.running: list[Tensor | None] = [None, None]
        if running:
            self.running = [draw(channels, dtype=real), draw(channels, dtype=real).square()]
        self.batches = torch.tensor(3, device="cuda")
        self.relu = relu

    @property
    def leaves(self) -> list[Tensor]:
        return [t for t in (self.x, *self.affine, self.add) if t is not None]

    def __call__(self) -> Tensor:
        return batch_norm(
            self.x,
            *self.running,
            *self.affine,
            num_batches_tracked=self.batches,
            momentum=0.3,
            relu=self.relu,
            add=self.add,
            backend="cupy",
        )

    def expected(self) -> tuple[Tensor, list[Tensor | None]]:
        """The result, and the running statistics, in float64."""

        def wide(tensor: Any) -> Any:
            return None if tensor is None else tensor.double().cpu()

        statistics = [wide(None if t is None else t.clone()) for t in self.running]
        rows = wide(self.x).flatten(0, 1)
        mean, variance = statistics
        weight, bias = map(wide, self.affine)
        y = F.batch_norm(rows, mean, variance, weight, bias, True, 0.3).view(self.x.shape)
        y = y.relu() if self.relu else y
        return y if self.add is None else y + wide(self.add), statistics

    def check(self, tolerance: float) -> None:
        expected, statistics = self.expected()
        check_values_and_gradients(self(), expected, self.leaves, tolerance)
        assert self.batches == 4
        for one, other in zip(self.running, statistics, strict=True):
            if one is not None and other is not None:
                assert error(one, other) < tolerance


SIZES = [
    # nodes, batch, channels
    (17, 64, 128),
    (96, 64, 128),
    (48, 300, 128),
    (17, 5, 13),
    (30, 2, 1),
    (1000, 9, 130),
    (2, 30, 1000),
    (4097, 1, 3),
    (70001, 1, 24),
]


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize(("nodes", "batch", "channels"), SIZES)
def test_values_gradients_and_statistics(
    nodes: int, batch: int, channels: int, dtype: torch.dtype
) -> None:
    Case(nodes, batch, channels, dtype).check(TOLERANCE[dtype])


@settings(max_examples=60, deadline=None)
@given(
    nodes=st.integers(1, 60),
    batch=st.integers(20, 200),
    channels=st.integers(1, 140),
    dtype=st.sampled_from(list(TOLERANCE)),
    options=st.fixed_dictionaries(
        {
            **dict.fromkeys(["relu", "affine", "adds", "running", "by_node"], st.booleans()),
            "seed": st.integers(0, 9),
        }
    ),
)
def test_any_size(
    nodes: int, batch: int, channels: int, dtype: torch.dtype, options: dict[str, Any]
) -> None:
    Case(nodes, batch, channels, dtype, **options).check(2 * TOLERANCE[dtype])


@pytest.mark.parametrize("nodes", [50, 5000])
def test_gradcheck(nodes: int) -> None:
    case = Case(nodes, 1, 2, torch.float64, relu=False)
    assert torch.autograd.gradcheck(lambda *_: case(), case.leaves, fast_mode=True)


@pytest.mark.parametrize("nodes", [17, 500])
def test_a_large_mean_costs_no_digits(nodes: int) -> None:
    case = Case(nodes, 64, 32, relu=False, adds=False, mean=1000.0)
    expected, statistics = case.expected()
    assert error(case(), expected) < 1e-4
    assert error(case.running[1], statistics[1]) < 1e-5  # type: ignore[arg-type]


@pytest.mark.parametrize("nodes", [17, 500])
def test_values_that_are_not_finite_are_kept(nodes: int) -> None:
    case = Case(nodes, 64, 4, adds=False)
    with torch.no_grad():
        case.x[3, 1, 0] = torch.nan
        case.x[5, 2, 1] = torch.inf
        result = case()
    assert result[..., 0].isnan().all()
    assert result[5, 2, 1].isnan()
    assert result[..., 2:].isfinite().all()


@pytest.mark.parametrize("nodes", [17, 500])
def test_runs_repeat_bit_for_bit(nodes: int) -> None:
    case = Case(nodes, 64, 128, running=False)
    upstream = torch.randn_like(case.x)
    first = [case(), *torch.autograd.grad(case(), case.leaves, upstream)]
    for _ in range(3):
        again = [case(), *torch.autograd.grad(case(), case.leaves, upstream)]
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize("nodes", [17, 500])
def test_opcheck(nodes: int) -> None:
    case = Case(nodes, 64, 8)
    x, weight, bias, add = (leaf.detach() for leaf in case.leaves)
    running = (*case.running, case.batches, 0.1, 1e-5, True)
    torch.library.opcheck(on_cuda.FORWARD.overload, (x, weight, bias, add, *running))
    _, statistics = on_cuda.FORWARD(x, weight, bias, add, *running)
    upstream = torch.randn_like(x)
    for copies in (False, True):
        backward = (upstream, x, weight, bias, statistics, True, copies)
        torch.library.opcheck(on_cuda.BACKWARD.overload, backward)
    found, gradients, copy = on_cuda.BACKWARD(*backward)
    assert torch.equal(copy, upstream)
    assert not gradients[2].any()
    again, *_ = on_cuda.BACKWARD(*backward[:-1], False)
    assert torch.equal(found, again)


def test_half_precision_parameters_have_gradients_of_their_type() -> None:
    case = Case(17, 64, 8, torch.bfloat16)
    weight = torch.randn(8, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    result = batch_norm(case.x, None, None, weight, backend="cupy")
    (gradient,) = torch.autograd.grad(result.float().square().sum(), weight)
    assert gradient.dtype == torch.bfloat16


def test_a_sum_of_another_type_is_of_the_wider_one() -> None:
    case = Case(17, 64, 8, torch.bfloat16)
    add = torch.randn(64, 17, 8, device="cuda")
    result = batch_norm(case.x, None, None, add=add, backend="cupy")
    assert result.dtype == torch.float32
    expected = F.batch_norm(case.x.flatten(0, 1), None, None, training=True).view(64, 17, 8) + add
    assert error(result, expected) < TOLERANCE[torch.bfloat16]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("batch", [64, 500])
@pytest.mark.parametrize(
    "make",
    [
        lambda: GraphConvBlock(8, 8, ring(17)),
        lambda: ResGConv(8, ring(17)),
        lambda: NonLocal(8),
    ],
)
def test_blocks_train_as_on_a_cpu(make: Any, batch: int, compiled: bool) -> None:
    torch.manual_seed(0)
    module = make()
    for name, parameter in module.named_parameters():
        if name.endswith("norm.weight"):
            nn.init.uniform_(parameter, 0.5, 1.5)
    twin = copy.deepcopy(module).double()
    module.cuda()
    run = torch.compile(module, fullgraph=True) if compiled else module
    for _ in range(2):
        x, upstream = torch.randn(batch, 17, 8), torch.randn(batch, 17, 8)
        leaf, wide = x.cuda().requires_grad_(), x.double().requires_grad_()
        result, expected = run(leaf), twin(wide)
        assert error(result, expected) < 1e-5
        result.backward(upstream.cuda())
        expected.backward(upstream.double())
        assert leaf.grad is not None
        assert wide.grad is not None
        assert error(leaf.grad, wide.grad) < 1e-4
    # The gradient of a bias that the normalisation takes away is rounding alone: of sums over all
    # rows, in two steps, whose terms are as large as what is upstream.
    noise = 2e-6 * batch * 17
    parameters = zip(module.named_parameters(), twin.parameters(), strict=True)
    for (name, one), other in parameters:
        assert one.grad is not None
        assert other.grad is not None
        difference = (one.grad.double().cpu() - other.grad).norm()
        assert difference < 1e-3 * other.grad.norm() + noise, name
    for name, tensor in twin.state_dict().items():
        assert error(module.state_dict()[name], tensor) < 1e-5, name


def test_in_a_cuda_graph() -> None:
    torch.manual_seed(0)
    block, twin = (GraphConvBlock(8, 8, ring(17)).cuda() for _ in range(2))
    twin.load_state_dict(block.state_dict())
    x = torch.randn(64, 17, 8, device="cuda")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        block(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = block(x)
    graph.replay()
    graph.replay()
    for _ in range(3):
        expected = twin(x)
    torch.testing.assert_close(result, expected)
    for one, other in zip(block.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(one, other)
