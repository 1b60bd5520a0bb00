"""A network that works on several graphs at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from multiscale_gcn.checks.arguments import flag, one_of, shown, whole_number
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph import Graph
from multiscale_gcn.nn.blocks import GraphConvBlock, ResGConv
from multiscale_gcn.nn.convolution_contract import Convolution
from multiscale_gcn.nn.convolutions import SemGConv
from multiscale_gcn.nn.fusion import CrossScaleFusion, FusionOrder, ScaleSum, check_fusion_order
from multiscale_gcn.nn.hierarchy_transfer import Transfer
from multiscale_gcn.nn.layer_calls import LayerCalls
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
from multiscale_gcn.nn.plan import Plan, members, plan
from multiscale_gcn.nn.schedules import Schedule, as_schedule
from multiscale_gcn.nn.side_by_side import learned_stage, side_by_side
from multiscale_gcn.nn.whole_network import in_one_kernel, is_captured

Block = Callable[[int, Graph], nn.Module]
"""Makes a block of (channels, graph), from features [B, N, C] to features [B, N, C]."""

NetworkStart = Literal["zero", "given", "published"]

PerScale = Convolution | Sequence[nn.Module | Convolution | None]
"""One for all scales, called with (in_channels, out_channels, graph), or a list with an entry for
each scale: such a function, a module that is ready, or None for what the network makes itself."""


class MultiScaleGCN(nn.Module):
    """Graph network on several scales that exchange features: Li et al. 2021 (HGN), any schedule.

    A stage is one :class:`ResGConv`, or another block, for each scale that takes part in it, then a
    :class:`CrossScaleFusion` between them, or between those that the :class:`Schedule` says. A
    scale without an input of its own begins, in the first stage that names it, as the sum of
    learned maps from all scales that have begun, or from those that the schedule says. A scale that
    a stage does not name rests: it keeps its features. Maps that no output depends on are not made.

    Parameters
    ----------
    graphs : sequence of Graph, or anything that as_graph takes
        One graph for each scale; a hierarchy has one for each of its levels.
    stages : Schedule, str, or sequence of sequences of int
        A schedule, its name (``"parallel"``, ``"u_net"``, ``"v_cycle"``, ``"w_cycle"``: see
        :mod:`multiscale_gcn.nn.schedules`), or the scales, by their place in ``graphs``, that take
        part in each stage and then send to each other.
    in_channels : int or sequence of int
        Input channels of every scale, 0 for a scale without input. One number is that of scale 0,
        which then has the only input.
    channels : int or sequence of int
        Width of all scales, or of each.
    out_channels : int or sequence of int
        Output channels of every scale, 0 for a scale without output. One number is that of all.
    convolution : callable (in_channels, out_channels, graph) -> Module
        ``SemGConv``, ``GConv``, a ``functools.partial`` of one, or a :class:`ConvolutionLayer` of
        your own.
    fusion_order : {"parallel", "sequential"}
        See :class:`CrossScaleFusion`.
    transfer : callable (source, target) -> scipy.sparse matrix, array or None, optional
        On which entries the maps between two scales have their weights, see
        :class:`CrossScaleFusion`; :class:`HierarchyTransfer` takes them from a hierarchy. By
        default the maps are dense.
    non_local : bool
        Whether every block ends with a :class:`NonLocal`.
    dropout : float
        Probability, after every convolution but the last ones.
    encoder, decoder : callable (in_channels, out_channels, graph) -> Module, or sequence, optional
        What makes the first features of a scale of its input, [B, N, C_in] to [B, N, C], and its
        output of the last ones: a :class:`GraphConvBlock` and a convolution by default. A sequence
        has an entry for each scale: such a function, a module, or None for the default.
    block : callable (channels, graph) -> Module, or sequence, optional
        What makes the blocks of a scale, [B, N, C] to [B, N, C], one for each stage in which it
        works, such as a function that makes a :class:`PreNormResidual`. A sequence has an entry for
        each scale: such a function, or None for the default, a :class:`ResGConv`, which alone
        heeds ``convolution``, ``non_local``, ``dropout`` and the gain of ``start``.
    start : {"zero", "given", "published"}
        How the network begins. ``"zero"``: with features of one size in every stage, whatever the
        schedule: fusions begin at 0, sums that a scale begins with are means, and what blocks add
        begins at 1 / number of stages. ``"given"``: so too, with maps of nodes that begin as the
        matrices of ``transfer``, behind maps of channels that begin at 0. ``"published"``: as the
        code of Li et al. 2021, where features grow with every stage and every scale.

    Raises
    ------
    ValueError
        For stages that name no scale, an unknown one or one twice; for a scale with an output
        that no stage names; for a scale that works in a stage, or has an input, without any output
        that depends on it; for transfers from a scale without features; for channels that do not
        fit the graphs; and in ``forward`` for the wrong number, shape, type or device of inputs.
    TypeError
        For what is no sequence, no function, no module or no tensor where one belongs.

    See Also
    --------
    Schedule : which scale works when
    HierarchyTransfer : maps between scales from a hierarchy
    ResGConv : two convolutions and a shortcut
    Recorded : replays a network on a device
    multiscale_gcn.pyg.MultiScaleNet : a network on batches of graphs

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

    Down to the coarsest scale and back to the finest, with wider features on coarser scales:

    >>> network = MultiScaleGCN(
    ...     [hierarchy[level].graph for level in levels],
    ...     "u_net",
    ...     in_channels=3,
    ...     channels=[16, 32, 64],
    ...     out_channels=[1, 0, 0],
    ...     transfer=HierarchyTransfer(hierarchy, levels),
    ... )
    >>> [y.shape for y in network(torch.randn(1, 3600, 3))]
    [torch.Size([1, 3600, 1])]
    """

    def __init__(
        self,
        graphs: Iterable[Any],
        stages: Schedule | str | Sequence[Sequence[int]],
        *,
        in_channels: int | Sequence[int],
        channels: int | Sequence[int],
        out_channels: int | Sequence[int],
        convolution: Convolution = SemGConv,
        fusion_order: FusionOrder = "parallel",
        transfer: Transfer | None = None,
        non_local: bool = True,
        dropout: float = 0.0,
        encoder: PerScale | None = None,
        decoder: PerScale | None = None,
        block: Block | Sequence[Block | None] | None = None,
        start: NetworkStart = "zero",
    ) -> None:
        super().__init__()
        scales = [_scale(k, graph) for k, graph in enumerate(listed(graphs, "graphs"))]
        if not scales:
            raise ValueError("graphs is empty; a network needs at least one")
        check_fusion_order(fusion_order)
        one_of(start, "start", get_args(NetworkStart))
        check_callable(convolution, "convolution", "in_channels", "out_channels", "graph")
        if transfer is not None:
            check_callable(transfer, "transfer", "source", "target")
            transfer = functools.cache(transfer)
        non_local = flag(non_local, "non_local")
        self.sizes: tuple[int, ...] = tuple(graph.num_nodes for graph in scales)
        self.in_channels: tuple[int, ...] = _per_scale(
            in_channels, "in_channels", len(scales), first_only=True
        )
        self.channels: tuple[int, ...] = _per_scale(
            channels, "channels", len(scales), first_only=False
        )
        self.out_channels: tuple[int, ...] = _per_scale(
            out_channels, "out_channels", len(scales), first_only=False
        )
        self.schedule: Schedule = as_schedule(stages, len(scales))
        self.stages: tuple[tuple[int, ...], ...] = tuple(map(tuple, self.schedule.stages))
        self.plan: Plan = plan(
            self.schedule, self.in_channels, self.out_channels, fusion_order == "sequential"
        )
        for k in {k for stage in self.stages for k in stage}:
            positive(self.channels[k], f"channels[{k}]")
        options: dict[str, Any] = {
            "convolution": convolution,
            "dropout": probability(dropout, "dropout"),
        }
        first = functools.partial(GraphConvBlock, **options)
        encoders = _makers(encoder, "encoder", first, self.in_channels)
        decoders = _makers(decoder, "decoder", convolution, self.out_channels)
        gain = 1.0 if start == "published" else 1 / len(self.stages)
        usual = functools.partial(ResGConv, non_local=non_local, gain=gain, **options)
        blocks = _block_makers(block, usual, len(scales))

        self.inputs: nn.ModuleDict = nn.ModuleDict(
            {
                str(k): encoders[k](width, self.channels[k], scales[k])
                for k, width in enumerate(self.in_channels)
                if width
            }
        )
        self.beginnings: nn.ModuleDict = nn.ModuleDict()
        self.blocks: nn.ModuleList = nn.ModuleList()
        self.fusions: nn.ModuleList = nn.ModuleList()
        for place, stage in enumerate(self.stages):
            self._begin(place, transfer, start)
            self.blocks.append(
                nn.ModuleDict({str(k): blocks[k](self.channels[k], scales[k]) for k in stage})
            )
            self.fusions.append(self._fusion(place, fusion_order, transfer, start))
        self._begin(len(self.stages), transfer, start)
        self.outputs: nn.ModuleDict = nn.ModuleDict(
            {
                str(k): decoders[k](self.channels[k], width, scales[k])
                for k, width in enumerate(self.out_channels)
                if width
            }
        )
        share_patterns(self)
        self._calls = LayerCalls()

    def _begin(self, place: int, transfer: Transfer | None, start: NetworkStart) -> None:
        for k, sources in self.plan.beginnings[place].items():
            self.beginnings[str(k)] = ScaleSum(
                [self.sizes[i] for i in sources],
                self.sizes[k],
                None if transfer is None else [transfer(i, k) for i in sources],
                source_channels=[self.channels[i] for i in sources],
                channels=self.channels[k],
                start="published" if start == "published" else "mean",
            )

    def _fusion(
        self,
        place: int,
        fusion_order: FusionOrder,
        transfer: Transfer | None,
        start: NetworkStart,
    ) -> nn.Module:
        pairs = self.plan.exchanges[place]
        if not pairs:
            return nn.Identity()
        scales = members(self.stages[place], pairs)
        among = None if transfer is None else lambda i, k: transfer(scales[i], scales[k])
        return CrossScaleFusion(
            [self.sizes[k] for k in scales],
            fusion_order,
            among,
            pairs=[(scales.index(source), scales.index(target)) for source, target in pairs],
            channels=[self.channels[k] for k in scales],
            start=start,
            skips=self.schedule.skips,
        )

    def forward(
        self,
        *inputs: Tensor,  # [B, N_k, C_in] for every scale with an input
    ) -> tuple[Tensor, ...]:  # [B, N_k, C_out] for every scale with an output
        """The answers of the scales, in their order."""
        if is_captured(inputs):
            return self._answers(inputs)  # scales beside each other, and not as one row of launches
        result: tuple[Tensor, ...] = self._calls(self, lambda: self._answers(inputs), inputs)
        return result

    def _answers(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if len(inputs) != len(self.inputs):
            raise ValueError(
                f"got {len(inputs)} inputs, the network takes {len(self.inputs)}; give one for "
                "each scale with input channels"
            )
        at_once = in_one_kernel(self, inputs)
        if at_once is not None:
            return at_once
        features: dict[int, Tensor] = {}
        for (key, block), x in zip(self.inputs.items(), inputs, strict=True):
            k = int(key)
            check_features(x, self.sizes[k], self.in_channels[k], f"the input of scale {k}")
            features[k] = block(x)
            check_features(
                features[k], self.sizes[k], self.channels[k], f"what the encoder of scale {k} made"
            )
        for place, stage in enumerate(self.stages):
            self._add_beginnings(place, features)
            self._take(place, stage, features)
        self._add_beginnings(len(self.stages), features)
        answers = side_by_side(
            list(self.outputs.values()), [features[int(key)] for key in self.outputs]
        )
        return tuple(answer.contiguous() for answer in answers)

    def _take(self, place: int, stage: Sequence[int], features: dict[int, Tensor]) -> None:
        """A stage: its blocks, and what they exchange."""
        blocks: Any = self.blocks[place]
        fusion = self.fusions[place]
        pairs = self.plan.exchanges[place]
        parts = [blocks[str(k)] for k in stage]
        given = [features[k] for k in stage]
        scales = members(stage, pairs) if pairs else []
        if scales and not set(scales).difference(stage):
            learned = learned_stage(parts, given, fusion, [stage.index(k) for k in scales])
            if learned is not None:
                features.update(zip(stage, learned, strict=True))
                return
        features.update(zip(stage, side_by_side(parts, given), strict=True))
        for k in stage:
            check_features(
                features[k], self.sizes[k], self.channels[k], f"what a block of scale {k} made"
            )
        if scales:
            features.update(zip(scales, fusion([features[k] for k in scales]), strict=True))

    def _add_beginnings(self, place: int, features: dict[int, Tensor]) -> None:
        """Those of all scales that begin here read what was there before."""
        begun = {
            k: self.beginnings[str(k)]([features[i] for i in sources])
            for k, sources in self.plan.beginnings[place].items()
        }
        features.update(begun)

    def extra_repr(self) -> str:
        return f"sizes={list(self.sizes)}, stages={list(self.stages)}"


def _makers(
    given: PerScale | None, name: str, default: Convolution, widths: Sequence[int]
) -> list[Callable[[int, int, Graph], nn.Module]]:
    """For every scale, what makes its encoder or decoder."""
    if given is None:
        given = default
    if isinstance(given, nn.Module):
        raise TypeError(
            f"{name} = {shown(given)} is one module for all scales; give a list, {name}=[...], "
            "with an entry for each"
        )
    if callable(given):
        check_callable(given, name, "in_channels", "out_channels", "graph")
        return [functools.partial(made_by, given, name=name)] * len(widths)
    entries = listed(given, name)
    if len(entries) != len(widths):
        raise ValueError(
            f"{name} has {len(entries)} entries for {len(widths)} graphs; give one for each, None "
            "where the network's own is meant"
        )
    makers: list[Callable[[int, int, Graph], nn.Module]] = []
    for place, (entry, width) in enumerate(zip(entries, widths, strict=True)):
        if entry is not None and not width:
            what = "in_channels" if name == "encoder" else "out_channels"
            raise ValueError(
                f"{name}[{place}] is there, but {what}[{place}] is 0; give None, or channels"
            )
        if isinstance(entry, nn.Module):
            makers.append(functools.partial(_ready, entry))
            continue
        make = default if entry is None else entry
        check_callable(make, f"{name}[{place}]", "in_channels", "out_channels", "graph")
        makers.append(functools.partial(made_by, make, name=f"{name}[{place}]"))
    return makers


def _block_makers(given: Any, usual: Block, count: int) -> list[Block]:
    """For every scale, what makes its blocks."""
    if given is None:
        return [usual] * count
    if callable(given) and not isinstance(given, nn.Module):
        check_callable(given, "block", "channels", "graph")
        return [functools.partial(_made_block, given, "block")] * count
    if isinstance(given, nn.Module):
        raise TypeError(
            f"block = {shown(given)} is one module for all scales and stages; give a function "
            "(channels, graph) that makes one"
        )
    entries = listed(given, "block")
    if len(entries) != count:
        raise ValueError(
            f"block has {len(entries)} entries for {count} graphs; give one for each, None where "
            "the network's own is meant"
        )
    makers: list[Block] = []
    for place, entry in enumerate(entries):
        if entry is None:
            makers.append(usual)
            continue
        if isinstance(entry, nn.Module):
            raise TypeError(
                f"block[{place}] = {shown(entry)} is one module for all stages; give a function "
                "(channels, graph) that makes one"
            )
        check_callable(entry, f"block[{place}]", "channels", "graph")
        makers.append(functools.partial(_made_block, entry, f"block[{place}]"))
    return makers


def _made_block(make: Block, name: str, channels: int, graph: Graph) -> nn.Module:
    made: Any = make(channels, graph)
    if not isinstance(made, nn.Module):
        raise TypeError(f"{name} = {shown(make)} made a {type(made).__name__}; make a Module")
    return made


def _ready(module: nn.Module, *_: Any) -> nn.Module:
    return module


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
