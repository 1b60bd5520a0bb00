"""A network that works on several graphs at once."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from multiscale_gcn.checks.arguments import flag, whole_number
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.nn.blocks import GraphConvBlock, ResGConv
from multiscale_gcn.nn.convolution_contract import Convolution
from multiscale_gcn.nn.convolutions import SemGConv
from multiscale_gcn.nn.fusion import CrossScaleFusion, FusionOrder, ScaleSum, check_fusion_order
from multiscale_gcn.nn.hierarchy_transfer import Transfer
from multiscale_gcn.nn.layer_checks import (
    MOST,
    check_callable,
    check_features,
    listed,
    made_by,
    positive,
    probability,
)
from multiscale_gcn.nn.pattern_buffers import share_patterns


class MultiScaleGCN(nn.Module):
    """Graph network on several scales that exchange features: Li et al. 2021 (HGN), any schedule.

    A stage is one :class:`ResGConv` for each scale that takes part in it, followed by a
    :class:`CrossScaleFusion` between them where there are several. A scale without an input of its
    own begins, in the first stage that names it, as the sum of learned maps from all scales that
    have begun. A scale that a stage does not name rests: it keeps its features.

    Parameters
    ----------
    graphs : sequence of Graph, or anything that as_graph takes
        One graph for each scale.
    stages : sequence of sequences of int
        The scales, by their place in ``graphs``, that take part in each stage.
    in_channels : int or sequence of int
        Input channels of every scale, 0 for a scale without input. One number is that of scale 0,
        which then has the only input.
    channels : int
        Width of all scales.
    out_channels : int or sequence of int
        Output channels of every scale, 0 for a scale without output. One number is that of all.
    convolution : callable (in_channels, out_channels, graph) -> Module
        ``SemGConv``, ``GConv``, a ``functools.partial`` of one, or a :class:`ConvolutionLayer` of
        your own.
    fusion_order : {"parallel", "sequential"}
        See :class:`CrossScaleFusion`.
    transfer : callable (source, target) -> scipy.sparse matrix or None, optional
        On which entries the maps between two scales have their weights, see
        :class:`CrossScaleFusion`; :class:`HierarchyTransfer` takes them from a hierarchy. By
        default the maps are dense.
    non_local : bool
        Whether every block ends with a :class:`NonLocal`.
    dropout : float
        Probability, after every convolution but the last ones.

    Raises
    ------
    ValueError
        For stages that name no scale, an unknown one or one twice; for a scale with an output
        that no stage names; for channels that do not fit the graphs; and in ``forward`` for the
        wrong number, shape, type or device of inputs.
    TypeError
        For what is no sequence, no function or no tensor where one belongs.

    Notes
    -----
    Dense maps between scales have N_i x N_k weights: they want graphs of thousands of nodes at
    most. With ``transfer`` the memory of the whole network grows with the nodes and the entries,
    and a million nodes are no obstacle.

    The ``state_dict`` holds parameters and running statistics. The graphs are not in it: a network
    is built from its graphs, then loaded.

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> fine, coarse = Graph([0, 1, 3, 4], [1, 0, 2, 1]), Graph([0, 1, 2], [1, 0])
    >>> network = MultiScaleGCN(
    ...     [fine, coarse], [(0,), (0, 1)], in_channels=2, channels=16, out_channels=3
    ... )
    >>> [y.shape for y in network(torch.randn(8, 3, 2))]
    [torch.Size([8, 3, 3]), torch.Size([8, 2, 3])]

    Levels of a hierarchy, with sparse maps between them:

    >>> import networkx as nx
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.nn import HierarchyTransfer
    >>> hierarchy = coarsen(nx.grid_2d_graph(60, 60), sizes=[900, 225])
    >>> levels = [0, 2, 4]
    >>> network = MultiScaleGCN(
    ...     [hierarchy[level].graph for level in levels],
    ...     [(0, 1), (0, 1, 2)],
    ...     in_channels=3,
    ...     channels=16,
    ...     out_channels=[1, 0, 0],
    ...     transfer=HierarchyTransfer(hierarchy, levels),
    ... )
    >>> [y.shape for y in network(torch.randn(1, 3600, 3))]
    [torch.Size([1, 3600, 1])]
    """

    def __init__(
        self,
        graphs: Sequence[Any],
        stages: Sequence[Sequence[int]],
        *,
        in_channels: int | Sequence[int],
        channels: int,
        out_channels: int | Sequence[int],
        convolution: Convolution = SemGConv,
        fusion_order: FusionOrder = "parallel",
        transfer: Transfer | None = None,
        non_local: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        scales = [_scale(k, graph) for k, graph in enumerate(listed(graphs, "graphs"))]
        if not scales:
            raise ValueError("graphs is empty; a network needs at least one")
        channels = positive(channels, "channels")
        check_fusion_order(fusion_order)
        check_callable(convolution, "convolution", "in_channels", "out_channels", "graph")
        if transfer is not None:
            check_callable(transfer, "transfer", "source", "target")
        non_local = flag(non_local, "non_local")
        self.sizes: tuple[int, ...] = tuple(graph.num_nodes for graph in scales)
        self.in_channels: tuple[int, ...] = _per_scale(
            in_channels, "in_channels", len(scales), first_only=True
        )
        self.out_channels: tuple[int, ...] = _per_scale(
            out_channels, "out_channels", len(scales), first_only=False
        )
        self.channels = channels
        self.stages: tuple[tuple[int, ...], ...] = _stages(stages)
        _check_stages(self.stages, self.in_channels, self.out_channels)
        options: dict[str, Any] = {
            "convolution": convolution,
            "dropout": probability(dropout, "dropout"),
        }
        transfer = None if transfer is None else functools.cache(transfer)

        self.inputs: nn.ModuleDict = nn.ModuleDict(
            {
                str(k): GraphConvBlock(width, channels, scales[k], **options)
                for k, width in enumerate(self.in_channels)
                if width
            }
        )
        self.beginnings: nn.ModuleDict = nn.ModuleDict()
        self.blocks: nn.ModuleList = nn.ModuleList()
        self.fusions: nn.ModuleList = nn.ModuleList()
        begun = [k for k, width in enumerate(self.in_channels) if width]
        for stage in self.stages:
            new = [k for k in stage if k not in begun]
            for k in new:
                matrices = None if transfer is None else [transfer(i, k) for i in begun]
                sources = [self.sizes[i] for i in begun]
                self.beginnings[str(k)] = ScaleSum(sources, self.sizes[k], matrices)
            begun = sorted([*begun, *new])
            self.blocks.append(
                nn.ModuleDict(
                    {
                        str(k): ResGConv(channels, scales[k], non_local=non_local, **options)
                        for k in stage
                    }
                )
            )
            self.fusions.append(self._fusion(stage, fusion_order, transfer))
        self.outputs: nn.ModuleDict = nn.ModuleDict(
            {
                str(k): made_by(convolution, channels, width, scales[k])
                for k, width in enumerate(self.out_channels)
                if width
            }
        )
        share_patterns(self)

    def _fusion(
        self, stage: Sequence[int], fusion_order: FusionOrder, transfer: Transfer | None
    ) -> nn.Module:
        if len(stage) == 1:
            return nn.Identity()
        among = None if transfer is None else lambda i, k: transfer(stage[i], stage[k])
        return CrossScaleFusion([self.sizes[k] for k in stage], fusion_order, among)

    def forward(
        self,
        *inputs: Tensor,  # [B, N_k, C_in] for every scale with an input
    ) -> tuple[Tensor, ...]:  # [B, N_k, C_out] for every scale with an output
        """The answers of the scales, in their order."""
        if len(inputs) != len(self.inputs):
            raise ValueError(
                f"got {len(inputs)} inputs, the network takes {len(self.inputs)}; give one for "
                "each scale with input channels"
            )
        features: dict[int, Tensor] = {}
        for (key, block), x in zip(self.inputs.items(), inputs, strict=True):
            k = int(key)
            check_features(x, self.sizes[k], self.in_channels[k], f"the input of scale {k}")
            features[k] = block(x)
        for stage, blocks, fusion in zip(self.stages, self.blocks, self.fusions, strict=True):
            begun = [features[k] for k in sorted(features)]
            for k in stage:
                if k not in features:
                    features[k] = self.beginnings[str(k)](begun)
            worked = [blocks[str(k)](features[k]) for k in stage]  # type: ignore[index]
            features.update(zip(stage, fusion(worked), strict=True))
        return tuple(
            output(features[int(key)]).contiguous() for key, output in self.outputs.items()
        )

    def extra_repr(self) -> str:
        return f"sizes={list(self.sizes)}, stages={list(self.stages)}"


def _per_scale(
    channels: int | Sequence[int], name: str, scales: int, first_only: bool
) -> tuple[int, ...]:
    if isinstance(channels, str) or not isinstance(channels, Iterable):
        width = positive(channels, name)
        rest = 0 if first_only else width
        return (width, *[rest] * (scales - 1))
    widths = listed(channels, name)
    if len(widths) != scales:
        raise ValueError(
            f"{name} has {len(widths)} entries for {scales} graphs; give one for each, or a number"
        )
    widths = [whole_number(width, f"{name}[{k}]", most=MOST) for k, width in enumerate(widths)]
    if min(widths) < 0 or max(widths) == 0:
        raise ValueError(f"{name} = {widths} must be 0 or more, and somewhere more than 0")
    return tuple(widths)


def _scale(place: int, graph: Any) -> Graph:
    try:
        return as_graph(graph)
    except TypeError as error:
        raise TypeError(f"graphs[{place}]: {error}") from error
    except ValueError as error:
        raise ValueError(f"graphs[{place}]: {error}") from error


def _stages(stages: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(
        tuple(
            whole_number(k, f"stages[{place}][{i}]")
            for i, k in enumerate(listed(stage, f"stages[{place}]"))
        )
        for place, stage in enumerate(listed(stages, "stages"))
    )


def _check_stages(
    stages: tuple[tuple[int, ...], ...],
    in_channels: tuple[int, ...],
    out_channels: tuple[int, ...],
) -> None:
    if not stages:
        raise ValueError("stages is empty; a network needs at least one stage")
    for place, stage in enumerate(stages):
        if not stage:
            raise ValueError(f"stages[{place}] names no scale; name one, or leave the stage out")
        if len(set(stage)) < len(stage):
            raise ValueError(f"stages[{place}] = {stage} names a scale twice; name it once")
        for k in stage:
            if not 0 <= k < len(out_channels):
                raise ValueError(
                    f"stages[{place}] names scale {k}; scales run from 0 to "
                    f"{len(out_channels) - 1}, one for each graph"
                )
    begun = {k for stage in stages for k in stage}
    begun.update(k for k, width in enumerate(in_channels) if width)
    for k, width in enumerate(out_channels):
        if width and k not in begun:
            raise ValueError(
                f"scale {k} has an output but no stage names it; add it to a stage, "
                f"or set out_channels[{k}] to 0"
            )
