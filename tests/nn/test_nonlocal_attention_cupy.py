"""Non-local attention by CuPy kernels, against its formula in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cuda_checks import TOLERANCE, error, needs_kernels
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from multiscale_gcn.nn import NonLocal
from multiscale_gcn.ops import (
    nonlocal_attention,
    nonlocal_attention_joined,
    nonlocal_attention_sorted,
    select_backend,
)
from multiscale_gcn.ops.nonlocal_attention import block_on_cuda, chunks_on_cuda, on_cuda

pytestmark = needs_kernels
BLOCK, CHUNKS = "a block sorts", "cut into chunks"


@pytest.fixture(params=[BLOCK, CHUNKS])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both forms take graphs of any size up to the limit of the first."""
    monkeypatch.setattr(on_cuda, "MOST_BLOCK_NODES", 256 if request.param == BLOCK else 0)
    return str(request.param)


def formula(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    """With all N x N scores, in float64 on the CPU."""
    source, target, value = (t.double().cpu() for t in (source, target, value))
    return (source.unsqueeze(2) + target.unsqueeze(1)).relu() @ value / value.shape[1]


def draw(
    batch: int,
    nodes: int,
    channels: int,
    dtype: torch.dtype = torch.float32,
    kind: str = "normal",
    seed: int = 0,
) -> Tensor:  # [B, N, C + 2], a leaf
    """Value, source and target; by small integers come ties and scores of exactly zero."""
    generator = torch.Generator().manual_seed(seed)
    joined = torch.randn(nodes, batch, channels + 2, generator=generator)
    numbers = joined[..., -2:]
    if kind == "ties":
        numbers.copy_(numbers.mul(1.5).round())
    elif kind == "blind":
        numbers.abs_().neg_()
    elif kind == "all seen":
        numbers.abs_()
    return joined.to(dtype).cuda().transpose(0, 1).requires_grad_()


def parts(joined: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return joined[..., -2], joined[..., -1], joined[..., :-2]


def apart(joined: Tensor) -> Tensor:
    return nonlocal_attention(*parts(joined), backend="cupy")


def together(joined: Tensor) -> Tensor:
    return nonlocal_attention_joined(joined, backend="cupy")


def check(joined: Tensor, tolerance: float, run: Any = together) -> None:
    """Values and all gradients."""
    wide = joined.detach().double().cpu().requires_grad_()
    expected = formula(*parts(wide))
    result = run(joined)
    assert result.shape == expected.shape
    assert result.dtype == joined.dtype
    assert error(result, expected) < tolerance
    upstream = torch.randn_like(expected).to(result.dtype)
    (found,) = torch.autograd.grad(result, joined, upstream.to(result))
    (wanted,) = torch.autograd.grad(expected, wide, upstream.double())
    assert found.shape == joined.shape
    assert found.dtype == joined.dtype
    for one, other in zip(parts(found), parts(wanted), strict=True):
        assert error(one, other) < 4 * tolerance


SIZES = [
    # batch, nodes, channels
    (64, 17, 64),
    (33, 48, 64),
    (9, 96, 64),
    (3, 128, 64),
    (2, 256, 64),
    (5, 1, 8),
    (1, 2, 1),
    (1, 65, 3),
    (4, 31, 33),
    (2, 100, 200),
    (2, 256, 130),
]


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize(("batch", "nodes", "channels"), SIZES)
def test_values_and_gradients(
    form: str, batch: int, nodes: int, channels: int, dtype: torch.dtype
) -> None:
    check(draw(batch, nodes, channels, dtype), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize(("nodes", "channels"), [(17, 64), (256, 130), (5, 3)])
def test_zeros_fill_the_gradients_to_16_bytes(
    form: str, nodes: int, channels: int, dtype: torch.dtype
) -> None:
    source, target, value = parts(draw(3, nodes, channels, dtype).detach())
    _, kept = on_cuda._attend(source, target, value)
    torch.empty(1 << 20, device="cuda").fill_(torch.nan)  # what new memory may hold
    found = on_cuda._gradient(torch.randn_like(value), source, target, value, kept)
    columns = found.shape[2]
    assert columns * found.element_size() % 16 == 0
    assert channels + 2 <= columns < channels + 2 + 16 // found.element_size()
    assert not found[..., channels + 2 :].any()


@pytest.mark.parametrize("form_", [BLOCK, CHUNKS])
@settings(max_examples=30)
@given(
    batch=st.integers(1, 12),
    nodes=st.integers(1, 256),
    channels=st.sampled_from([1, 3, 8, 33, 64, 130, 257]),
    dtype=st.sampled_from(list(TOLERANCE)),
    kind=st.sampled_from(["normal", "ties", "blind", "all seen"]),
    run=st.sampled_from([apart, together]),
    seed=st.integers(0, 9),
)
def test_any_sizes(
    form_: str,
    batch: int,
    nodes: int,
    channels: int,
    dtype: torch.dtype,
    kind: str,
    run: Any,
    seed: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_cuda, "MOST_BLOCK_NODES", 256 if form_ == BLOCK else 0)
        check(draw(batch, nodes, channels, dtype, kind, seed), 2 * TOLERANCE[dtype], run)


@pytest.mark.parametrize(
    ("batch", "nodes", "channels"), [(1, 257, 64), (3, 1000, 5), (2, 6890, 16), (1, 20_001, 2)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_many_nodes(batch: int, nodes: int, channels: int, dtype: torch.dtype) -> None:
    joined = draw(batch, nodes, channels, dtype)
    wide = joined.detach().double().requires_grad_()
    expected = nonlocal_attention_sorted(*parts(wide))
    result = together(joined)
    assert error(result, expected) < 4 * TOLERANCE[dtype]
    upstream = torch.randn_like(expected).to(dtype)
    (found,) = torch.autograd.grad(result, joined, upstream)
    (wanted,) = torch.autograd.grad(expected, wide, upstream.double())
    for one, other in zip(parts(found), parts(wanted), strict=True):
        assert error(one, other) < 8 * TOLERANCE[dtype]


@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_gradcheck(form: str, kind: str) -> None:
    joined = draw(2, 7, 3, torch.float64)
    assert torch.autograd.gradcheck(together, joined)
    assert torch.autograd.gradcheck(apart, joined)


def test_a_node_that_is_seen_by_none_gets_no_gradient(form: str) -> None:
    joined = draw(3, 70, 8, kind="ties")
    source, target, _ = parts(joined.detach())
    result = together(joined)
    (gradient,) = torch.autograd.grad(result, joined, torch.randn_like(result))
    blind = (source + target.amax(1, keepdim=True)) <= 0
    unseen = (target + source.amax(1, keepdim=True)) <= 0
    assert (result[blind] == 0).all()
    assert (gradient[..., -2][blind] == 0).all()
    assert (gradient[..., -1][unseen] == 0).all()
    assert (gradient[..., :-2][unseen] == 0).all()


def test_scores_of_zero_are_not_seen(form: str) -> None:
    """Zeros of either sign are equal."""
    joined = draw(1, 4, 2)
    with torch.no_grad():
        joined[..., -2] = torch.tensor([0.0, -0.0, 1.0, -1.0])
        joined[..., -1] = torch.tensor([-0.0, 0.0, -1.0, 1.0])
    check(joined, 1e-6)


@pytest.mark.parametrize("channels", [64, 5])
def test_strides_are_taken_as_they_are(form: str, channels: int) -> None:
    joined = draw(6, 48, channels)
    source, target, value = parts(joined.detach())
    expected = apart(joined).detach()
    wide = torch.randn(12, 49, 2 * channels + 4, device="cuda")
    numbers = torch.randn(2, 48, 12, device="cuda").transpose(1, 2)[:, ::2]
    numbers[0], numbers[1] = source, target
    views = [
        wide[::2, 1:, :channels],
        wide[:6, :48, 1 : channels + 1],
        wide[6:, :48, : 2 * channels : 2],
        wide[:6, :48, :channels].transpose(0, 1).contiguous().transpose(0, 1),
    ]
    for view in views:
        view.copy_(value)
        result = nonlocal_attention(numbers[0], numbers[1], view, backend="cupy")
        assert torch.equal(result, expected)
    leaf = joined.detach().contiguous().requires_grad_()
    (by_batch,) = torch.autograd.grad(together(leaf).sum(), leaf)
    (by_node,) = torch.autograd.grad(together(joined).sum(), joined)
    assert torch.equal(by_batch, by_node)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_kept(form: str, number: float) -> None:
    joined = draw(3, 48, 8, kind="all seen").detach()
    joined[1, 5, 2] = number
    result = together(joined)
    assert result[[0, 2]].isfinite().all()
    assert not result[1, :, 2].isfinite().any()
    others = [0, 1, *range(3, 8)]
    assert result[1][:, others].isfinite().all()


@pytest.mark.parametrize("column", [-2, -1])
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_scores_that_are_not_finite_are_kept(form: str, column: int, number: float) -> None:
    joined = draw(3, 48, 8).detach()
    joined[1, 5, column] = number
    joined.requires_grad_()
    result = together(joined)
    assert result[[0, 2]].isfinite().all()
    touched = result[1, 5] if column == -2 else result[1]
    assert not touched.isfinite().any()
    (gradient,) = torch.autograd.grad(result, joined, torch.ones_like(result))
    assert gradient[[0, 2]].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("nodes", "channels"), [(96, 64), (5000, 64), (3000, 300)])
def test_runs_repeat_bit_for_bit(nodes: int, channels: int, dtype: torch.dtype) -> None:
    joined = draw(4, nodes, channels, dtype, "ties")
    upstream = torch.randn_like(together(joined))

    def run() -> tuple[Tensor, ...]:
        result = together(joined)
        return result, *torch.autograd.grad(result, joined, upstream)

    first = run()
    for _ in range(4):
        for one, other in zip(first, run(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("shape", [(0, 48, 66), (3, 0, 6), (3, 5, 2), (0, 300, 66)])
def test_nothing(shape: tuple[int, int, int]) -> None:
    joined = torch.randn(shape, device="cuda", requires_grad=True)
    result = together(joined)
    assert result.shape == (*shape[:2], shape[2] - 2)
    (gradient,) = torch.autograd.grad(result.sum(), joined)
    assert gradient.shape == shape
    assert (gradient == 0).all()


def test_the_choice_is_told() -> None:
    def chosen(nodes: int, **options: Any) -> str:
        sizes = {"num_nodes": nodes, "in_channels": 64, "device": "cuda", **options}
        return select_backend("nonlocal_attention", **sizes).name

    assert chosen(96) == "cupy"
    assert chosen(10_000) == "cupy sorted"
    assert chosen(96, dtype=torch.complex64) == "torch dense"
    assert chosen(10_000, backend="torch") == "torch sorted"


def test_opcheck() -> None:
    source, target, value = parts(draw(3, 40, 5).detach())
    gradient = torch.randn_like(value)
    check = torch.library.opcheck
    check(block_on_cuda.FORWARD.overload, (source, target, value))
    check(block_on_cuda.BACKWARD.overload, (gradient, source, target, value))
    check(chunks_on_cuda.SORTED_FORWARD.overload, (source, target, value))
    kept = chunks_on_cuda.SORTED_FORWARD(source, target, value)[1:]
    check(chunks_on_cuda.SORTED_BACKWARD.overload, (gradient, value, *kept))


@pytest.mark.parametrize("nodes", [48, 1000])
def test_traced_without_a_break(nodes: int) -> None:
    torch.manual_seed(0)
    layer = NonLocal(16).cuda()
    nn.init.ones_(layer.norm.weight)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for batch in (4, 7):
        check_compiled(layer, compiled, torch.randn(batch, nodes, 16, device="cuda"))


def test_compiled_with_cuda_graphs() -> None:
    torch.manual_seed(0)

    class Twice(nn.Module):
        """Both forms."""

        def forward(self, few: Tensor, many: Tensor) -> Tensor:
            return together(few.tanh()).sum() + together(many.tanh()).sum()

    few, many = draw(3, 48, 8), draw(1, 600, 8)
    expected = torch.autograd.grad(Twice()(few, many), [few, many])
    compiled = torch.compile(Twice(), fullgraph=True, mode="reduce-overhead")
    for _ in range(3):
        result = torch.autograd.grad(compiled(few, many), [few, many])
        for one, other in zip(result, expected, strict=True):
            assert error(one, other) < 1e-5


def check_compiled(layer: NonLocal, compiled: Any, x: Tensor) -> None:
    x.requires_grad_()
    leaves = [x, *layer.parameters()]
    names = ["x", *(name for name, _ in layer.named_parameters())]
    expected = torch.autograd.grad(layer(x).square().mean(), leaves)
    result = torch.autograd.grad(compiled(x).square().mean(), leaves)
    for name, one, other in zip(names, result, expected, strict=True):
        if name != "output.bias":  # the normalisation takes its gradient away
            assert error(one, other) < 1e-4, name


def test_a_compiled_graph_holds_the_operator() -> None:
    layer = NonLocal(16).cuda()
    called: list[str] = []

    def look(graph: torch.fx.GraphModule, _: Any) -> Any:
        called.extend(str(module.code) for module in graph.modules() if hasattr(module, "code"))
        return graph

    torch.compile(layer, fullgraph=True, backend=look)(torch.randn(4, 48, 16, device="cuda"))
    assert any("multiscale_gcn.nonlocal_attention" in code for code in called)


@pytest.mark.parametrize("nodes", [48, 1000])
def test_the_layer_agrees_with_plain_torch(nodes: int) -> None:
    torch.manual_seed(0)
    layer = NonLocal(16)
    nn.init.ones_(layer.norm.weight)
    x = torch.randn(5, nodes, 16, requires_grad=True)
    expected = layer(x)
    wanted = torch.autograd.grad(expected.square().mean(), x)
    layer.cuda()
    there = x.detach().cuda().requires_grad_()
    result = layer(there)
    assert error(result, expected) < 1e-5
    found = torch.autograd.grad(result.square().mean(), there)
    assert error(found[0], wanted[0]) < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("nodes", [48, 1000])
def test_autocast(dtype: torch.dtype, nodes: int) -> None:
    torch.manual_seed(0)
    layer = NonLocal(32).cuda().eval()  # or each call would move the statistics of the last
    nn.init.ones_(layer.norm.weight)
    x = torch.randn(6, nodes, 32, device="cuda", requires_grad=True)
    with torch.autocast("cuda", dtype):
        result = layer(x)
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
    assert error(result, layer(x)) < 4 * TOLERANCE[dtype]
    assert error(compiled, result) < TOLERANCE[dtype]
    for gradient in torch.autograd.grad(result.float().mean(), [x, *layer.parameters()]):
        assert gradient.dtype == torch.float32


@pytest.mark.parametrize("nodes", [48, 3000])
def test_in_a_cuda_graph_and_on_another_stream(nodes: int) -> None:
    joined = draw(4, nodes, 16)

    def run() -> tuple[Tensor, ...]:
        result = together(joined)
        gradients = torch.autograd.grad(result.square().sum(), joined)
        return result.detach(), *gradients  # a history kept would tie the capture to its stream

    expected = run()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()
    data = joined.detach().clone()
    joined.data.zero_()
    graph.replay()
    joined.data.copy_(data)
    graph.replay()
    for one, other in zip(result, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("nodes", [48, 3000])
def test_on_a_second_device(nodes: int) -> None:
    joined = draw(4, nodes, 16)
    other = joined.detach().to("cuda:1").requires_grad_()
    first, second = together(joined), together(other)
    assert torch.equal(first.cpu(), second.cpu())
    gradients = [
        torch.autograd.grad(y.square().sum(), x)[0].cpu()
        for y, x in ((first, joined), (second, other))
    ]
    assert torch.equal(*gradients)


def test_a_million_nodes_make_no_pairs() -> None:
    joined = draw(1, 1_000_000, 4)
    result = together(joined)
    (gradient,) = torch.autograd.grad(result.sum(), joined)
    source, target, value = (t[0].double() for t in parts(joined.detach()))
    for i in (0, 77, 999_999):
        scores = source[i] + target
        expected = scores.relu() @ value / 1e6
        torch.testing.assert_close(result[0, i].double(), expected, rtol=1e-4, atol=1e-6)
        seen = (scores > 0).double() @ value / 1e6
        wanted = seen.sum()
        torch.testing.assert_close(gradient[0, i, -2].double(), wanted, rtol=1e-4, atol=1e-6)


def test_beyond_32_bits() -> None:
    batch = 2**31 // (48 * 64) + 3
    one = draw(1, 48, 64, torch.bfloat16)
    joined = torch.zeros(48, batch, 66, device="cuda", dtype=torch.bfloat16).transpose(0, 1)
    joined[-1] = one.detach()[0]
    joined.requires_grad_()
    result = together(joined)
    assert torch.equal(result[-1], together(one)[0])
    assert (result[0] == 0).all()
    upstream = torch.ones_like(result)
    (gradient,) = torch.autograd.grad(result, joined, upstream)
    (expected,) = torch.autograd.grad(together(one), one, upstream[-1:])
    assert torch.equal(gradient[-1], expected[0])
