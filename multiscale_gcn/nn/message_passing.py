"""Layers of PyTorch Geometric as convolutions of a batch of features on one graph.

Nothing of PyTorch Geometric is imported: who holds one of its layers has it already.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from multiscale_gcn.nn.convolution_contract import ConvolutionLayer
from multiscale_gcn.nn.feature_checks import check_features, check_fits_layer
from multiscale_gcn.nn.pattern_buffers import EdgeList

_OURS = ("self", "x", "edge_index", "edge_weight", "edge_attr")
_EDGE_WIDTHS = ("edge_dim", "in_edge_channels", "dim")
"""What layers call the number of attributes of an edge; 0 or None where they read none."""
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class MessagePassingConvolution(ConvolutionLayer):
    """A layer of PyTorch Geometric, for features [B, N, C] on one graph.

    The members of a batch are one large graph without edges between them, as PyTorch Geometric
    puts graphs together. A layer whose ``forward`` takes ``edge_weight`` gets the weights of the
    graph; one that was made to read one attribute of an edge, as with ``edge_dim=1``, gets them
    as ``edge_attr``. The result is
    multiplied by a learned number that starts at 1, since PyTorch Geometric does not tell which
    parameters of a layer its result is linear in.

    Parameters
    ----------
    layer : nn.Module
        Its ``forward`` takes ``(x, edge_index)``, and gives one row of ``out_channels`` numbers
        for every node.
    in_channels, out_channels : int
    graph : Graph, or anything that as_graph takes

    Raises
    ------
    TypeError
        If ``forward`` does not take ``edge_index``, or needs what a graph does not have.
    ValueError
        If the layer joins its heads side by side, keeps the edges of its first call, or wants
        several numbers for an edge; and in ``forward`` for features that do not fit, or a result
        of another width.

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.nn import SAGEConv
    >>> from multiscale_gcn import Graph
    >>> layer = MessagePassingConvolution(SAGEConv(2, 5), 2, 5, Graph([0, 1, 3, 4], [1, 0, 2, 1]))
    >>> layer(torch.zeros(8, 3, 2)).shape
    torch.Size([8, 3, 5])
    """

    def __init__(self, layer: nn.Module, in_channels: int, out_channels: int, graph: Any) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.layer = layer
        self.edges: EdgeList = EdgeList(graph)
        self.gain: nn.Parameter = nn.Parameter(torch.ones(()))
        check_layer(layer)
        if getattr(layer, "cached", False):
            raise ValueError(
                f"{_name(layer)} is made with cached=True, which keeps the edges of the first "
                "batch; leave it out"
            )

    def forward(
        self,
        x: Tensor,  # [B, N, C_in]
    ) -> Tensor:  # [B, N, C_out]
        """The layer, of every member by itself."""
        check_features(x, self.edges.num_nodes, self.in_channels)
        check_fits_layer(self.gain, x=x)
        index, weights = self.edges.batched(x.shape[0])
        result = convolve(self.layer, x.flatten(0, 1), index, weights, self.out_channels)
        return torch.unflatten(result, 0, x.shape[:2]) * self.gain

    @torch.no_grad()
    def scale_parameters(self, factor: float) -> None:
        self.gain.mul_(factor)


def is_message_passing(kind: Any) -> bool:
    """Whether this is a class of layers that take nodes and edges, as PyTorch Geometric's do."""
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        return False
    derived = any(base.__name__ == "MessagePassing" for base in kind.__mro__)
    return derived or "edge_index" in _parameters(kind.forward)


def layer_class(convolution: Any) -> Any:
    """What a ``functools.partial`` is of; anything else itself."""
    while isinstance(convolution, functools.partial):
        convolution = convolution.func
    return convolution


def as_convolution(convolution: Any) -> Any:
    """A class of such layers, or a ``functools.partial`` of one, as a convolution.

    Anything else is returned as it is.
    """
    if not is_message_passing(layer_class(convolution)):
        return convolution
    return lambda in_channels, out_channels, graph: made_layer(
        convolution, in_channels, out_channels
    )


def made_layer(convolution: Callable[..., nn.Module], in_channels: int, out_channels: int) -> Any:
    """A layer of a class of PyTorch Geometric, or of a ``functools.partial`` of one.

    Raises
    ------
    TypeError
        If it is not made of ``(in_channels, out_channels)``, or needs more.
    """
    name, parameters = layer_class(convolution).__name__, _parameters(convolution)
    if not {"in_channels", "out_channels"} <= set(parameters):
        raise TypeError(
            f"convolution = {name} is not made of (in_channels, out_channels); give "
            f"convolution=lambda in_channels, out_channels, graph: {name}(...)"
        )
    for needed in _needed(parameters):
        if needed not in ("in_channels", "out_channels"):
            raise TypeError(
                f"convolution = {name} needs {needed}; give "
                f"convolution=functools.partial({name}, {needed}=...)"
            )
    return convolution(in_channels=in_channels, out_channels=out_channels)


