"""Graph convolution by CuPy kernels, against its formula in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cuda_checks import TOLERANCE, check_values_and_gradients, error, needs_kernels
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_graphs import as_matrix, neighbourhoods, pattern_of, random_graph, ring
from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import GConv, GraphConvBlock, SemGConv
from multiscale_gcn.ops import Normalisation, Pattern, graph_convolution, semgconv
from multiscale_gcn.ops.graph_convolution import on_cuda
from multiscale_gcn.ops.graph_convolution.whole_layer import sizes
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import WholeLayer, whole_layer_form
from multiscale_gcn.ops.kernels.launch import shared_memory_per_block

pytestmark = needs_kernels
TF32 = 2e-3


@pytest.fixture(scope="module", autouse=True, params=["of the device", "portable"])
def form(request: pytest.FixtureRequest) -> Any:
    """On Hopper, the kernel for whole layers that other devices have runs as well."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "portable":
            if torch.cuda.get_device_capability() != (9, 0):
                pytest.skip("the device takes it anyway")
            patch.setattr(on_cuda, "whole_layer_form", portable_form)
        yield request.param


def portable_form(capability: tuple[int, int], *rest: Any) -> WholeLayer | None:
    return None if whole_layer_form(capability, *rest) is None else WholeLayer.PORTABLE


@pytest.fixture
def tf32() -> Any:
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


def on_device(pattern: Pattern) -> Pattern:
    return Pattern(*(tensor.cuda() for tensor in pattern))


def formula(
    x: Tensor, given: Tensor, weight: Tensor, bias: Tensor | None, graph: Graph, softmax: bool
) -> Tensor:
    """With dense matrices, in float64 on the CPU."""
    x, given, weight = (t.double().cpu() for t in (x, given, weight))
    matrix = as_matrix(given, graph)
    if softmax:
        matrix = matrix.masked_fill(neighbourhoods(graph) == 0, -torch.inf).softmax(-1)
    matrix = matrix.expand(weight.shape[2], *matrix.shape[-2:])
    if len(weight) == 2:
        diagonal = matrix.diagonal(dim1=-2, dim2=-1)
        y = torch.einsum("ci,bic->bic", diagonal, x @ weight[0])
        matrix = matrix - torch.diag_embed(diagonal)
    else:
        y = torch.zeros(())
    y = y + torch.einsum("cij,bjc->bic", matrix, x @ weight[-1])
    return y if bias is None else y + bias.double().cpu()


