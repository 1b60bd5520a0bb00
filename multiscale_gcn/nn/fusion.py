"""Exchange of features between graphs of different size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import one_of
from multiscale_gcn.nn.hierarchy_transfer import Transfer
from multiscale_gcn.nn.layer_checks import (
    check_alike,
    check_callable,
    check_features,
    check_sparse,
    listed,
    positive,
)
from multiscale_gcn.nn.node_maps import DenseMap, SparseMap
from multiscale_gcn.ops.operand_checks import check_operands

FusionOrder = Literal["parallel", "sequential"]


class ScaleSum(nn.Module):
    """Sum of learned linear maps, over the node axis, from several scales to one.

    Every map has one weight for each pair of nodes and one bias for each node of the target, the
    same for every channel: the "1x1 convolution" of Li et al. 2021 (HGN), equation 3. Where a
    sparse matrix is given, there is one weight for each of its entries instead, and the map starts
    as the product with it.

    Parameters
    ----------
    sources : sequence of int
        Number of nodes of the scales that are read.
    target : int
        Number of nodes of the scale that is made.
    matrices : sequence of scipy.sparse matrices or None, optional
        One for every source, of shape (target, source); None for a dense map. All dense by
        default.

    Raises
    ------
    ValueError
        If no source is named, if a size is not positive, for a matrix that is not sparse, finite
        and of the right shape, and in ``forward`` for the wrong number of sources or of nodes, or
        for different batches or channels.

    Examples
    --------
    >>> import torch
    >>> ScaleSum([17, 48], 96)([torch.randn(8, 17, 4), torch.randn(8, 48, 4)]).shape
    torch.Size([8, 96, 4])
    """

    def __init__(
        self, sources: Sequence[int], target: int, matrices: Sequence[Any] | None = None
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
        for place, (source, matrix) in enumerate(zip(sources, matrices, strict=True)):
            if matrix is None:
                continue
            check_sparse(matrix, f"the matrix from source {place}")
            if matrix.shape != (target, source):
                raise ValueError(
                    f"the matrix from source {place} has shape {matrix.shape}, expected "
                    f"({target}, {source}): a row for each node of the target"
                )
        self.maps: nn.ModuleList = nn.ModuleList(
            DenseMap(source, target) if matrix is None else SparseMap(matrix)
            for source, matrix in zip(sources, matrices, strict=True)
        )

    def forward(
        self,
        sources: Sequence[Tensor],  # each [B, N_i, C]
        base: Tensor | None = None,  # [B, N_k, C], added
    ) -> Tensor:  # [B, N_k, C]
        """The sum of the maps, plus ``base``."""
        sources = listed(sources, "sources")
        if len(sources) != len(self.maps):
            raise ValueError(
                f"sources has {len(sources)} tensors, expected {len(self.maps)}; give one for "
                "each source"
            )
        maps = cast("list[DenseMap | SparseMap]", list(self.maps))
        for place, (node_map, x) in enumerate(zip(maps, sources, strict=True)):
            check_features(x, node_map.in_features, None, f"sources[{place}]")
        check_alike(sources, "sources")
        if base is not None:
            check_operands(**{"sources[0]": sources[0]}, base=base)
            expected = (sources[0].shape[0], maps[0].out_features, sources[0].shape[2])
            if base.shape != expected:
                raise ValueError(f"base has shape {list(base.shape)}, expected {list(expected)}")
        result = base
        for node_map, x in zip(maps, sources, strict=True):
            result = node_map.mix(x, result)
        assert result is not None
        bias = torch.stack([node_map.bias for node_map in maps]).sum(0)
        return result + bias.unsqueeze(-1).to(result.dtype)


class CrossScaleFusion(nn.Module):
    """Exchange features between scales: Y_k = X_k + sum over i != k of a(X_i, k).

    a(., k) is a learned linear map over the node axis with a bias for every node of scale k:
    equation 3 of Li et al. 2021 (HGN).

    Parameters
    ----------
    sizes : sequence of int
        Number of nodes of every scale.
    fusion_order : {"parallel", "sequential"}
        Parallel is the equation: all scales are read before any is written. Sequential is what
        the code published with the paper does: scale 0 is updated first, and its new features
        then feed scale 1, and so on.
    transfer : callable (source, target) -> scipy.sparse matrix or None, optional
        The matrix, of shape (N_k, N_i), on whose entries the map from scale i to scale k has its
        weights, and which it is at the start; None for a dense map. All maps are dense by default,
        with N_i x N_k weights. :class:`HierarchyTransfer` takes them from a hierarchy.

    Raises
    ------
    ValueError
        For an unknown order, for a size that is not positive, for a matrix that does not fit, and
        in ``forward`` for the wrong number of scales or of nodes, or for different batches or
        channels.

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
    ) -> None:
        super().__init__()
        check_fusion_order(fusion_order)
        if transfer is not None:
            check_callable(transfer, "transfer", "source", "target")
        sizes = [positive(n, f"sizes[{k}]") for k, n in enumerate(listed(sizes, "sizes"))]
        if len(sizes) < 2:
            raise ValueError(f"sizes = {sizes} must name at least two scales")
        self.sizes: tuple[int, ...] = tuple(sizes)
        self.fusion_order = fusion_order
        self.sums: nn.ModuleList = nn.ModuleList()
        for k, target in enumerate(sizes):
            others = [i for i in range(len(sizes)) if i != k]
            matrices = None if transfer is None else [transfer(i, k) for i in others]
            self.sums.append(ScaleSum([sizes[i] for i in others], target, matrices))

    def forward(
        self,
        features: Sequence[Tensor],  # each [B, N_k, C]
    ) -> list[Tensor]:  # each [B, N_k, C]
        """The features of every scale, with what the others send."""
        features = listed(features, "features")
        if len(features) != len(self.sizes):
            raise ValueError(
                f"features has {len(features)} tensors, expected {len(self.sizes)}; give one for "
                "each scale"
            )
        for k, (x, size) in enumerate(zip(features, self.sizes, strict=True)):
            check_features(x, size, None, f"features[{k}]")
        check_alike(features, "features")
        read = list(features)
        written = read if self.fusion_order == "sequential" else list(features)
        for k, scale_sum in enumerate(self.sums):
            written[k] = scale_sum([x for i, x in enumerate(read) if i != k], read[k])
        return written

    def extra_repr(self) -> str:
        return f"{list(self.sizes)}, fusion_order={self.fusion_order!r}"


def check_fusion_order(fusion_order: str) -> None:
    one_of(fusion_order, "fusion_order", get_args(FusionOrder))
