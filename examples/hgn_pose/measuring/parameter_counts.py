"""Parameter counts of the paper's models, beside the figures that the paper prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from examples.hgn_pose.network.architectures.graphsh import GraphSH
from examples.hgn_pose.network.architectures.hgn import HGN
from examples.hgn_pose.network.architectures.semgcn import SemGCN
from examples.hgn_pose.network.building import count_parameters
from multiscale_gcn import Graph, as_graph
from multiscale_gcn.nn import GConv, SemGConv

STEP = 10_000
"""The paper prints millions with two digits."""


@dataclass(frozen=True)
class MeshLogits:
    """The learned edge weights of a model on its mesh graphs: what depends on their edges.

    Attributes
    ----------
    count : int
        One for each entry of A + I in each convolution.
    nodes : int
        Nodes of the graphs, each graph counted once for each convolution on it.
    """

    count: int
    nodes: int


@dataclass(frozen=True)
class Row:
    """One model of the paper's tables 2 to 4.

    Attributes
    ----------
    model : str
    channels : int
    convolution : str
        "sem" or "vanilla".
    parameters : int
        Of our model, on the graphs given.
    paper : int
        What the paper prints, in steps of 0.01 million.
    mesh_logits : MeshLogits
    """

    model: str
    channels: int
    convolution: str
    parameters: int
    paper: int
    mesh_logits: MeshLogits

    @property
    def agreement(self) -> str:
        """How our count gives the paper's digits: "truncated", "rounded", or "" if it does not."""
        if self.parameters // STEP == self.paper:
            return "truncated"
        return "rounded" if (self.parameters + STEP // 2) // STEP == self.paper else ""

    @property
    def excess(self) -> int:
        """Parameters above (or, negative, below) the nearest count with the paper's digits."""
        lowest, highest = self.paper * STEP - STEP // 2, (self.paper + 1) * STEP - 1
        return max(self.parameters - highest, 0) + min(self.parameters - lowest, 0)

    @property
    def explanation(self) -> str:
        """Whether another number of mesh edges, a logit each, would give the paper's digits."""
        if not self.excess:
            return ""
        here, nodes = self.mesh_logits.count, self.mesh_logits.nodes
        there = here - self.excess
        if there < nodes:
            return f"{self.excess:+,} parameters, which is not a matter of the mesh edges"
        word = "at most" if self.excess > 0 else "at least"
        return (
            f"{self.excess:+,} parameters: {here:,} are logits of mesh edges, "
            f"{here / nodes:.2f} a node and convolution; {word} {there:,}, "
            f"{there / nodes:.2f} a node, would agree"
        )


def parameter_table(skeleton: Any, mesh48: Any, mesh96: Any) -> list[Row]:
    """Count the parameters of all models of the paper's tables 2 to 4.

    Parameters
    ----------
    skeleton, mesh48, mesh96 : Graph, or anything that as_graph takes
        The graph of the joints and the two coarse graphs of the body.

    Returns
    -------
    list of Row

    Notes
    -----
    SemGConv has two weight matrices, GConv one: with two, "vanilla" HGN would have 1.04 million
    parameters, and the paper prints 0.71.
    """
    skeleton, mesh48, mesh96 = (as_graph(graph) for graph in (skeleton, mesh48, mesh96))

    def hgn(channels: int, middle: Graph | None, top: Graph | None, conv: Any) -> nn.Module:
        return HGN(skeleton, middle, top, channels, conv=conv)

    models = [
        ("SemGCN (SeqRes)", 128, SemGCN(skeleton), 43),
        ("HGN without the 48-node graph", 128, hgn(128, None, mesh96, SemGConv), 82),
        ("HGN without the 96-node graph", 128, hgn(128, mesh48, None, SemGConv), 81),
        ("HGN", 128, hgn(128, mesh48, mesh96, SemGConv), 104),
        ("HGN without the 48-node graph", 91, hgn(91, None, mesh96, SemGConv), 43),
        ("HGN without the 96-node graph", 92, hgn(92, mesh48, None, SemGConv), 43),
        ("HGN", 79, hgn(79, mesh48, mesh96, SemGConv), 43),
        ("GraphSH", 64, GraphSH(skeleton), 44),
        ("HGN", 64, hgn(64, mesh48, mesh96, SemGConv), 29),
        ("SemGCN (SeqRes)", 128, SemGCN(skeleton, conv=GConv), 30),
        ("GraphSH", 64, GraphSH(skeleton, conv=GConv), 22),
        ("HGN", 64, hgn(64, mesh48, mesh96, GConv), 21),
        ("HGN", 128, hgn(128, mesh48, mesh96, GConv), 71),
    ]
    return [
        Row(
            name,
            channels,
            "sem" if any(isinstance(module, SemGConv) for module in model.modules()) else "vanilla",
            count_parameters(model),
            paper,
            _mesh_logits(model, (mesh48, mesh96)),
        )
        for name, channels, model, paper in models
    ]


def format_table(rows: Sequence[Row]) -> str:
    """The rows as text, one line a model and one more where the digits differ."""
    lines = [f"{'model':30} channels  conv     parameters   paper  agrees"]
    for row in rows:
        lines.append(
            f"{row.model:30} {row.channels:8}  {row.convolution:7}  {row.parameters:10,}  "
            f"{row.paper / 100:.2f} M  {row.agreement or 'no'}"
        )
        if row.explanation:
            lines.append(f"    {row.explanation}")
    return "\n".join(lines)


def _mesh_logits(model: nn.Module, meshes: tuple[Graph, Graph]) -> MeshLogits:
    on_meshes = [
        module
        for module in model.modules()
        if isinstance(module, SemGConv) and any(module.pattern.graph is mesh for mesh in meshes)
    ]
    return MeshLogits(
        count=sum(module.logits.numel() for module in on_meshes),
        nodes=sum(module.pattern.num_nodes for module in on_meshes),
    )
