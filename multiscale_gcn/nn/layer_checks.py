"""Checks that layers make of their arguments and of their input."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from torch import Tensor, nn

from multiscale_gcn.checks.arguments import real_number, shown, whole_number
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.ops.operand_checks import check_operands

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


def check_sparse(matrix: Any, name: str) -> None:
    import scipy.sparse as sp

    if not sp.issparse(matrix):
        raise ValueError(f"{name} is a {type(matrix).__name__}; give a scipy.sparse matrix")
    if matrix.ndim != 2:
        raise ValueError(f"{name} has shape {matrix.shape}, expected (M, N); reshape it")


def check_callable(function: Any, name: str, *arguments: str) -> None:
    """Refuse what cannot be called with so many arguments, as far as it tells."""
    if not _takes(function, arguments):
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
    convolution: Callable[..., Any], *arguments: Any, name: str = "convolution"
) -> nn.Module:
    """The layer that a convolution, or whatever else makes one, makes."""
    layer = convolution(*arguments)
    if not isinstance(layer, nn.Module):
        remedy = "derive it from ConvolutionLayer" if name == "convolution" else "make a Module"
        raise TypeError(f"{name} = {shown(convolution)} made a {type(layer).__name__}; {remedy}")
    return layer


def check_features(x: Tensor, nodes: int | None, channels: int | None, name: str = "x") -> None:
    """Refuse features that are not [B, nodes, channels]; None: any number."""
    check_operands(**{name: x})
    if x.dim() != 3:
        raise ValueError(f"{name} has shape {list(x.shape)}, expected {_expected(nodes, channels)}")
    if nodes is not None and x.shape[1] != nodes:
        raise ValueError(
            f"{name} has {x.shape[1]} nodes on axis 1, the graph has {nodes}: "
            f"shape {list(x.shape)}, expected {_expected(nodes, channels)}"
        )
    if channels is not None and x.shape[2] != channels:
        raise ValueError(
            f"{name} has {x.shape[2]} channels on axis 2, the layer takes {channels}: "
            f"shape {list(x.shape)}, expected {_expected(nodes, channels)}"
        )


def _expected(nodes: int | None, channels: int | None) -> str:
    return f"[B, {'N' if nodes is None else nodes}, {'C' if channels is None else channels}]"


def check_alike(features: Sequence[Tensor], name: str, same_channels: bool = True) -> None:
    """Refuse features [B, N_k, C] that do not have B, and C if wanted, in common."""
    first = features[0]
    for place, x in enumerate(features):
        channels = first.shape[2] if same_channels else x.shape[2]
        if x.shape[0] != first.shape[0] or x.shape[2] != channels:
            what = "batch and channels are those" if same_channels else "the batch is that"
            raise ValueError(
                f"{name}[{place}] has shape {list(x.shape)}, expected "
                f"[{first.shape[0]}, {x.shape[1]}, {channels}]: {what} of {name}[0]"
            )
