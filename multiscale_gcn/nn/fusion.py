"""Exchange of features between graphs of different size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import one_of
from multiscale_gcn.nn.hierarchy_transfer import Transfer
from multiscale_gcn.nn.layer_calls import LayerCalls, Place, does_what_it_says
from multiscale_gcn.nn.layer_checks import (
    check_alike,
    check_callable,
    check_features,
    listed,
    positive,
)
from multiscale_gcn.nn.map_starts import MapStart, start_channel_map, start_node_map
from multiscale_gcn.nn.node_maps import DenseMap, SparseMap, node_map
from multiscale_gcn.nn.schedules import Pair, Skips, as_pairs
from multiscale_gcn.ops import on_rows
from multiscale_gcn.ops.fusion.dispatch import fused_by_kernels
from multiscale_gcn.ops.fusion.division import Scales
from multiscale_gcn.ops.learning import FusionStep, MapOfNodes
from multiscale_gcn.ops.operand_checks import check_operands

FusionOrder = Literal["parallel", "sequential"]


class ScaleSum(nn.Module):
    """Sum of learned linear maps, over the node axis, from several scales to one.

    Every map has one weight for each pair of nodes and one bias for each node of the target, the
    same for every channel: the "1x1 convolution" of Li et al. 2021 (HGN), equation 3. Where a
    sparse matrix is given, there is one weight for each of its entries instead. Between scales of
    different widths a linear map of the channels comes first.

    Parameters
    ----------
    sources : sequence of int
        Number of nodes of the scales that are read.
    target : int
        Number of nodes of the scale that is made.
    matrices : sequence of scipy.sparse matrices, arrays or None, optional
        One for every source, of shape (target, source), in which the map begins; a dense map from
        an array, or from random weights for None. All None by default.
    source_channels : sequence of int, optional
        Width of every source.
    channels : int, optional
        Width of the target. Both widths or neither: without them all are alike.
    start : {"mean", "zero", "given", "published"}
        ``"mean"``: each of S maps begins as its matrix over S, or at random with variance
        1 / (S N): the sum is as large as its sources, if rows of matrices sum to 1. ``"zero"``: all
        maps of nodes begin at 0. ``"given"``: they begin as their matrices, behind maps of the
        channels, for equal widths too, that begin at 0. ``"published"``: as their matrices or as
        nn.Linear draws, which multiplies the size of features by the number of sources.

    Raises
    ------
    ValueError
        If no source is named, if a size is not positive, for a matrix that is not finite and of the
        right shape, for widths that do not fit ``sources`` or are missing where ``start`` needs
        them, for an unknown start, and in ``forward`` for the wrong number of sources or of nodes,
        or for different batches or channels.
    TypeError
        For what is no sequence, or no tensor, where one belongs.

    See Also
    --------
    CrossScaleFusion : learned maps between all scales

    Examples
    --------
    >>> import torch
    >>> ScaleSum([17, 48], 96)([torch.randn(8, 17, 4), torch.randn(8, 48, 4)]).shape
    torch.Size([8, 96, 4])
    """

    def __init__(
        self,
        sources: Sequence[int],
        target: int,
        matrices: Sequence[Any] | None = None,
        *,
        source_channels: Sequence[int] | None = None,
        channels: int | None = None,
        start: MapStart = "mean",
    ) -> None:
        super().__init__()
        sources = [positive(n, f"sources[{k}]") for k, n in enumerate(listed(sources, "sources"))]
        if not sources:
            raise ValueError("sources is empty; a scale must be made of at least one other")
        target = positive(target, "target")
        matrices = [None] * len(sources) if matrices is None else listed(matrices, "matrices")
        if len(matrices) != len(sources):
            raise ValueError(
                f"matrices has {len(matrices)} entries for {len(sources)} sources; give one for "
                "each, None for a dense map"
            )
        one_of(start, "start", get_args(MapStart))
        self.source_channels: tuple[int, ...] | None = _widths(
            source_channels, channels, len(sources)
        )
        self.channels: int | None = None if channels is None else positive(channels, "channels")
        if start == "given" and channels is None:
            raise ValueError(
                "start = 'given' needs maps of the channels; give source_channels and channels"
            )
        self.maps: nn.ModuleList = nn.ModuleList(
            node_map(source, target, matrix, f"the matrix from source {place}")
            for place, (source, matrix) in enumerate(zip(sources, matrices, strict=True))
        )
        self.channel_maps: nn.ModuleDict = nn.ModuleDict(
            {
                str(place): nn.Linear(width, cast("int", channels), bias=False)
                for place, width in enumerate(self.source_channels or ())
                if width != channels or start == "given"
            }
        )
        self._calls = LayerCalls()
        for made, matrix in zip(self._node_maps(), matrices, strict=True):
            start_node_map(made, start, len(sources), matrix is not None)
        for linear in self.channel_maps.values():
            start_channel_map(cast("nn.Linear", linear), start)

    @property
    def _is_dense(self) -> bool:
        """Whether all that it does is to add dense maps of nodes."""
        return not self.channel_maps and all(isinstance(made, DenseMap) for made in self.maps)

    def _node_maps(self) -> list[DenseMap | SparseMap]:
        return cast("list[DenseMap | SparseMap]", list(self.maps))

    def forward(
        self,
        sources: Sequence[Tensor],  # each [B, N_i, C_i]
        base: Tensor | None = None,  # [B, N_k, C], added
    ) -> Tensor:  # [B, N_k, C]
        """The sum of the maps, plus ``base``."""
        sources = listed(sources, "sources")
        inputs = sources if base is None else [*sources, base]
        result: Tensor = self._calls(
            self, lambda: self._sum(sources, base), inputs, base is None, self._as_step
        )
        return result

    def _as_step(self, place: Place) -> FusionStep | None:
        """What it is in training, without anything that is added to."""
        if not self._is_dense:
            return None
        maps = self._node_maps()
        scales = tuple(range(len(maps)))
        nodes = (*(made.in_features for made in maps), maps[0].out_features)
        return FusionStep(nodes, self._as_maps(place, scales, len(maps)), scales, (len(maps),))

    def _as_maps(self, place: Place, sources: Sequence[int], target: int) -> tuple[MapOfNodes, ...]:
        return tuple(
            MapOfNodes(target, source, place(made, "weight"), place(made, "bias"))
            for source, made in zip(sources, self.maps, strict=True)
        )

    def _sum(self, sources: list[Tensor], base: Tensor | None) -> Tensor:
        if len(sources) != len(self.maps):
            raise ValueError(
                f"sources has {len(sources)} tensors, expected {len(self.maps)}; give one for "
                "each source"
            )
        maps = self._node_maps()
        check_scales(sources, [m.in_features for m in maps], self.source_channels, "sources")
        if base is not None:
            check_operands(**{"sources[0]": sources[0]}, base=base)
            width = sources[0].shape[2] if self.channels is None else self.channels
            expected = (sources[0].shape[0], maps[0].out_features, width)
            if base.shape != expected:
                raise ValueError(f"base has shape {list(base.shape)}, expected {list(expected)}")
        fused = self._fused(sources, base)
        if fused is not None:
            return fused
        result = base
        for place, (made, x) in enumerate(zip(maps, sources, strict=True)):
            if str(place) in self.channel_maps:
                x = on_rows(self.channel_maps[str(place)], x)
            result = made.mix(x, result)
        assert result is not None
        bias = torch.cat([made.bias for made in maps]).view(len(maps), -1).sum(0)
        return result + bias.unsqueeze(-1).to(result.dtype)

    def _fused(self, sources: list[Tensor], base: Tensor | None) -> Tensor | None:
        """The sum by one kernel, if there is one."""
        if not sources[0].is_cuda or not self._is_dense:
            return None
        if any(type(made) is not DenseMap for made in self.maps):
            return None
        maps, target = self._node_maps(), len(sources)
        nodes = (*(made.in_features for made in maps), maps[0].out_features)
        scales = Scales(nodes, tuple((target, source) for source in range(target)))
        weights, biases = [made.weight for made in maps], [made.bias for made in maps]
        features = sources if base is None else [*sources, base]
        given = range(len(features))
        found = fused_by_kernels(features, weights, biases, scales, given, [target])
        return None if found is None else found[0]


class CrossScaleFusion(nn.Module):
    """Exchange features between scales: Y_k = X_k + sum over i != k of a(X_i, k).

    a(., k) is a learned linear map over the node axis with a bias for every node of scale k:
    equation 3 of Li et al. 2021 (HGN). It begins at zero, so a fusion begins as the identity,
    however many scales there are.

    Parameters
    ----------
    sizes : sequence of int
        Number of nodes of every scale.
    fusion_order : {"parallel", "sequential"}
        Parallel is the equation: all scales are read before any is written. Sequential is what
        the code published with the paper does: scale 0 is updated first, and its new features
        then feed scale 1, and so on.
    transfer : callable (source, target) -> scipy.sparse matrix, array or None, optional
        The matrix, of shape (N_k, N_i), on whose entries the map from scale i to scale k has its
        weights; None for a dense map, an array for a dense one that begins as the array where
        ``start`` says so. All maps are dense by default, with N_i x N_k weights.
        :class:`HierarchyTransfer` takes them from a hierarchy.
    pairs : sequence of pairs (source, target) of int, optional
        Between which scales there are maps; a scale that is no target stays as it is. All by
        default.
    channels : sequence of int, optional
        Width of every scale; all alike by default.
    start : {"zero", "given", "published"}
        How maps begin, see :class:`ScaleSum`.
    skips : {"add", "concatenate"}
        Add what is sent, as above; or a linear map of X_k and the sum, side by side, which begins
        as X_k. The sum then begins as a mean.

    Raises
    ------
    ValueError
        For an unknown order, start or kind of skip, for a size that is not positive, for a matrix
        that does not fit, for pairs that name a scale that is none, a scale and itself or a pair
        twice, for widths that are missing where ``start`` or ``skips`` needs them, and in
        ``forward`` for the wrong number of scales or of nodes, or for different batches or
        channels.
    TypeError
        For what is no sequence, no function or no tensor where one belongs.

    See Also
    --------
    ScaleSum : what meets in a scale
    HierarchyTransfer : maps between scales from a hierarchy
    DenseMap : a full map between nodes

    Examples
    --------
    >>> import torch
    >>> fusion = CrossScaleFusion([17, 48])
    >>> [y.shape for y in fusion([torch.randn(8, 17, 4), torch.randn(8, 48, 4)])]
    [torch.Size([8, 17, 4]), torch.Size([8, 48, 4])]

    Weights only between a node and the one that it belongs to:

    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.nn import HierarchyTransfer
    >>> hierarchy = coarsen(nx.grid_2d_graph(40, 40), sizes=[400])
    >>> dense = CrossScaleFusion(hierarchy.sizes)
    >>> sparse = CrossScaleFusion(hierarchy.sizes, transfer=HierarchyTransfer(hierarchy))
    >>> [sum(p.numel() for p in fusion.parameters()) for fusion in (dense, sparse)]
    [6785630, 23250]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        fusion_order: FusionOrder = "parallel",
        transfer: Transfer | None = None,
        *,
        pairs: Sequence[Pair] | None = None,
        channels: Sequence[int] | None = None,
        start: MapStart = "zero",
        skips: Skips = "add",
    ) -> None:
        super().__init__()
        check_fusion_order(fusion_order)
        one_of(start, "start", FUSION_STARTS)
        one_of(skips, "skips", get_args(Skips))
        if transfer is not None:
            check_callable(transfer, "transfer", "source", "target")
        sizes = [positive(n, f"sizes[{k}]") for k, n in enumerate(listed(sizes, "sizes"))]
        if len(sizes) < 2:
            raise ValueError(f"sizes = {sizes} must name at least two scales")
        self.sizes: tuple[int, ...] = tuple(sizes)
        self.fusion_order = fusion_order
        self.pairs: tuple[Pair, ...] = _checked_pairs(pairs, len(sizes))
        self.channels: tuple[int, ...] | None = _all_widths(channels, len(sizes))
        if skips == "concatenate" and self.channels is None:
            raise ValueError("skips = 'concatenate' needs maps of the channels; give channels")
        self.sums: nn.ModuleDict = nn.ModuleDict()
        self.joins: nn.ModuleDict = nn.ModuleDict()
        self._calls = LayerCalls()
        if skips == "concatenate" and start != "published":
            start = "mean"  # the join begins at zero, and one of the two has to be more
        for k, target in enumerate(sizes):
            sources = self._sources(k)
            if not sources:
                continue
            matrices = None if transfer is None else [transfer(i, k) for i in sources]
            widths = None if self.channels is None else [self.channels[i] for i in sources]
            self.sums[str(k)] = ScaleSum(
                [sizes[i] for i in sources],
                target,
                matrices,
                source_channels=widths,
                channels=None if self.channels is None else self.channels[k],
                start=start,
            )
            if skips == "concatenate":
                assert self.channels is not None
                self.joins[str(k)] = _join(self.channels[k])

    def _sources(self, target: int) -> list[int]:
        return sorted(source for source, k in self.pairs if k == target)

    def forward(
        self,
        features: Sequence[Tensor],  # each [B, N_k, C_k]
    ) -> list[Tensor]:  # each [B, N_k, C_k]
        """The features of every scale, with what the others send."""
        features = listed(features, "features")
        result: Sequence[Tensor] = self._calls(
            self, lambda: self._fused(features), features, None, self._as_step
        )
        return list(result)

    def _as_step(self, place: Place) -> FusionStep | None:
        """What it is in training, if all read all before any is written, by dense maps."""
        if not self._is_dense or self.fusion_order != "parallel":
            return None
        scales = tuple(range(len(self.sizes)))
        sums = cast("list[ScaleSum]", [self.sums[str(k)] for k in scales])
        maps = [m for k in scales for m in sums[k]._as_maps(place, self._sources(k), k)]
        return FusionStep(self.sizes, tuple(maps), scales, scales)

    def _fused(self, features: list[Tensor]) -> list[Tensor]:
        self._check(features)
        if features[0].is_cuda and self._is_dense and self.fusion_order == "parallel":
            fused = self._fused_at_once(features)
            if fused is not None:
                return fused
        read = list(features)
        written = read if self.fusion_order == "sequential" else list(features)
        for key, scale_sum in self.sums.items():
            k = int(key)
            sent = [read[i] for i in self._sources(k)]
            if key in self.joins:
                both = torch.cat([read[k], scale_sum(sent)], dim=2)
                written[k] = on_rows(self.joins[key], both)
            else:
                written[k] = scale_sum(sent, read[k])
        return written

    @property
    def _is_dense(self) -> bool:
        """Whether all scales are sums of themselves and of dense maps of nodes."""
        sums = list(self.sums.values())
        return (
            len(sums) == len(self.sizes)
            and not self.joins
            and all(isinstance(made, ScaleSum) and made._is_dense for made in sums)
        )

    def _fused_at_once(self, features: list[Tensor]) -> list[Tensor] | None:
        sums = cast("list[ScaleSum]", [self.sums[str(k)] for k in range(len(self.sizes))])
        if not all(
            does_what_it_says(each, ScaleSum) and all(type(made) is DenseMap for made in each.maps)
            for each in sums
        ):
            return None
        pairs = [(k, source) for k in range(len(sums)) for source in self._sources(k)]
        weights = [made.weight for each in sums for made in each._node_maps()]
        biases = [made.bias for each in sums for made in each._node_maps()]
        every = range(len(sums))
        scales = Scales(self.sizes, tuple(pairs))
        return fused_by_kernels(features, weights, biases, scales, every, every)

    def _check(self, features: list[Tensor]) -> None:
        if len(features) != len(self.sizes):
            raise ValueError(
                f"features has {len(features)} tensors, expected {len(self.sizes)}; give one for "
                "each scale"
            )
        check_scales(features, self.sizes, self.channels, "features")

    def extra_repr(self) -> str:
        return f"{list(self.sizes)}, fusion_order={self.fusion_order!r}"


