"""Multi-scale networks for mini-batches of different graphs, each with its own hierarchy."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch_geometric.nn import SAGEConv
from torch_geometric.utils import to_edge_index

from multiscale_gcn.checks.arguments import one_of, shown, whole_number
from multiscale_gcn.nn.feature_checks import check_fits_layer
from multiscale_gcn.nn.layer_checks import check_callable, positive
from multiscale_gcn.nn.message_passing import (
    check_layer,
    convolve,
    is_message_passing,
    layer_class,
    made_layer,
)
from multiscale_gcn.ops.operand_checks import check_operands
from multiscale_gcn.pyg.data import MultiScaleData, multi_scale
from multiscale_gcn.pyg.pooling import Pool, PoolKind, Unpool, UnpoolKind

Schedule = Literal["u_net", "parallel"]
MOST = 1000
"""Levels, and convolutions one after the other."""


class MultiScaleNet(nn.Module):
    """A network on all levels of every graph of a mini-batch, with layers of PyTorch Geometric.

    A block is ``depth`` times x <- norm(x + relu(convolution(x))), with a layer normalisation of
    each node's channels: members of a batch do not see each other, and neither the number of levels
    nor the depth changes the scale of the features.

    - ``"u_net"``: a block on every level on the way down, pooling in between, and a block on the
      way back up, on what comes from below joined with what the level had on the way down
      (Ronneberger et al. 2015; Gao and Ji 2019 on graphs).
    - ``"parallel"``: all levels work at once, ``depth`` times one convolution, and after each of
      them every level adds a linear map of what every other one has, pooled or unpooled to it (Li
      et al. 2021, HGN).

    Parameters
    ----------
    in_channels, channels, out_channels : int
        Of the features of the nodes, of all levels inside, and of the result.
    levels : int
        Number of coarser levels, as of :class:`Coarsen`.
    convolution : class of PyTorch Geometric, or callable (in_channels, out_channels) -> Module
        Such as ``GATv2Conv`` or ``functools.partial(GATv2Conv, heads=4, concat=False)``. Weights of
        edges go to those that take ``edge_weight``, or read one attribute of an edge.
    schedule : {"u_net", "parallel"}
    depth : int
    pool : {"mean", "sum", "weighted_mean", "max", "sampled"}
        See :class:`Pool`.
    unpool : {"constant", "interpolated"}
        See :class:`Unpool`.

    Raises
    ------
    ValueError
        For a number that is not positive, an unknown name, a layer of another width, and when
        called for data that has fewer levels, stale ones, or features of another width.
    TypeError
        For a ``convolution`` that is none, and when called with other data.

    See Also
    --------
    Coarsen : a transform that adds levels
    Pool : to a coarser level
    Unpool : to a finer level
    multiscale_gcn.nn.MultiScaleGCN : a network on several graphs

    Examples
    --------
    >>> from torch_geometric.datasets import FakeDataset
    >>> from torch_geometric.loader import DataLoader
    >>> from torch_geometric.nn import GATv2Conv, global_mean_pool
    >>> from multiscale_gcn.pyg import Coarsen
    >>> graphs = FakeDataset(8, avg_num_nodes=30, num_channels=5, transform=Coarsen(levels=2))
    >>> network = MultiScaleNet(5, 16, 3, levels=2, convolution=GATv2Conv)
    >>> batch = next(iter(DataLoader(graphs, batch_size=8)))
    >>> global_mean_pool(network(batch), batch.batch).shape
    torch.Size([8, 3])
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        out_channels: int,
        levels: int,
        *,
        convolution: Any = SAGEConv,
        schedule: Schedule = "u_net",
        depth: int = 2,
        pool: PoolKind = "mean",
        unpool: UnpoolKind = "constant",
    ) -> None:
        super().__init__()
        self.in_channels = positive(in_channels, "in_channels")
        channels = positive(channels, "channels")
        levels = whole_number(levels, "levels", least=1, most=MOST)
        depth = whole_number(depth, "depth", least=1, most=MOST)
        self.encode: nn.Linear = nn.Linear(self.in_channels, channels)
        self.pools: nn.ModuleList = nn.ModuleList(
            Pool(k, one_of(pool, "pool", get_args(PoolKind)))  # type: ignore[arg-type]
            for k in range(levels)
        )
        self.unpools: nn.ModuleList = nn.ModuleList(
            Unpool(k, one_of(unpool, "unpool", get_args(UnpoolKind)))  # type: ignore[arg-type]
            for k in range(levels)
        )
        self.schedule = one_of(schedule, "schedule", get_args(Schedule))
        kind = _UNet if schedule == "u_net" else _Parallel
        self.body: _UNet | _Parallel = kind(channels, levels, convolution, depth)
        self.decode: nn.Linear = nn.Linear(channels, positive(out_channels, "out_channels"))

    def forward(
        self,
        data: MultiScaleData,
        x: Tensor | None = None,  # [sum of n, C_in]
    ) -> Tensor:  # [sum of n, C_out]
        """One row for every node of every graph.

        Parameters
        ----------
        data : MultiScaleData
            Or a batch of them.
        x : Tensor, shape (sum of n, C_in), optional
            Features of the nodes; ``data.x`` by default.

        Returns
        -------
        Tensor, shape (sum of n, C_out)

        Raises
        ------
        ValueError, TypeError
            As the class says.

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from multiscale_gcn.pyg import Coarsen
        >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> MultiScaleNet(5, 16, 3, levels=1)(Coarsen(levels=1)(edge), torch.randn(2, 5)).shape
        torch.Size([2, 3])
        """
        data = multi_scale(data, len(self.pools), "MultiScaleNet")
        features: Any = data.get("x") if x is None else x
        check_operands(x=features)
        expected = [data.num_nodes, self.in_channels]
        if list(features.shape) != expected:
            raise ValueError(
                f"x has shape {list(features.shape)}, expected {expected}: a row for each node, of "
                "in_channels numbers"
            )
        check_fits_layer(self.encode.weight, x=features)
        result: Tensor = self.decode(self.body(self.encode(features), _Scales(data, self)))
        return result

    def extra_repr(self) -> str:
        return f"levels={len(self.pools)}, schedule={self.schedule!r}"


