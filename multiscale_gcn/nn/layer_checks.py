"""Checks that layers make of their arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

from torch import nn

from multiscale_gcn.checks.arguments import real_number, shown, whole_number
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.nn.feature_checks import check_alike as check_alike
from multiscale_gcn.nn.feature_checks import check_features as check_features
from multiscale_gcn.nn.feature_checks import check_sparse as check_sparse
from multiscale_gcn.nn.message_passing import (
    MessagePassingConvolution,
    as_convolution,
    is_message_passing,
)

MOST = 2**31 - 1
"""Of channels and of nodes: more overflow where PyTorch multiplies sizes."""


def positive(value: Any, name: str) -> int:
    """A number of channels or of nodes, as an int."""
    return whole_number(value, name, least=1, most=MOST)


def listed(values: Any, name: str) -> list[Any]:
    """The items of any sequence.

    Raises
    ------
    TypeError
        For what is none, and for what has no order.
    """
    if isinstance(values, (list, tuple)):
        return list(values)
    if isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping | Set):
        try:
            return list(values)
        except Exception:  # whatever the object raises when it is asked for its items
            pass
    raise TypeError(f"{name} = {shown(values)} is no sequence; give a list: {name}=[...]")


def probability(value: Any, name: str) -> float:
    """A number from 0 to below 1."""
    number = real_number(value, name)
    if not 0 <= number < 1:
        raise ValueError(f"{name} = {number} must be at least 0 and below 1")
    return number


def check_hierarchy(hierarchy: Any) -> None:
    if not isinstance(hierarchy, Hierarchy):
        raise TypeError(
            f"hierarchy = {shown(hierarchy)} is no Hierarchy; coarsen(graph, ...) makes one"
        )


def check_callable(function: Any, name: str, *arguments: str) -> None:
    """Refuse what cannot be called with so many arguments, as far as it tells."""
    if not _takes(as_convolution(function), arguments):
        takes = ", ".join(arguments)
        raise TypeError(f"{name} = {shown(function)} is no function of ({takes}); give one")


def _takes(function: Any, arguments: tuple[str, ...]) -> bool:
    if not callable(function):
        return False
    try:
        signature = inspect.signature(
            function.forward if isinstance(function, nn.Module) else function
        )
    except ValueError:  # written in C: it tells nothing
        return not isinstance(function, type)
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def made_by(
    convolution: Callable[..., Any],
    in_channels: int,
    out_channels: int,
    graph: Any,
    *,
    name: str = "convolution",
) -> nn.Module:
    """The layer that a convolution, or whatever else makes one, makes.

    One of PyTorch Geometric is made to take a batch of features.
    """
    layer = as_convolution(convolution)(in_channels, out_channels, graph)
    if not isinstance(layer, nn.Module):
        remedy = "derive it from ConvolutionLayer" if name == "convolution" else "make a Module"
        raise TypeError(f"{name} = {shown(convolution)} made a {type(layer).__name__}; {remedy}")
    if is_message_passing(type(layer)):
        return MessagePassingConvolution(layer, in_channels, out_channels, graph)
    return layer
