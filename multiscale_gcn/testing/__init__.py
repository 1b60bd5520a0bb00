"""The tests that we ask others to pass: graphs to try a method on, and what must hold of results.

A class of tests inherits :class:`RatingTests`, :class:`BackendTests`, :class:`MethodTests` or
:class:`ConvolutionTests`, says what it tests, and pytest runs all that must hold.

Needs hypothesis and pytest: ``pip install multiscale-gcn[testing]``. Names are loaded when first
used: only what is about layers imports torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from multiscale_gcn.checks.libraries import library

if TYPE_CHECKING:
    from multiscale_gcn.testing.backends import BackendTests as BackendTests
    from multiscale_gcn.testing.convolutions import ConvolutionTests as ConvolutionTests
    from multiscale_gcn.testing.methods import MethodTests as MethodTests
    from multiscale_gcn.testing.ratings import RatingTests as RatingTests
    from multiscale_gcn.testing.strategies import graphs as graphs
    from multiscale_gcn.testing.strategies import weights as weights
    from multiscale_gcn.testing.validity import assert_valid_hierarchy as assert_valid_hierarchy
    from multiscale_gcn.testing.validity import assert_valid_matching as assert_valid_matching

_HOME = {
    "BackendTests": "backends",
    "ConvolutionTests": "convolutions",
    "MethodTests": "methods",
    "RatingTests": "ratings",
    "assert_valid_hierarchy": "validity",
    "assert_valid_matching": "validity",
    "graphs": "strategies",
    "weights": "strategies",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'multiscale_gcn.testing' has no attribute {name!r}")
    for needed in ("hypothesis", "pytest"):
        library(needed, "multiscale_gcn.testing", "testing")
    value = getattr(import_module(f"multiscale_gcn.testing.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
