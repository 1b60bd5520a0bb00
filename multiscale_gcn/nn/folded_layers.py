"""What layers are for inference on a processor: what does not depend on the input, made once.

Inside, features are rows, [B N, C], that lie batch by batch. Mixing neighbours is one sum for a
node and its neighbours side by side; all the rest of a convolution is one product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from multiscale_gcn.nn.blocks import GraphConvBlock, ResGConv
from multiscale_gcn.nn.convolutions import GConv, SemGConv
from multiscale_gcn.nn.feature_checks import check_features
from multiscale_gcn.nn.folded_products import (
    Bags,
    DenseMixing,
    Mixing,
    PackedProduct,
    PlainProduct,
    Product,
)
from multiscale_gcn.nn.fusion import CrossScaleFusion, ScaleSum, check_scales
from multiscale_gcn.nn.node_maps import DenseMap
from multiscale_gcn.nn.nonlocal_block import NonLocal
from multiscale_gcn.nn.weighted_convolution import WeightedConvolution
from multiscale_gcn.ops import joined_map, neighbour_softmax, nonlocal_attention
from multiscale_gcn.ops.operand_checks import check_one_type

DENSE_SCORE_NODES = 256
"""Up to this many nodes non-local attention makes its scores."""

DENSE_MIXING_NODES = 512
"""Up to this many nodes exported graphs are dense matrices."""


@dataclass(frozen=True)
class Arithmetic:
    """In which operators folded layers are."""

    product: Callable[[Tensor, Tensor, torch.dtype], Product]
    mixing: Callable[[int, int, Tensor, Tensor, Tensor], Mixing]
    most_nodes: float
    """Convolutions on more nodes stay as they are."""
    joins_targets: bool
    """Whether the maps of a fusion share one table."""


ON_A_PROCESSOR = Arithmetic(PackedProduct, Bags, float("inf"), joins_targets=True)
FOR_EXPORT = Arithmetic(PlainProduct, DenseMixing, DENSE_MIXING_NODES, joins_targets=False)


class FoldedConvolution(nn.Module):
    """A convolution, with the normalisation and the ReLU that follow it.

    One sum puts a node's own share and that of its neighbours side by side, and one product with
    both matrices, one below the other, does the rest.
    """

    def __init__(
        self,
        layer: WeightedConvolution,
        norm: nn.BatchNorm1d | None,
        relu: bool,
        arithmetic: Arithmetic,
    ) -> None:
        super().__init__()
        self.nodes, self.in_channels = layer.pattern.num_nodes, layer.in_channels
        self.out_channels = layer.out_channels
        self.relu = relu
        dtype = layer.weight.dtype
        self.mixing = arithmetic.mixing(*_entries(layer, dtype))
        matrices = layer.weight.detach().double()
        shift = matrices.new_zeros(layer.out_channels)
        if layer.bias is not None:
            shift = layer.bias.detach().double()
        scale, shift = _normalised(norm, shift)
        self.product = arithmetic.product(matrices.flatten(0, 1) * scale, shift, dtype)

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
        add: Tensor | None = None,  # [B, N, C_out]
    ) -> Tensor:  # [B, N, C_out]
        check_features(x, self.nodes, self.in_channels)
        check_one_type(x=x, weight=self.product.weight)
        batch = x.shape[0]
        base = None if add is None else add.reshape(-1, self.out_channels)
        y = self.of_rows(x.reshape(batch * self.nodes, self.in_channels), batch, base)
        return y.view(batch, self.nodes, self.out_channels)

    def of_rows(
        self,
        rows: Tensor,  # [B N, C_in]
        batch: int,
        add: Tensor | None = None,  # [B N, C_out]
    ) -> Tensor:  # [B N, C_out]
        return self.product(self.mixing(rows, batch), relu=self.relu, add=add)


def _entries(
    layer: WeightedConvolution, dtype: torch.dtype
) -> tuple[int, int, Tensor, Tensor, Tensor]:
    """Nodes, rows a node, and the rows, which rise, columns and values of the matrix."""
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
    return layer.pattern.num_nodes, count, *arrays


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

    def __init__(self, block: NonLocal, arithmetic: Arithmetic, nodes: int | None = None) -> None:
        super().__init__()
        self.channels, self.inner = block.channels, block.score.shape[1]
        dtype = block.score.dtype
        value, theta, phi = (
            (layer.weight.detach().double(), layer.bias.detach().double())
            for layer in (block.value, block.theta, block.phi)
        )
        self.averaged = False
        if nodes is not None and nodes <= DENSE_SCORE_NODES:
            self.averaged, value = True, (value[0] / nodes, value[1] / nodes)
        weight, bias = joined_map(block.score.detach().double(), value, theta, phi)
        self.maps = arithmetic.product(weight.t(), bias, dtype)
        scale, shift = _normalised(block.norm, block.output.bias.detach().double())
        matrix = block.output.weight.detach().double().t() * scale
        self.output = arithmetic.product(matrix, shift, dtype)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        check_features(x, None, self.channels)
        check_one_type(x=x, weight=self.maps.weight)
        batch, nodes, channels = x.shape
        y = self.of_rows(x.reshape(batch * nodes, channels), batch, nodes)
        return y.view(batch, nodes, channels)

    def of_rows(
        self,
        rows: Tensor,  # [B N, C]
        batch: int,
        nodes: int,
    ) -> Tensor:  # [B N, C]
        mapped = self.maps(rows)
        if nodes > DENSE_SCORE_NODES:
            value, source, target = self._split(mapped.view(batch, nodes, self.inner + 2))
            attended = nonlocal_attention(source.squeeze(2), target.squeeze(2), value)
        elif batch == 1:
            value, source, target = self._split(mapped)
            attended = (source + target.t()).relu_().mm(value)
        else:
            value, source, target = self._split(mapped.view(batch, nodes, self.inner + 2))
            attended = (source + target.transpose(1, 2)).relu_().matmul(value)
        if not self.averaged and nodes <= DENSE_SCORE_NODES:
            attended = attended / nodes
        return self.output(attended.reshape(batch * nodes, self.inner), add=rows)

    def _split(self, mapped: Tensor) -> tuple[Tensor, ...]:
        return torch.split(mapped, [self.inner, 1, 1], dim=-1)


class FoldedBlock(nn.Module):
    """A residual block, checked once."""

    def __init__(
        self,
        first: FoldedConvolution,
        second: FoldedConvolution,
        non_local: NonLocal | None,
        arithmetic: Arithmetic,
    ) -> None:
        super().__init__()
        self.first, self.second, self.nodes = first, second, first.nodes
        self.non_local = (
            None if non_local is None else FoldedNonLocal(non_local, arithmetic, self.nodes)
        )

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        check_features(x, self.nodes, self.first.in_channels)
        check_one_type(x=x, weight=self.first.product.weight)
        batch, nodes, channels = x.shape
        rows = x.reshape(batch * nodes, channels)
        y = self.second.of_rows(self.first.of_rows(rows, batch), batch, rows)
        if self.non_local is not None:
            y = self.non_local.of_rows(y, batch, nodes)
        return y.view(batch, nodes, channels)


class FoldedSum(nn.Module):
    """The maps from all scales side by side, the sum of their biases behind them."""

    def __init__(self, layer: ScaleSum) -> None:
        super().__init__()
        maps = _dense_maps(layer)
        self.nodes = [made.in_features for made in maps]
        self.widths = layer.source_channels
        matrix = torch.cat([*(made.weight.detach() for made in maps), _bias_of(maps)], 1)
        self.matrix = matrix.unsqueeze(0)
        self.one = matrix.new_ones(1, 1, 1)

    def forward(
        self,
        sources: Sequence[Tensor],  # each [B, N_i, C]
        base: Tensor | None = None,  # [B, N_k, C]
    ) -> Tensor:  # [B, N_k, C]
        _check_count(sources, self.nodes, "sources")
        check_scales(sources, self.nodes, self.widths, "sources")
        check_one_type(sources=sources[0], weight=self.matrix)
        batch, _, channels = sources[0].shape
        table = torch.cat([*sources, self.one.expand(batch, 1, channels)], 1)
        return _product_of_nodes(self.matrix, table, base)


class FoldedFusion(nn.Module):
    """All scales to all others, which read one table.

    In the table stand the scales from the second on, a row of ones, and the scales up to the last
    but one. What a scale reads, those behind it, the ones, and those before it, lies in one piece.
    """

    def __init__(self, fusion: CrossScaleFusion) -> None:
        super().__init__()
        self.sizes, self.widths = fusion.sizes, fusion.channels
        count = len(self.sizes)
        self.matrices, self.starts = [], []
        for k in range(count):
            maps = _dense_maps(fusion.sums[str(k)])  # from the scales before it, and behind it
            weights = [made.weight.detach() for made in maps]
            matrix = torch.cat([*weights[k:], _bias_of(maps), *weights[:k]], 1)
            self.matrices.append(matrix.unsqueeze(0))
            self.starts.append(sum(self.sizes[1 : k + 1]))
        self.one = self.matrices[0].new_ones(1, 1, 1)

    def forward(
        self,
        features: Sequence[Tensor],  # each [B, N_k, C]
    ) -> list[Tensor]:  # each [B, N_k, C]
        _check_count(features, self.sizes, "features")
        check_scales(features, self.sizes, self.widths, "features")
        check_one_type(features=features[0], weight=self.one)
        batch, _, channels = features[0].shape
        one = self.one.expand(batch, 1, channels)
        table = torch.cat([*features[1:], one, *features[:-1]], 1)
        return [
            _product_of_nodes(matrix, table.narrow(1, start, matrix.shape[2]), x)
            for matrix, start, x in zip(self.matrices, self.starts, features, strict=True)
        ]


def _check_count(given: Sequence[Tensor], sizes: Sequence[int], name: str) -> None:
    if len(given) != len(sizes):
        raise ValueError(
            f"{name} has {len(given)} tensors, expected {len(sizes)}; give one for each scale"
        )


def _product_of_nodes(
    matrix: Tensor,  # [1, N_k, M]
    table: Tensor,  # [B, M, C]
    base: Tensor | None,  # [B, N_k, C]
) -> Tensor:  # [B, N_k, C]
    matrix = matrix.expand(table.shape[0], -1, -1)
    return torch.bmm(matrix, table) if base is None else torch.baddbmm(base, matrix, table)


def _dense_maps(layer: nn.Module) -> list[DenseMap]:
    assert isinstance(layer, ScaleSum)
    return [made for made in layer.maps if isinstance(made, DenseMap)]


def _bias_of(maps: Sequence[DenseMap]) -> Tensor:  # [N_k, 1]
    return torch.stack([made.bias.detach() for made in maps]).sum(0).unsqueeze(1)


def folded_layer(module: nn.Module, arithmetic: Arithmetic) -> nn.Module | None:
    """What answers as a layer does in evaluation, to rounding, or None for one without such."""
    if not _runs_alone(module) or not _is_wide(module):
        return None
    if isinstance(module, ResGConv):
        return _folded_block(module, arithmetic)
    if isinstance(module, GraphConvBlock) and _is(
        module, GraphConvBlock, "forward", "_block", "_normalised"
    ):
        convolution = module.convolution
        still = module.dropout is None or not module.dropout.training
        if still and _folds(convolution, arithmetic) and _known_statistics(module.norm):
            return FoldedConvolution(convolution, module.norm, True, arithmetic)  # type: ignore[arg-type]
    elif _folds(module, arithmetic):
        return FoldedConvolution(module, None, False, arithmetic)  # type: ignore[arg-type]
    elif isinstance(module, NonLocal) and _non_local_folds(module):
        return FoldedNonLocal(module, arithmetic)
    elif isinstance(module, ScaleSum) and _sums_nodes_alone(module):
        return FoldedSum(module)
    elif isinstance(module, CrossScaleFusion) and arithmetic.joins_targets and _joins(module):
        return FoldedFusion(module)
    return None


def _folded_block(block: ResGConv, arithmetic: Arithmetic) -> nn.Module | None:
    first, second = folded_layer(block.first, arithmetic), folded_layer(block.second, arithmetic)
    whole = isinstance(first, FoldedConvolution) and isinstance(second, FoldedConvolution)
    non_local = block.non_local
    if not whole or not _is(block, ResGConv, "forward", "_block"):
        return None
    if non_local is not None and not _non_local_folds(non_local):
        return None
    return FoldedBlock(first, second, non_local, arithmetic)  # type: ignore[arg-type]


def _non_local_folds(block: NonLocal) -> bool:
    plain = _is(block, NonLocal, "forward", "_block", "_attend") and block.maxima is None
    return plain and block.reads_weights() and _known_statistics(block.norm)


def _joins(fusion: CrossScaleFusion) -> bool:
    """Whether it reads every scale before any is written, by dense maps of nodes alone."""
    count = len(fusion.sizes)
    return (
        _is(fusion, CrossScaleFusion, "forward", "_fused", "_sources")
        and fusion.fusion_order == "parallel"
        and len(fusion.pairs) == count * (count - 1)
        and not fusion.joins
        and all(isinstance(s, ScaleSum) and _sums_nodes_alone(s) for s in fusion.sums.values())
    )


def _sums_nodes_alone(module: ScaleSum) -> bool:
    """Whether it has dense maps of nodes, and none of channels."""
    dense = all(type(made) is DenseMap for made in module.maps)
    return _is(module, ScaleSum, "forward", "_sum") and dense and not module.channel_maps


def _folds(module: nn.Module, arithmetic: Arithmetic) -> bool:
    """Whether it is a convolution whose matrix all channels share, and of few enough nodes."""
    if isinstance(module, SemGConv):
        if not _is(module, SemGConv, "forward", "convolve") or module.logits.dim() != 1:
            return False
    elif not isinstance(module, GConv) or not _is(module, GConv, "forward", "convolve"):
        return False
    return module.pattern.num_nodes <= arithmetic.most_nodes


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