class _Scales:
    """Edges of every level of the data, and the way from one to another."""

    def __init__(self, data: MultiScaleData, network: MultiScaleNet) -> None:
        self.data = data
        self.pools, self.unpools = network.pools, network.unpools

    def edges(self, level: int) -> tuple[Any, Tensor | None]:
        if level:
            return self.data[f"edge_index_{level}"], self.data[f"edge_weight_{level}"]
        if self.data.edge_index is None:
            index, weights = to_edge_index(self.data.adj_t)
            return index.flip(0), weights
        return self.data.edge_index, self.data.get("edge_weight")

    def down(self, x: Tensor, level: int) -> Tensor:
        """From a level to the next coarser one."""
        result: Tensor = self.pools[level](x, self.data)
        return result

    def up(self, x: Tensor, level: int) -> Tensor:
        """To a level, from the next coarser one."""
        result: Tensor = self.unpools[level](x, self.data)
        return result


class _Block(nn.Module):
    def __init__(self, channels: int, convolution: Any, depth: int) -> None:
        super().__init__()
        self.channels = channels
        self.convolutions: nn.ModuleList = nn.ModuleList(
            _layer(convolution, channels) for _ in range(depth)
        )
        self.norms: nn.ModuleList = nn.ModuleList(nn.LayerNorm(channels) for _ in range(depth))

    def forward(self, x: Tensor, edges: tuple[Any, Tensor | None]) -> Tensor:
        for layer, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(x + convolve(layer, x, *edges, self.channels).relu())
        return x


class _UNet(nn.Module):
    def __init__(self, channels: int, levels: int, convolution: Any, depth: int) -> None:
        super().__init__()
        self.downs: nn.ModuleList = nn.ModuleList(
            _Block(channels, convolution, depth) for _ in range(levels + 1)
        )
        self.joins: nn.ModuleList = nn.ModuleList(
            nn.Linear(2 * channels, channels) for _ in range(levels)
        )
        self.ups: nn.ModuleList = nn.ModuleList(
            _Block(channels, convolution, depth) for _ in range(levels)
        )

    def forward(self, x: Tensor, scales: _Scales) -> Tensor:
        had = []
        for level, block in enumerate(self.downs[:-1]):
            had.append(block(x, scales.edges(level)))
            x = scales.down(had[-1], level)
        x = self.downs[-1](x, scales.edges(len(had)))
        for level in reversed(range(len(had))):
            both = torch.cat([had[level], scales.up(x, level)], dim=-1)
            x = self.ups[level](self.joins[level](both), scales.edges(level))
        return x


class _Parallel(nn.Module):
    def __init__(self, channels: int, levels: int, convolution: Any, depth: int) -> None:
        super().__init__()
        self.blocks: nn.ModuleList = nn.ModuleList(
            nn.ModuleList(_Block(channels, convolution, 1) for _ in range(levels + 1))
            for _ in range(depth)
        )
        readers = [levels + 1] * (depth - 1) + [1]  # the last answer is that of level 0
        self.exchanges: nn.ModuleList = nn.ModuleList(
            nn.ModuleList(_Exchange(channels, k, levels) for k in range(count)) for count in readers
        )

    def forward(self, x: Tensor, scales: _Scales) -> Tensor:
        features = [x]
        for level in range(len(scales.pools)):
            features.append(scales.down(features[-1], level))
        for blocks, exchanges in zip(self.blocks, self.exchanges, strict=True):
            assert isinstance(blocks, nn.ModuleList)
            assert isinstance(exchanges, nn.ModuleList)
            worked = [
                block(had, scales.edges(k))
                for k, (block, had) in enumerate(zip(blocks, features, strict=True))
            ]
            features = [exchange(worked, scales) for exchange in exchanges]
        return features[0]


class _Exchange(nn.Module):
    """What a level has, and a linear map of what every other one has."""

    def __init__(self, channels: int, level: int, levels: int) -> None:
        super().__init__()
        self.level = level
        self.maps: nn.ModuleDict = nn.ModuleDict(
            {str(k): nn.Linear(channels, channels) for k in range(levels + 1) if k != level}
        )
        self.norm: nn.LayerNorm = nn.LayerNorm(channels)

    def forward(self, features: list[Tensor], scales: _Scales) -> Tensor:
        from_below = from_above = None
        for k in range(self.level):
            mapped = self.maps[str(k)](features[k])
            from_below = scales.down(mapped if from_below is None else mapped + from_below, k)
        for k in reversed(range(self.level + 1, len(features))):
            mapped = self.maps[str(k)](features[k])
            from_above = scales.up(mapped if from_above is None else mapped + from_above, k - 1)
        total = features[self.level]
        for part in (from_below, from_above):
            total = total if part is None else total + part
        result: Tensor = self.norm(total)
        return result


def _layer(convolution: Any, channels: int) -> nn.Module:
    if is_message_passing(layer_class(convolution)):
        layer: Any = made_layer(convolution, channels, channels)
    else:
        check_callable(convolution, "convolution", "in_channels", "out_channels")
        layer = convolution(channels, channels)
    if not isinstance(layer, nn.Module):
        raise TypeError(
            f"convolution = {shown(convolution)} made a {type(layer).__name__}; give a class of "
            "layers of PyTorch Geometric"
        )
    check_layer(layer)
    return layer
