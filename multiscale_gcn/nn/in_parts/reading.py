"""How far the layers of a network read, from the network itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from multiscale_gcn.hierarchy.parts import ReceptiveField
from multiscale_gcn.nn.convolution_contract import ConvolutionLayer
from multiscale_gcn.nn.convolutions import GConv, SemGConv
from multiscale_gcn.nn.fusion import CrossScaleFusion
from multiscale_gcn.nn.mesh_graph import MeshGraphBlock
from multiscale_gcn.nn.message_passing import MessagePassingConvolution, is_message_passing
from multiscale_gcn.nn.network import MultiScaleGCN
from multiscale_gcn.nn.node_maps import DenseMap
from multiscale_gcn.nn.nonlocal_block import NonLocal
from multiscale_gcn.nn.pattern_buffers import EdgeList, GraphPattern
from multiscale_gcn.nn.plan import members

ONE_HOP = (GConv, SemGConv)
OF_ALL_NODES = (NonLocal, DenseMap)
ON_A_GRAPH = (ConvolutionLayer, MeshGraphBlock, GraphPattern, EdgeList)

OF_A_NODE = (
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
    nn.Identity,
    nn.Linear,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.modules.batchnorm._BatchNorm,
    nn.Dropout,
    nn.AlphaDropout,
    *(
        getattr(nn, name)
        for name in nn.modules.activation.__all__
        if name != "MultiheadAttention" and "Soft" not in name
    ),
    nn.Softplus,
    nn.Softshrink,
    nn.Softsign,
)
"""Layers of PyTorch that read nothing of another node, nor do those derived from them."""

Hops = Mapping[type[nn.Module], int]


def receptive_field(network: MultiScaleGCN, levels: Sequence[int], hops: Hops) -> ReceptiveField:
    """What each layer of the network reads, if its scales are these levels of a hierarchy.

    Raises
    ------
    ValueError
        For a layer that reads all nodes, or one of which it is not known how far it reads.
    """
    steps: list[list[tuple[int, int]]] = []

    def convolve(name: str, scale: int, module: nn.Module) -> None:
        level = levels[scale]
        steps.extend([[(level, level)]] * hops_of(module, name, hops))

    def begin(place: int) -> None:
        begun = network.plan.beginnings[place].items()
        reads = [(levels[i], levels[k]) for k, sources in begun for i in sources]
        for k, _ in begun:
            hops_of(network.beginnings[str(k)], f"beginnings.{k}", hops)
        steps.append(reads)

    for key, encoder in network.inputs.items():
        convolve(f"inputs.{key}", int(key), encoder)
    for place, stage in enumerate(network.stages):
        begin(place)
        for k in stage:
            block = network.blocks[place][str(k)]  # type: ignore[index]
            convolve(f"blocks.{place}.{k}", k, block)
        hops_of(network.fusions[place], f"fusions.{place}", hops)
        steps.extend(_exchange(network, place, levels))
    begin(len(network.stages))
    for key, decoder in network.outputs.items():
        convolve(f"outputs.{key}", int(key), decoder)
    return ReceptiveField([step for step in steps if step])


def _exchange(
    network: MultiScaleGCN, place: int, levels: Sequence[int]
) -> list[list[tuple[int, int]]]:
    pairs, fusion = network.plan.exchanges[place], network.fusions[place]
    if not isinstance(fusion, CrossScaleFusion):
        return []
    if fusion.fusion_order == "parallel":
        return [[(levels[i], levels[k]) for i, k in pairs]]
    in_order = members(network.stages[place], pairs)
    return [[(levels[i], levels[k]) for i, k in pairs if k == target] for target in in_order]


def hops_of(module: nn.Module, name: str, known: Hops) -> int:
    """How many edges away the module reads; of layers that stand side by side the sum.

    Raises
    ------
    ValueError
        As :func:`receptive_field`.
    """
    kind = type(module.layer if isinstance(module, MessagePassingConvolution) else module)
    if kind in known:
        return known[kind]
    if isinstance(module, ONE_HOP):
        return 1
    if isinstance(module, OF_ALL_NODES):
        raise ValueError(f"{name} is a {kind.__name__}, {_remedy(module)}")
    on_a_graph = isinstance(module, ON_A_GRAPH) or is_message_passing(kind)
    if on_a_graph or not (_is_ours(kind) or _is_of_a_node(module)):
        raise ValueError(
            f"{name} is a {kind.__name__}, of which it is not known how far it reads; if that is "
            f"one edge, and nothing in it belongs to a node or to all, say hops={{{kind.__name__}: "
            f"1}}{'' if on_a_graph else ', and 0 in place of 1 if it reads no other node'}"
        )
    children = module.named_children()
    return sum(
        hops_of(child, f"{name}.{below}", known)
        for below, child in children
        if below != "parametrizations"
    )


def _is_ours(kind: type[nn.Module]) -> bool:
    return kind.__module__.startswith("multiscale_gcn.")


def _is_of_a_node(module: nn.Module) -> bool:
    forward = type(module).forward
    return any(isinstance(module, kind) and forward is kind.forward for kind in OF_A_NODE)


def _remedy(module: Any) -> str:
    if isinstance(module, NonLocal):
        return "which reads all nodes of the graph; build the network with non_local=False"
    return "which reads all nodes of the other scale; give transfer=HierarchyTransfer(...)"