FUSION_STARTS = ("zero", "given", "published")
"""A fusion that begins as a mean, added to what is there, would double it."""


def check_fusion_order(fusion_order: str) -> None:
    one_of(fusion_order, "fusion_order", get_args(FusionOrder))


def check_scales(
    features: Sequence[Tensor], sizes: Sequence[int], widths: Sequence[int] | None, name: str
) -> None:
    """Refuse features that do not have these nodes and widths, and one batch."""
    for place, (x, size) in enumerate(zip(features, sizes, strict=True)):
        width = None if widths is None else widths[place]
        check_features(x, size, width, f"{name}[{place}]")
    check_alike(features, name, same_channels=widths is None)


def _join(channels: int) -> nn.Linear:
    """Of two sets of channels, side by side; it begins as the first."""
    join = nn.Linear(2 * channels, channels)
    with torch.no_grad():
        join.weight.zero_()[:, :channels] = torch.eye(channels)
        join.bias.zero_()
    return join


def _widths(widths: Any, width: Any, count: int) -> tuple[int, ...] | None:
    if (widths is None) != (width is None):
        raise ValueError("source_channels and channels go together; give both or neither")
    if widths is None:
        return None
    return _all_widths(widths, count, "source_channels", "sources")


def _all_widths(
    widths: Any, count: int, name: str = "channels", of: str = "scales"
) -> tuple[int, ...] | None:
    if widths is None:
        return None
    given = [positive(width, f"{name}[{k}]") for k, width in enumerate(listed(widths, name))]
    if len(given) != count:
        raise ValueError(f"{name} has {len(given)} entries for {count} {of}; give one for each")
    return tuple(given)


def _checked_pairs(pairs: Any, count: int) -> tuple[Pair, ...]:
    if pairs is None:
        return tuple(permutations(range(count), 2))
    result = as_pairs(pairs, "pairs")
    for place, pair in enumerate(result):
        for k in pair:
            if not 0 <= k < count:
                raise ValueError(
                    f"pairs[{place}] names scale {k}; scales run from 0 to {count - 1}"
                )
    if not result:
        raise ValueError("pairs is empty; name who sends to whom, or leave the fusion out")
    return result