def check_layer(layer: nn.Module) -> None:
    """Refuse a layer that cannot be called with features, edges and their weights alone.

    Raises
    ------
    TypeError, ValueError
        As :class:`MessagePassingConvolution` says.
    """
    parameters = _parameters(layer.forward)
    if "edge_index" not in parameters:
        raise TypeError(
            f"{_name(layer)}.forward takes no edge_index, which is all that tells it the graph"
        )
    for needed in _needed(parameters):
        if needed not in _OURS:
            raise TypeError(
                f"{_name(layer)}.forward needs {needed}, which a convolution is not given; derive "
                "a layer from ConvolutionLayer that holds it"
            )
    name, width = _edge_width(layer)
    if width not in (None, 0, 1):
        raise ValueError(
            f"{_name(layer)} has {name} = {width}, and an edge of a graph has one weight; set "
            f"{name}=1, or leave it out"
        )
    if _heads_side_by_side(layer):
        raise ValueError(_too_wide(layer))


def convolve(
    layer: nn.Module,
    x: Tensor,  # [N, C_in]
    edge_index: Tensor,  # [2, E]
    edge_weight: Tensor | None,  # [E]; None: all 1
    out_channels: int,
) -> Tensor:  # [N, C_out]
    """Call the layer with the weights as it takes them.

    Raises
    ------
    TypeError
        If the layer needs more than that.
    ValueError
        If the result is not of ``out_channels`` columns.
    """
    parameters = _parameters(layer.forward)
    given: dict[str, Tensor] = {}
    if edge_weight is not None and "edge_weight" in parameters:
        given["edge_weight"] = edge_weight.to(x.dtype)
    if _reads_edges(layer):
        weight = x.new_ones(edge_index.shape[1]) if edge_weight is None else edge_weight
        given["edge_attr"] = weight.to(x.dtype)[:, None]
    try:
        result: Any = layer(x, edge_index=edge_index, **given)
    except (AssertionError, AttributeError, TypeError) as error:
        told = " and ".join(["features", "edges", *given])
        raise TypeError(
            f"{_name(layer)}.forward wants more than {told}, which it was given "
            f"({type(error).__name__}: {error}); derive a layer from ConvolutionLayer that holds it"
        ) from error
    if not isinstance(result, Tensor):
        raise ValueError(
            f"{_name(layer)} gave a {type(result).__name__}, expected a tensor of shape "
            f"{[x.shape[0], out_channels]}"
        )
    if result.shape != (x.shape[0], out_channels):
        because = f"; {_too_wide(layer)}" if _heads_side_by_side(layer) else ""
        raise ValueError(
            f"{_name(layer)} gave features of shape {list(result.shape)}, expected "
            f"{[x.shape[0], out_channels]}: one row of out_channels for each node{because}"
        )
    return result


def _edge_width(layer: nn.Module) -> tuple[str, Any]:
    """What it calls the number of attributes that an edge has, and that number, as it tells."""
    if "edge_attr" in _parameters(layer.forward):
        for name in _EDGE_WIDTHS:
            if hasattr(layer, name):
                return name, getattr(layer, name)
    return "", None


def _reads_edges(layer: nn.Module) -> bool:
    """Whether it wants ``edge_attr``, also where its signature says that it may be left out."""
    parameters = _parameters(layer.forward)
    if "edge_attr" not in parameters or "edge_attr" in _needed(parameters):
        return "edge_attr" in parameters
    name, width = _edge_width(layer)
    if name:
        return bool(width == 1)
    if hasattr(layer, "lin_edge"):
        return True
    told = _parameters(getattr(layer, "message", None)).get("edge_attr")
    return told is not None and told.annotation in (Tensor, "Tensor")


def _heads_side_by_side(layer: nn.Module) -> bool:
    heads = getattr(layer, "heads", 1)
    return isinstance(heads, int) and heads > 1 and bool(getattr(layer, "concat", False))


def _too_wide(layer: nn.Module) -> str:
    return (
        f"{_name(layer)} puts heads = {layer.heads} side by side, {layer.heads} x out_channels "
        f"wide; give functools.partial({_name(layer)}, heads={layer.heads}, concat=False)"
    )


def _needed(parameters: dict[str, inspect.Parameter]) -> list[str]:
    return [
        name
        for name, p in parameters.items()
        if p.default is p.empty and p.kind not in _VARIADIC and name != "self"
    ]


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # written in C: it tells nothing
        return {}


def _name(layer: nn.Module) -> str:
    return type(layer).__name__
