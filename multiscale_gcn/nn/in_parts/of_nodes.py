"""Parameters of a network that belong to nodes or edges of its graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from torch import nn

from multiscale_gcn.graph import Graph
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.parts import Part
from multiscale_gcn.hierarchy.parts.part import entries_within
from multiscale_gcn.nn.convolutions import SemGConv
from multiscale_gcn.nn.fusion import ScaleSum
from multiscale_gcn.nn.network import MultiScaleGCN
from multiscale_gcn.nn.node_maps import SparseMap
from multiscale_gcn.nn.plan import members


@dataclass(frozen=True)
class OfNodes:
    """A parameter with a number for each node, or for each entry, of a level.

    Attributes
    ----------
    name : str
        In the network's ``state_dict``.
    length : int
        How many there are in the whole hierarchy: one for each node, then, where the parameter is
        of entries of A + I, one for each entry of the graph. The weights of a map between two
        levels belong to the nodes of the finer one.
    places : array of int64
        Those of the network of a part.
    """

    name: str
    length: int
    places: np.ndarray


def of_nodes(
    network: MultiScaleGCN, hierarchy: Hierarchy, part: Part[Hierarchy], levels: Sequence[int]
) -> list[OfNodes]:
    """All such parameters of the network of a part.

    Raises
    ------
    ValueError
        For a map with several weights for a node of the finer level.
    """
    found: list[OfNodes] = []
    for name, source, target, made in _maps(network, levels):
        nodes = part.nodes[target]
        length = hierarchy[target].num_nodes
        found.append(OfNodes(f"{name}.bias", length, nodes))
        finer = min(source, target)
        ends = made.pattern.rows if target == finer else made.pattern.columns
        places = ends.cpu().numpy()
        if np.bincount(places, minlength=1).max() > 1:
            raise ValueError(
                f"{name} has several weights for a node of level {finer}; parts learn maps of "
                "HierarchyTransfer(kind='constant')"
            )
        length = hierarchy[finer].num_nodes
        found.append(OfNodes(f"{name}.weight", length, part.nodes[finer][places]))
    for name, level, layer in _semantic(network, levels):
        graph = hierarchy[level].graph
        places = _of_entries(layer, graph, part.nodes[level])
        found.append(OfNodes(f"{name}.logits", graph.num_nodes + graph.num_entries, places))
    return found


def _maps(
    network: MultiScaleGCN, levels: Sequence[int]
) -> Iterator[tuple[str, int, int, SparseMap]]:
    """Name, level of the source, level of the target, and map."""
    for begun in network.plan.beginnings:
        for k, sources in begun.items():
            made = cast("ScaleSum", network.beginnings[str(k)])
            for place, i in enumerate(sources):
                name = f"beginnings.{k}.maps.{place}"
                yield name, levels[i], levels[k], cast("SparseMap", made.maps[place])
    for stage, pairs in enumerate(network.plan.exchanges):
        scales = members(network.stages[stage], pairs)
        fusion: Any = network.fusions[stage]
        for target in {k for _, k in pairs}:
            key = str(scales.index(target))
            for place, i in enumerate(sorted(scales.index(i) for i, k in pairs if k == target)):
                name = f"fusions.{stage}.sums.{key}.maps.{place}"
                yield name, levels[scales[i]], levels[target], fusion.sums[key].maps[place]


def _semantic(network: MultiScaleGCN, levels: Sequence[int]) -> Iterator[tuple[str, int, SemGConv]]:
    """Name, level and layer."""
    scales: list[tuple[str, str, nn.Module]] = [
        *((f"inputs.{k}", k, module) for k, module in network.inputs.items()),
        *(
            (f"blocks.{place}.{k}", k, module)
            for place, blocks in enumerate(network.blocks)
            for k, module in cast("nn.ModuleDict", blocks).items()
        ),
        *((f"outputs.{k}", k, module) for k, module in network.outputs.items()),
    ]
    for begin, k, module in scales:
        for name, layer in module.named_modules(prefix=begin):
            if isinstance(layer, SemGConv):
                yield name, levels[int(k)], layer


def _of_entries(layer: SemGConv, graph: Graph, nodes: np.ndarray) -> np.ndarray:
    """Of the entries of a part's A + I: those of the diagonal, then those of the graph."""
    rows, columns = layer.pattern.rows.cpu().numpy(), layer.pattern.columns.cpu().numpy()
    places, inner, indptr = entries_within(graph, nodes)
    apart = np.repeat(np.arange(len(nodes)), np.diff(indptr)) != inner
    result: np.ndarray = nodes[rows]
    result[rows != columns] = graph.num_nodes + places[apart]
    return result
