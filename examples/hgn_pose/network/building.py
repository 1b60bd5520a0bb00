"""From options to a network with reproducible first weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from examples.hgn_pose.body.coarse import MESH_SIZES
from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.hgn import HGN
from examples.hgn_pose.network.last_layer import scale_answers
from examples.hgn_pose.network.rivals import SemGCN, SimpleBaseline
from multiscale_gcn import Hierarchy
from multiscale_gcn.checks.arguments import one_of, real_number, whole_number
from multiscale_gcn.nn import GConv, SemGConv

FIRST_ANSWERS = 0.01
"""Size of the last layers at first, relative to what their classes draw."""

_CONVOLUTIONS = {"sem": SemGConv, "vanilla": GConv}


@dataclass(frozen=True)
class NetworkOptions:
    """Which network, and how wide."""

    network: Literal["hgn", "semgcn", "mlp"] = "hgn"
    """hgn; semgcn: its bottom subnetwork alone; mlp: SimpleBaseline, which knows no graph."""
    channels: int = 128
    """Features per node; the mlp's hidden layers have eight times as many."""
    conv: Literal["sem", "vanilla"] = "sem"
    """sem: learned edge weights (SemGConv); vanilla: normalised adjacency (GConv)."""
    fusion_order: Literal["parallel", "sequential"] = "parallel"
    """Of HGN's scales: parallel is the paper's equation 3, sequential its published code."""
    dropout: float = 0.0
    """Share of features dropped after every layer."""
    without: Literal["none", "48", "96"] = "none"
    """Leave the graph of so many nodes out of HGN, as in the paper's ablation."""

    def __post_init__(self) -> None:
        one_of(self.network, "network", ("hgn", "semgcn", "mlp"))
        whole_number(self.channels, "channels", least=1)
        one_of(self.conv, "conv", tuple(_CONVOLUTIONS))
        one_of(self.fusion_order, "fusion_order", ("parallel", "sequential"))
        if not 0 <= real_number(self.dropout, "dropout") <= 1:
            raise ValueError(f"dropout = {self.dropout} must lie between 0 and 1")
        one_of(self.without, "without", ("none", "48", "96"))
        if self.without != "none" and self.network != "hgn":
            raise ValueError(
                f"without = {self.without} leaves a graph out of hgn, and {self.network} has none; "
                "leave it out"
            )

    @property
    def has_meshes(self) -> bool:
        """Whether the network also predicts coarse meshes."""
        return self.network == "hgn"

    @property
    def mesh_sizes(self) -> tuple[int, ...]:
        """Nodes of the coarse meshes in the order of the outputs.

        Examples
        --------
        >>> from examples.hgn_pose.network.building import NetworkOptions
        >>> NetworkOptions().mesh_sizes, NetworkOptions(without="48").mesh_sizes
        ((48, 96), (96,))
        """
        return tuple(n for n in MESH_SIZES if self.has_meshes and str(n) != self.without)


def build_network(options: NetworkOptions, hierarchy: Hierarchy | None, seed: int) -> nn.Module:
    """A network with first weights drawn from the seed; global random state stays as it was.

    The last layer of every output begins a hundred times smaller than its class draws it, so that
    the first answers lie near the pelvis and not metres away. Without this the first thousand
    steps only shrink it.

    Parameters
    ----------
    options : NetworkOptions
    hierarchy : Hierarchy, optional
        Of the body, with levels of 48 and 96 nodes; only HGN needs it.
    seed : int

    Returns
    -------
    nn.Module
        On the CPU. Takes (B, 17, 2) and returns a tuple: pose, and for HGN the meshes.

    Raises
    ------
    ValueError
        When HGN is asked for without a hierarchy.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, outputs = _build(options, hierarchy)
    for layer in outputs:
        scale_answers(layer, FIRST_ANSWERS)
    return model


def _build(
    options: NetworkOptions, hierarchy: Hierarchy | None
) -> tuple[nn.Module, list[nn.Module]]:
    """The network and the last layers of its outputs."""
    if options.network == "mlp":
        mlp = SimpleBaseline(channels=8 * options.channels, dropout=options.dropout)
        return mlp, [mlp.output]
    conv = _CONVOLUTIONS[options.conv]
    skeleton = skeleton_graph()
    if options.network == "semgcn":
        semgcn = SemGCN(skeleton, options.channels, conv=conv, dropout=options.dropout)
        return semgcn, [semgcn[-1]]
    if hierarchy is None:
        raise ValueError("hierarchy is missing; HGN runs on the graphs of a coarsened body")
    mesh48, mesh96 = (
        hierarchy.level(size).graph if size in options.mesh_sizes else None for size in MESH_SIZES
    )
    hgn = HGN(
        skeleton,
        mesh48,
        mesh96,
        options.channels,
        conv=conv,
        fusion_order=options.fusion_order,
        dropout=options.dropout,
    )
    return hgn, list(hgn.outputs.values())


def count_parameters(model: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(parameter.numel() for parameter in model.parameters())
