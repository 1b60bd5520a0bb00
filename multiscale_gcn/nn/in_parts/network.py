"""A network on several scales of a graph, of which one part after the other is in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from multiscale_gcn.checks.arguments import shown, whole_number
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.parts import Part, Parts
from multiscale_gcn.hierarchy.parts.field import MOST_HOPS
from multiscale_gcn.nn.in_parts.of_nodes import of_nodes
from multiscale_gcn.nn.in_parts.reading import receptive_field
from multiscale_gcn.nn.layer_checks import check_callable, check_hierarchy, listed
from multiscale_gcn.nn.network import MultiScaleGCN
from multiscale_gcn.nn.pattern_buffers import as_buffer

Build = Callable[[Hierarchy], MultiScaleGCN]


class InParts(nn.Module):
    """A :class:`MultiScaleGCN` that works on one part of a hierarchy at a time.

    Each part comes with all nodes that the network reads for it. So the outputs on the cores of
    the parts are those of the network on the whole hierarchy, and the gradients of a sum over the
    nodes, added up over the parts, are its gradients; both to rounding.

    Parameters
    ----------
    build : callable (hierarchy) -> MultiScaleGCN
        Makes the network of a hierarchy: of each part, and of the whole it would make the whole
        network. Without ``non_local``, with ``transfer=HierarchyTransfer(hierarchy, levels)``.
    hierarchy : Hierarchy
        The whole one; mapped from a folder it stays there.
    levels : sequence of int
        The level of each scale of the network.
    k : int
        Number of parts, see :meth:`Hierarchy.parts`.
    hops : mapping of classes of layers to int, optional
        How many edges away a layer reads that is none of ``GConv`` and ``SemGConv``.

    Attributes
    ----------
    parts : Parts
        With the receptive field of the network for their halos.

    Raises
    ------
    ValueError
        If a layer reads all nodes, or it is not known how far; if a normalisation takes its
        statistics from all nodes; and in ``forward`` for what does not fit the part.
    TypeError
        If ``build`` is no such function.

    Notes
    -----
    Parameters that belong to nodes (the weights and biases of the maps between scales) or to edges
    (the logits of ``SemGConv``) are kept for the whole hierarchy in ``of_nodes``, as differences
    from what the network begins with; all others are in ``shared``. A part gets its own of them.
    Set ``requires_grad_(False)`` to keep the maps as they begin.

    ``nn.BatchNorm1d`` takes means over all nodes, which no part has. Use blocks without it, such as
    :class:`PreNormResidual`, or have ``build`` set it to ``eval()``: it then has the statistics of
    its buffers.

    Examples
    --------
    >>> import networkx as nx
    >>> import torch
    >>> from multiscale_gcn import coarsen
    >>> from multiscale_gcn.nn import (
    ...     GConv, GraphMLP, HierarchyTransfer, MultiScaleGCN, PartDataset, PreNormResidual
    ... )
    >>> hierarchy, levels = coarsen(nx.grid_2d_graph(30, 30), levels=4), [0, 2, 4]
    >>> def block(channels, graph):
    ...     return PreNormResidual(channels, [GraphMLP(channels, graph, convolution=GConv)])
    >>> def build(hierarchy):
    ...     return MultiScaleGCN(
    ...         [hierarchy[level].graph for level in levels],
    ...         "v_cycle",
    ...         in_channels=3,
    ...         channels=8,
    ...         out_channels=[1, 0, 0],
    ...         convolution=GConv,
    ...         encoder=[torch.nn.Linear(3, 8), None, None],
    ...         block=block,
    ...         transfer=HierarchyTransfer(hierarchy, levels),
    ...     )
    >>> network = InParts(build, hierarchy, levels, k=4)
    >>> part, x = PartDataset(network.parts, torch.randn(900, 3))[0]
    >>> (y,) = network(part, x[None])
    >>> y.shape[1] == len(part.core_nodes(0))
    True
    """

    def __init__(
        self,
        build: Build,
        hierarchy: Hierarchy,
        levels: Sequence[int],
        k: int,
        *,
        hops: Mapping[type[nn.Module], int] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(build, nn.Module):
            raise TypeError(f"build = {shown(build)} is a module; give a function that makes one")
        check_callable(build, "build", "hierarchy")
        check_hierarchy(hierarchy)
        if hierarchy[0].num_nodes == 0:
            raise ValueError("hierarchy has no nodes; a network needs at least one")
        self.hierarchy = hierarchy
        self.levels: tuple[int, ...] = tuple(
            whole_number(level, f"levels[{i}]", least=0, most=len(hierarchy) - 1)
            for i, level in enumerate(listed(levels, "levels"))
        )
        known = _hops({} if hops is None else hops)
        self._build = build
        parts = hierarchy.parts(k)
        part = parts[0]
        network = self._made(part)
        _check_norms(network)
        field = receptive_field(network, self.levels, known)
        self.parts: Parts[Hierarchy] = parts.with_halo(field)
        apart = {own.name: own.length for own in of_nodes(network, hierarchy, part, self.levels)}
        self.shared: nn.ParameterDict = nn.ParameterDict()
        self.of_nodes: nn.ParameterDict = nn.ParameterDict()
        for name, parameter in network.named_parameters():
            if name in apart:
                shape = (*parameter.shape[:-1], apart[name])
                self.of_nodes[_key(name)] = nn.Parameter(torch.zeros(shape, dtype=parameter.dtype))
            else:
                self.shared[_key(name)] = parameter
        names = network.state_dict().keys() - dict(network.named_parameters()).keys()
        self._buffers_of_network = tuple(sorted(names))
        for name in self._buffers_of_network:
            self.register_buffer(_key(name), network.get_buffer(name))

    def _made(self, part: Part[Hierarchy]) -> MultiScaleGCN:
        network: Any = self._build(part.hierarchy)
        if not isinstance(network, MultiScaleGCN):
            raise TypeError(
                f"build = {shown(self._build)} made a {type(network).__name__}; make "
                "a MultiScaleGCN"
            )
        sizes = tuple(len(part.nodes[level]) for level in self.levels)
        if network.sizes != sizes:
            raise ValueError(
                f"build makes a network of {network.sizes} nodes where levels {self.levels} of the "
                f"hierarchy that it is given have {sizes}; name the level of each scale in levels"
            )
        return network

    def forward(
        self,
        part: Part[Hierarchy],
        *inputs: Tensor,  # [B, N_k, C_in] on part.nodes, for every scale with an input
    ) -> tuple[Tensor, ...]:  # [B, n_k, C_out] on part.core_nodes, for every scale with an output
        """The answers on the part's own nodes."""
        network, parameters = self._with_parameters(part)
        answers = functional_call(network, parameters, inputs)
        scales = [k for k, width in enumerate(network.out_channels) if width]
        return tuple(
            y.index_select(1, as_buffer(part.core[self.levels[k]]).to(y.device))
            for k, y in zip(scales, answers, strict=True)
        )

    def on(self, part: Part[Hierarchy]) -> MultiScaleGCN:
        """The network of a part by itself, with a copy of the parameters.

        Of the only part of ``hierarchy.parts(1)`` it is the network of the whole hierarchy.

        Parameters
        ----------
        part : Part

        Returns
        -------
        MultiScaleGCN
        """
        network, parameters = self._with_parameters(part)
        network.load_state_dict({name: value.detach() for name, value in parameters.items()})
        return network

    def _with_parameters(self, part: Part[Hierarchy]) -> tuple[MultiScaleGCN, dict[str, Tensor]]:
        if not isinstance(part, Part):
            raise TypeError(f"part = {shown(part)} must be one of network.parts")
        example = next(iter(self.parameters()))
        with torch.random.fork_rng(devices=[]):
            network = self._made(part).to(example.device, example.dtype)
        if not self.training:
            network.eval()
        apart = {
            own.name: own.places for own in of_nodes(network, self.hierarchy, part, self.levels)
        }
        parameters: dict[str, Tensor] = {}
        for name, begun in network.named_parameters():
            if name in apart:
                places = as_buffer(apart[name]).to(example.device)
                changed = self.of_nodes[_key(name)].index_select(-1, places)
                parameters[name] = begun.detach() + changed
            else:
                parameters[name] = self.shared[_key(name)]
        for name in self._buffers_of_network:
            parameters[name] = self.get_buffer(_key(name))
        return network, parameters

    def extra_repr(self) -> str:
        return f"levels={list(self.levels)}, {self.parts!r}"


def _key(name: str) -> str:
    """As a ``ParameterDict`` takes it."""
    return name.replace(".", "/")


def _hops(hops: Any) -> dict[type[nn.Module], int]:
    if not isinstance(hops, Mapping):
        raise TypeError(f"hops = {shown(hops)} must be a dict of classes of layers and numbers")
    for kind in hops:
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise TypeError(f"hops names {shown(kind)}, which is no class of layers; name classes")
    return {
        kind: whole_number(number, f"hops[{shown(kind)}]", least=0, most=MOST_HOPS)
        for kind, number in hops.items()
    }


def _check_norms(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            raise ValueError(
                f"{name} takes its statistics from all nodes, which no part has; let build call "
                "eval() on it, or give an encoder and a block with nn.LayerNorm, such as "
                "PreNormResidual"
            )
