"""Exact graph coarsening by heavy edge matching, and graph networks on several scales."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiscale_gcn.convert import as_graph as as_graph
    from multiscale_gcn.convert import to_networkx as to_networkx
    from multiscale_gcn.graph import Graph as Graph

__version__ = "0.1.0"

_HOME = {
    "Graph": "graph",
    "as_graph": "convert",
    "to_networkx": "convert",
}
_SUBMODULES = ("nn", "ops", "testing")

__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"multiscale_gcn.{_HOME[name]}"), name)
    elif name in _SUBMODULES:
        value = import_module(f"multiscale_gcn.{name}")
    else:
        raise AttributeError(f"module 'multiscale_gcn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES, "__version__"])
