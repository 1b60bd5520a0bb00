"""Exchange of features between graphs of different size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from multiscale_gcn.nn.checks import check_features, check_positive
from multiscale_gcn.ops import mix_nodes

FusionOrder = Literal["parallel", "sequential"]


class ScaleSum(nn.Module):
    """Sum of learned linear maps, over the node axis, from several scales to one.

    Every map has one weight for each pair of nodes and one bias for each node of the target, the
    same for every channel: the "1x1 convolution" of Li et al. 2021 (HGN), equation 3.

    Parameters
    ----------
    sources : sequence of int
        Number of nodes of the scales that are read.
    target : int
        Number of nodes of the scale that is made.

    Examples
    --------
    >>> import torch
    >>> ScaleSum([17, 48], 96)([torch.randn(8, 17, 4), torch.randn(8, 48, 4)]).shape
    torch.Size([8, 96, 4])
    """

    def __init__(self, sources: Sequence[int], target: int) -> None:
        super().__init__()
        if not sources:
            raise ValueError("sources is empty; a scale must be made of at least one other")
        for size in (*sources, target):
            check_positive(nodes=size)
        self.maps = nn.ModuleList(nn.Linear(source, target) for source in sources)

    def forward(
        self,
        sources: Sequence[Tensor],  # each [B, N_i, C]
        base: Tensor | None = None,  # [B, N_k, C], added
    ) -> Tensor:  # [B, N_k, C]
        if len(sources) != len(self.maps):
            raise ValueError(f"sources has {len(sources)} tensors, expected {len(self.maps)}")
        linears = cast(list[nn.Linear], list(self.maps))
        result = base
        for place, (linear, x) in enumerate(zip(linears, sources, strict=True)):
            check_features(x, linear.in_features, None, f"sources[{place}]")
            result = mix_nodes(linear.weight, x, result)
        assert result is not None
        bias = torch.stack([linear.bias for linear in linears]).sum(0)
        return result + bias.unsqueeze(-1).to(result.dtype)


class CrossScaleFusion(nn.Module):
    """Exchange features between scales: Y_k = X_k + sum over i != k of a(X_i, k).

    a(., k) is a learned linear map over the node axis with a bias for every node of scale k:
    equation 3 of Li et al. 2021 (HGN).

    Parameters
    ----------
    sizes : sequence of int
        Number of nodes of every scale. A map from scale i to scale k has N_i x N_k weights.
    fusion_order : {"parallel", "sequential"}
        Parallel is the equation: all scales are read before any is written. Sequential is what
        the code published with the paper does: scale 0 is updated first, and its new features
        then feed scale 1, and so on.

    Raises
    ------
    ValueError
        For an unknown order, for a size that is not positive, and in ``forward`` for the wrong
        number of scales or of nodes.

    Examples
    --------
    >>> import torch
    >>> fusion = CrossScaleFusion([17, 48])
    >>> [y.shape for y in fusion([torch.randn(8, 17, 4), torch.randn(8, 48, 4)])]
    [torch.Size([8, 17, 4]), torch.Size([8, 48, 4])]
    """

    def __init__(self, sizes: Sequence[int], fusion_order: FusionOrder = "parallel") -> None:
        super().__init__()
        check_fusion_order(fusion_order)
        if len(sizes) < 2:
            raise ValueError(f"sizes = {list(sizes)} must name at least two scales")
        self.sizes = tuple(sizes)
        self.fusion_order = fusion_order
        self.sums = nn.ModuleList(
            ScaleSum([size for i, size in enumerate(sizes) if i != k], target)
            for k, target in enumerate(sizes)
        )

    def forward(
        self,
        features: Sequence[Tensor],  # each [B, N_k, C]
    ) -> list[Tensor]:  # each [B, N_k, C]
        if len(features) != len(self.sizes):
            raise ValueError(f"features has {len(features)} tensors, expected {len(self.sizes)}")
        for k, (x, size) in enumerate(zip(features, self.sizes, strict=True)):
            check_features(x, size, None, f"features[{k}]")
        read = list(features)
        written = read if self.fusion_order == "sequential" else list(features)
        for k, scale_sum in enumerate(self.sums):
            written[k] = scale_sum([x for i, x in enumerate(read) if i != k], read[k])
        return written

    def extra_repr(self) -> str:
        return f"{list(self.sizes)}, fusion_order={self.fusion_order!r}"


def check_fusion_order(fusion_order: str) -> None:
    if fusion_order not in ("parallel", "sequential"):
        raise ValueError(f"fusion_order = {fusion_order!r} is neither 'parallel' nor 'sequential'")
