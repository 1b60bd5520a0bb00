"""What layers are for inference on a processor: what does not depend on the input, made once.

Features are [B, N, C] and lie batch by batch. Mixing neighbours is one sum of rows that are named
bag by bag, for a node and its neighbours side by side; all the rest of a block is one product.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from multiscale_gcn.nn.blocks import GraphConvBlock
from multiscale_gcn.nn.convolutions import GConv, SemGConv
from multiscale_gcn.nn.feature_checks import check_features
from multiscale_gcn.nn.fusion import ScaleSum, check_scales
from multiscale_gcn.nn.node_maps import DenseMap
from multiscale_gcn.nn.nonlocal_block import NonLocal
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import joined_map, neighbour_softmax, nonlocal_attention
from multiscale_gcn.ops.operand_checks import check_one_type

PRODUCT_WORK = 2**20
"""From so many multiplications on oneDNN, which has laid the matrix out, is the faster one."""

KEPT_BATCHES = 4
"""Sizes of batches for which the entries of a graph are kept."""

DENSE_SCORE_NODES = 256
"""Up to this many nodes non-local attention makes its scores."""


class Product:
    """rows @ weight + bias, then ReLU or a sum."""

    def __init__(
        self,
        weight: Tensor,  # [C_in, C_out], float64
        bias: Tensor,  # [C_out], float64
        dtype: torch.dtype,
    ) -> None:
        self.weight, self.bias = weight.to(dtype), bias.to(dtype)
        self.packed = _packed(self.weight)

    def __call__(
        self,
        rows: Tensor,  # [M, C_in]
        *,
        relu: bool = False,
        add: Tensor | None = None,  # [M, C_out]
    ) -> Tensor:  # [M, C_out]
        if self.packed is not None and rows.shape[0] * self.weight.numel() >= PRODUCT_WORK:
            activation = "relu" if relu else "none"
            y: Tensor = torch.ops.mkldnn._linear_pointwise(
                rows, self.packed, self.bias, activation, [], ""
            )
        else:
            y = torch.addmm(self.bias, rows, self.weight)
            y = y.relu_() if relu else y
        return y if add is None else y.add_(add)


def _packed(
    weight: Tensor,  # [C_in, C_out]
) -> Tensor | None:
    """As oneDNN lays it out, or None where it does not run."""
    known = hasattr(torch.ops.mkldnn, "_linear_pointwise")
    if not known or weight.dtype != torch.float32 or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.t().contiguous())
    return packed


class Bags:
    """A sparse matrix with K rows for every node, and its product with batches of features."""

    def __init__(
        self,
        nodes: int,
        rows_a_node: int,
        rows: Tensor,  # [nnz], rising
        columns: Tensor,  # [nnz]
        values: Tensor,  # [nnz]
    ) -> None:
        self.nodes, self.rows_a_node = nodes, rows_a_node
        self.columns, self.values = columns, values
        starts = torch.arange(nodes * rows_a_node, device=rows.device)
        self.starts = torch.searchsorted(rows, starts)
        self.batches: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def __call__(
        self,
        x: Tensor,  # [B, N, C], contiguous
    ) -> Tensor:  # [B N, K C]
        batch, nodes, channels = x.shape
        columns, starts, values = self.batches.get(batch) or self._of(batch)
        table = x.view(batch * nodes, channels)
        sums = torch.embedding_bag(table, columns, starts, False, 0, False, values)[0]
        return sums.view(batch * nodes, self.rows_a_node * channels)

    def _of(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        member = torch.arange(batch, device=self.columns.device).unsqueeze(1)
        entries = (
            (self.columns + member * self.nodes).flatten(),
            (self.starts + member * len(self.columns)).flatten(),
            self.values.repeat(batch),
        )
        while len(self.batches) >= KEPT_BATCHES:
            self.batches.pop(next(iter(self.batches)))
        self.batches[batch] = entries
        return entries


class FoldedConvolution(nn.Module):
    """A convolution, with the normalisation and the ReLU that follow it.

    One sum puts a node's own share and that of its neighbours side by side, and one product with
    both matrices, one below the other, does the rest.
    """

    def __init__(self, layer: WeightedConvolution, norm: nn.BatchNorm1d | None, relu: bool) -> None:
        super().__init__()
        self.nodes, self.in_channels = layer.pattern.num_nodes, layer.in_channels
        self.out_channels = layer.out_channels
        self.relu = relu
        dtype = layer.weight.dtype
        self.bags = _bags(layer, dtype)
        matrices = layer.weight.detach().double()
        shift = matrices.new_zeros(layer.out_channels)
        if layer.bias is not None:
            shift = layer.bias.detach().double()
        scale, shift = _normalised(norm, shift)
        self.product = Product(matrices.flatten(0, 1) * scale, shift, dtype)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
        add: Tensor | None = None,  # [B, N, C_out]
    ) -> Tensor:  # [B, N, C_out]
        check_features(x, self.nodes, self.in_channels)
        check_one_type(x=x, weight=self.product.weight)
        rows = self.bags(x.contiguous())
        base = None if add is None else add.reshape(-1, self.out_channels)
        y = self.product(rows, relu=self.relu, add=base)
        return y.view(x.shape[0], self.nodes, self.out_channels)


def _bags(layer: WeightedConvolution, dtype: torch.dtype) -> Bags:
    pattern = layer.pattern.entries
    if isinstance(layer, SemGConv):
        values = neighbour_softmax(layer.logits.detach().double(), pattern)
    else:
        assert isinstance(layer, GConv)
        values = layer.adjacency.detach()
    count = len(layer.weight)
    own = (pattern.rows == pattern.columns).to(pattern.rows.dtype)
    rows = count * pattern.rows + (1 - own if count == 2 else 0)
    order = torch.argsort(rows, stable=True)
    arrays = (rows[order], pattern.columns[order], values[order].to(dtype))
    return Bags(layer.pattern.num_nodes, count, *arrays)


def _normalised(norm: nn.BatchNorm1d | None, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift of a layer that adds ``shift``, with the normalisation behind it."""
    if norm is None:
        return torch.ones_like(shift), shift
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = (shift - norm.running_mean.double()) * scale
    return scale, shift if norm.bias is None else shift + norm.bias.detach().double()