class Layer:
    """Random arguments of one layer, as leaves."""

    def __init__(
        self,
        graph: Graph,
        batch: int,
        channels: tuple[int, int],
        dtype: torch.dtype = torch.float32,
        per_channel: bool = False,
        matrices: int = 2,
        bias: bool = True,
        softmax: bool = True,
        by_node: bool = True,
        wide_weights: bool = False,
        seed: int = 0,
    ) -> None:
        generator = torch.Generator(device="cuda").manual_seed(seed)

        def draw(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
            return torch.randn(*shape, generator=generator, device="cuda").to(dtype)

        n = graph.num_nodes
        self.graph, self.softmax = graph, softmax
        self.pattern = on_device(pattern_of(graph))
        nnz = len(self.pattern.rows)
        parameters = torch.float32 if wide_weights else dtype
        x = draw(n, batch, channels[0]).transpose(0, 1)
        self.x = (x if by_node else x.contiguous()).requires_grad_()
        shape = (channels[1], nnz) if per_channel else (nnz,)
        self.given = draw(*shape, dtype=parameters).requires_grad_()
        scale = channels[0] ** -0.5
        weight = draw(matrices, *channels, dtype=parameters) * scale
        self.weight = weight.detach().requires_grad_()
        self.bias = draw(channels[1], dtype=parameters).requires_grad_() if bias else None

    @property
    def leaves(self) -> list[Tensor]:
        return [t for t in (self.x, self.given, self.weight, self.bias) if t is not None]

    def __call__(self, **options: Any) -> Tensor:
        function = semgconv if self.softmax else graph_convolution
        arguments = (self.x, self.given, self.weight, self.bias, self.pattern)
        return function(*arguments, backend="cupy", **options)

    def expected(self) -> Tensor:
        arguments = (self.x, self.given, self.weight, self.bias)
        return formula(*arguments, self.graph, self.softmax)

    def check(self, tolerance: float) -> None:
        """Values and all gradients."""
        check_values_and_gradients(self(), self.expected(), self.leaves, tolerance)


SIZES = [
    # nodes, reach, batch, channels
    (17, 1, 64, (2, 128)),
    (17, 1, 33, (128, 128)),
    (48, 3, 70, (128, 128)),
    (96, 3, 35, (128, 128)),
    (96, 3, 9, (128, 3)),
    (48, 3, 1, (64, 64)),
    (128, 2, 3, (64, 128)),
    (129, 2, 3, (128, 64)),
    (1, 0, 5, (32, 32)),
    (5, 2, 7, (7, 13)),
    (300, 5, 2, (33, 20)),
    (200, 3, 9, (64, 128)),
    (4000, 2, 3, (20, 48)),
]


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize(("n", "reach", "batch", "channels"), SIZES)
def test_values_and_gradients(
    n: int, reach: int, batch: int, channels: tuple[int, int], dtype: torch.dtype
) -> None:
    Layer(ring(n, reach) if n > 1 else random_graph(1, 0.0, 0), batch, channels, dtype).check(
        TOLERANCE[dtype]
    )


@pytest.mark.parametrize(("n", "reach", "batch", "channels"), SIZES[:8])
def test_tf32(tf32: None, n: int, reach: int, batch: int, channels: tuple[int, int]) -> None:
    layer = Layer(ring(n, reach), batch, channels)
    layer.check(TF32)


@pytest.mark.parametrize("dtype", list(TOLERANCE)[1:])
@pytest.mark.parametrize(("n", "reach", "batch", "channels"), SIZES[1:4])
def test_in_the_shared_memory_of_the_smallest_devices(
    form: str,
    n: int,
    reach: int,
    batch: int,
    channels: tuple[int, int],
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if form != "portable":
        pytest.skip("one form is enough")

    def in_99_kilobytes(index: int) -> int:
        return min(101_376, shared_memory_per_block(index))

    monkeypatch.setattr(sizes, "shared_memory_per_block", in_99_kilobytes)
    Layer(ring(n, reach), batch, channels, dtype).check(TOLERANCE[dtype])


def test_tf32_only_if_allowed(tf32: None) -> None:
    layer = Layer(ring(48, 3), 64, (128, 128))
    assert error(layer(), layer.expected()) > 1e-5
    torch.backends.cuda.matmul.allow_tf32 = False
    assert error(layer(), layer.expected()) < TOLERANCE[torch.float32]


@settings(max_examples=40)
@given(
    n=st.integers(1, 140),
    density=st.sampled_from([0.0, 0.03, 0.2, 1.0]),
    batch=st.integers(1, 40),
    channels=st.tuples(*[st.sampled_from([1, 2, 3, 8, 31, 32, 64, 96, 128])] * 2),
    dtype=st.sampled_from(list(TOLERANCE)),
    options=st.fixed_dictionaries(
        {
            "matrices": st.sampled_from([1, 2]),
            "bias": st.booleans(),
            "softmax": st.booleans(),
            "by_node": st.booleans(),
            "per_channel": st.booleans(),
            "seed": st.integers(0, 9),
        }
    ),
)
def test_any_layer(
    n: int,
    density: float,
    batch: int,
    channels: tuple[int, int],
    dtype: torch.dtype,
    options: dict[str, Any],
) -> None:
    graph = random_graph(n, density, options["seed"])
    Layer(graph, batch, channels, dtype, **options).check(2 * TOLERANCE[dtype])


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("channels", [(3, 4), (4, 3)])
def test_gradcheck(channels: tuple[int, int], per_channel: bool) -> None:
    layer = Layer(random_graph(5, 0.5, 1), 3, channels, torch.float64, per_channel)

    def run(*leaves: Tensor) -> Tensor:
        x, logits, weight, bias = leaves
        return semgconv(x, logits, weight, bias, layer.pattern, backend="cupy")

    assert torch.autograd.gradcheck(run, layer.leaves)


@pytest.mark.parametrize("channels", [(128, 128), (5, 9)])
def test_strides_are_taken_as_they_are(channels: tuple[int, int]) -> None:
    layer = Layer(ring(48, 3), 6, channels)
    expected = layer()
    wide = torch.randn(12, 49, 2 * channels[0] + 4, device="cuda")
    views = [
        wide[::2, 1:, : channels[0]],
        wide[:6, :48, 1 : channels[0] + 1],
        wide[6:, :48, : 2 * channels[0] : 2],
        wide[:6, :48, : channels[0]].transpose(0, 1).contiguous().transpose(0, 1),
    ]
    for view in views:
        view.copy_(layer.x.detach())
        arguments = (layer.given, layer.weight, layer.bias, layer.pattern)
        result = semgconv(view, *arguments, backend="cupy")
        assert error(result, expected.detach()) < 1e-6


@pytest.mark.parametrize("channels", [(128, 128), (128, 3), (2, 128)])
def test_normalisation_and_relu_are_fused_in_evaluation(channels: tuple[int, int]) -> None:
    layer = Layer(ring(48, 3), 20, channels)
    norm = nn.BatchNorm1d(channels[1]).cuda().eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)  # type: ignore[arg-type]
    assert norm.running_var is not None
    assert norm.running_mean is not None
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    statistics = Normalisation(
        norm.running_mean, norm.running_var, norm.weight, norm.bias, norm.eps
    )
    rows = layer.expected().flatten(0, 1)
    expected = norm.double().cpu()(rows).view(20, 48, -1).relu()
    norm.float().cuda()
    with torch.no_grad():
        assert error(layer(norm=statistics, relu=True), expected) < TOLERANCE[torch.float32]
        bare = Normalisation(statistics.mean, statistics.variance, None, None, norm.eps)
        wanted = (layer(norm=bare) * norm.weight + norm.bias).relu()
        assert error(layer(norm=statistics, relu=True), wanted) < TOLERANCE[torch.float32]
    assert error(layer(norm=statistics, relu=True), expected) < TOLERANCE[torch.float32], (
        "and where it is trained"
    )


def test_values_that_are_not_finite_are_kept() -> None:
    layer = Layer(ring(48, 3), 3, (128, 128))
    with torch.no_grad():
        layer.x[1, 5, 7] = torch.nan
        layer.x[2, 9, 0] = torch.inf
        result = layer(relu=True)
    assert result[0].isfinite().all()
    assert result[1, 5].isnan().all()
    assert not result[2, 9].isfinite().all()
    assert result[1, 30].isfinite().all()


@pytest.mark.parametrize("channels", [(128, 128), (128, 3), (2, 128)])
@pytest.mark.parametrize("per_channel", [False, True])
def test_runs_repeat_bit_for_bit(channels: tuple[int, int], per_channel: bool) -> None:
    layer = Layer(ring(96, 3), 50, channels, per_channel=per_channel)
    upstream = torch.randn_like(layer())
    first = [layer(), *torch.autograd.grad(layer(), layer.leaves, upstream)]
    for _ in range(3):
        again = [layer(), *torch.autograd.grad(layer(), layer.leaves, upstream)]
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_an_empty_batch() -> None:
    layer = Layer(ring(48, 3), 0, (128, 128))
    result = layer()
    assert result.shape == (0, 48, 128)
    for gradient in torch.autograd.grad(result.sum(), layer.leaves):
        assert (gradient == 0).all()


@pytest.mark.parametrize("channels", [(128, 128), (2, 128), (128, 3)])
def test_opcheck(channels: tuple[int, int]) -> None:
    layer = Layer(ring(17), 4, channels)
    x, logits, weight, bias = (leaf.detach() for leaf in layer.leaves)
    pattern = list(layer.pattern)
    forward: tuple[Any, ...] = (x, logits, weight, bias, pattern, [], 0.0, True, False)
    torch.library.opcheck(on_cuda.FORWARD.overload, forward)
    upstream = torch.randn(4, 17, channels[1], device="cuda")
    backward = (upstream, x, logits, weight, pattern, True, [True] * 4)
    torch.library.opcheck(on_cuda.BACKWARD.overload, backward)


def test_a_compiled_graph_holds_the_operator() -> None:
    layer = SemGConv(128, 128, ring(48, 3)).cuda()
    called: list[str] = []

    def look(graph: torch.fx.GraphModule, _: Any) -> Any:
        called.extend(str(module.code) for module in graph.modules() if hasattr(module, "code"))
        return graph

    torch.compile(layer, fullgraph=True, backend=look)(torch.randn(4, 48, 128, device="cuda"))
    assert any("multiscale_gcn.graph_convolution" in code for code in called)


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_without_a_break(mode: str) -> None:
    torch.manual_seed(0)
    layer = SemGConv(128, 128, ring(48, 3)).cuda()
    compiled = torch.compile(layer, fullgraph=True, mode=mode)
    for batch in (4, 4, 7):
        x = torch.randn(batch, 48, 128, device="cuda", requires_grad=True)
        expected = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
        result = torch.autograd.grad(compiled(x).square().sum(), [x, *layer.parameters()])
        for one, other in zip(result, expected, strict=True):
            assert error(one, other) < 1e-5


def test_blocks_take_the_kernel_and_agree_with_plain_torch() -> None:
    torch.manual_seed(0)
    for convolution in (SemGConv, GConv):
        block = GraphConvBlock(128, 128, ring(48, 3), convolution=convolution).cuda()
        x = torch.randn(9, 48, 128, device="cuda")
        block(x)
        with torch.no_grad():
            block.eval()
            expected = block.norm(block.convolution.cpu()(x.cpu()).cuda().flatten(0, 1)).relu()
            block.cuda()
            assert error(block(x).flatten(0, 1), expected) < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype: torch.dtype) -> None:
    torch._dynamo.reset()  # the tests of this file share the code that is compiled
    torch.manual_seed(0)
    for channels in ((128, 128), (2, 128), (128, 3)):
        layer = SemGConv(*channels, ring(48, 3)).cuda()
        x = torch.randn(6, 48, channels[0], device="cuda", requires_grad=True)
        with torch.autocast("cuda", dtype):
            result = layer(x)
            compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")(x)
        assert result.dtype == compiled.dtype == dtype
        assert error(result, layer(x)) < TOLERANCE[dtype]
        assert error(compiled, result) < TOLERANCE[dtype]
        for gradient in torch.autograd.grad(result.float().sum(), [x, *layer.parameters()]):
            assert gradient.dtype == torch.float32


def test_in_a_cuda_graph_and_on_another_stream() -> None:
    torch.manual_seed(0)
    layer = SemGConv(128, 128, ring(48, 3)).cuda()
    x = torch.randn(16, 48, 128, device="cuda", requires_grad=True)
    expected = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = torch.autograd.grad(layer(x).square().sum(), [x, *layer.parameters()])
    data = x.detach().clone()
    x.data.zero_()
    graph.replay()
    x.data.copy_(data)
    graph.replay()
    for one, other in zip(result, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_beyond_32_bits() -> None:
    batch = 2**31 // (48 * 128) + 3
    layer = Layer(ring(48, 3), 1, (128, 128), torch.bfloat16)
    x = torch.zeros(48, batch, 128, device="cuda", dtype=torch.bfloat16).transpose(0, 1)
    x[-1] = layer.x.detach()[0]
    with torch.no_grad():
        arguments = (layer.given, layer.weight, layer.bias, layer.pattern)
        result = semgconv(x, *arguments, backend="cupy")
        assert torch.equal(result[-1], layer()[0])
        assert torch.equal(result[0], layer.bias.expand(48, 128))  # type: ignore[union-attr]