class FoldedNonLocal(nn.Module):
    """The non-local block in two products of rows, and two of the scores."""

    def __init__(self, block: NonLocal) -> None:
        super().__init__()
        self.channels, self.inner = block.channels, block.score.shape[1]
        dtype = block.score.dtype
        maps = [
            (layer.weight.detach().double(), layer.bias.detach().double())
            for layer in (block.value, block.theta, block.phi)
        ]
        weight, bias = joined_map(block.score.detach().double(), *maps)
        self.maps = Product(weight.t(), bias, dtype)
        scale, shift = _normalised(block.norm, block.output.bias.detach().double())
        self.output = Product(block.output.weight.detach().double().t() * scale, shift, dtype)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        check_features(x, None, self.channels)
        check_one_type(x=x, weight=self.maps.weight)
        batch, nodes, channels = x.shape
        rows = x.contiguous().view(batch * nodes, channels)
        mapped = self.maps(rows).view(batch, nodes, self.inner + 2)
        value, source, target = torch.split(mapped, [self.inner, 1, 1], dim=2)
        if nodes <= DENSE_SCORE_NODES:
            scores = torch.add(source, target.transpose(1, 2)).relu_()
            attended = torch.baddbmm(value, scores, value, beta=0, alpha=1 / nodes)
        else:
            attended = nonlocal_attention(source.squeeze(2), target.squeeze(2), value)
        y = self.output(attended.reshape(batch * nodes, self.inner), add=rows)
        return y.view(batch, nodes, channels)


class FoldedSum(nn.Module):
    """The maps from all scales side by side, the sum of their biases behind them."""

    def __init__(self, layer: ScaleSum) -> None:
        super().__init__()
        maps = [made for made in layer.maps if isinstance(made, DenseMap)]
        self.nodes = [made.in_features for made in maps]
        self.widths = layer.source_channels
        bias = torch.stack([made.bias.detach() for made in maps]).sum(0)
        matrix = torch.cat([*(made.weight.detach() for made in maps), bias.unsqueeze(1)], 1)
        self.matrix = matrix.unsqueeze(0)
        self.one = matrix.new_ones(1, 1, 1)

    def forward(
        self,
        sources: Sequence[Tensor],  # each [B, N_i, C]
        base: Tensor | None = None,  # [B, N_k, C]
    ) -> Tensor:  # [B, N_k, C]
        check_scales(sources, self.nodes, self.widths, "sources")
        check_one_type(sources=sources[0], weight=self.matrix)
        batch, _, channels = sources[0].shape
        table = torch.cat([*sources, self.one.expand(batch, 1, channels)], 1)
        matrix = self.matrix.expand(batch, -1, -1)
        return torch.bmm(matrix, table) if base is None else torch.baddbmm(base, matrix, table)


def folded_layer(module: nn.Module) -> nn.Module | None:
    """What answers as a layer does in evaluation, to rounding, or None for one without such."""
    if not _runs_alone(module) or not _is_wide(module):
        return None
    if isinstance(module, GraphConvBlock) and _is(module, GraphConvBlock, "forward", "_normalised"):
        convolution = module.convolution
        if _folds(convolution) and _known_statistics(module.norm) and _runs_alone(convolution):
            return FoldedConvolution(convolution, module.norm, relu=True)  # type: ignore[arg-type]
    elif _folds(module):
        return FoldedConvolution(module, None, relu=False)  # type: ignore[arg-type]
    elif isinstance(module, NonLocal) and _is(module, NonLocal, "forward", "_attend"):
        if module.maxima is None and module.reads_weights() and _known_statistics(module.norm):
            return FoldedNonLocal(module)
    elif isinstance(module, ScaleSum) and _sums_nodes_alone(module):
        return FoldedSum(module)
    return None


def _sums_nodes_alone(module: ScaleSum) -> bool:
    """Whether it has dense maps of nodes, and none of channels."""
    dense = all(type(made) is DenseMap for made in module.maps)
    return _is(module, ScaleSum, "forward") and dense and not module.channel_maps


def _folds(module: nn.Module) -> bool:
    """Whether it is a convolution whose matrix all channels share."""
    if isinstance(module, SemGConv):
        return _is(module, SemGConv, "forward", "convolve") and module.logits.dim() == 1
    return isinstance(module, GConv) and _is(module, GConv, "forward", "convolve")


def _is(module: nn.Module, kind: type[nn.Module], *methods: str) -> bool:
    """Whether a module of a subclass runs what its class runs."""
    return all(getattr(type(module), name) is getattr(kind, name) for name in methods)


def _runs_alone(module: nn.Module) -> bool:
    """Whether no hook of it, or of what it is made of, looks on."""
    return not any(
        part._forward_hooks or part._forward_pre_hooks or "forward" in part.__dict__
        for part in module.modules()
    )


def _is_wide(module: nn.Module) -> bool:
    """Half precision rounds what is folded."""
    return all(p.dtype in (torch.float32, torch.float64) for p in module.parameters())


def _known_statistics(norm: nn.Module) -> bool:
    return type(norm) is nn.BatchNorm1d and norm.running_mean is not None and not norm.training
