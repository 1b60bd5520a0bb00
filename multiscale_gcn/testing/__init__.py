"""The tests that we ask others to pass: graphs to try a method on, and what must hold of results.

A class of tests inherits :class:`RatingTests`, :class:`BackendTests` or :class:`MethodTests`, says
what it tests, and pytest runs all that must hold.

Needs hypothesis and pytest: ``pip install multiscale-gcn[testing]``.
"""

from __future__ import annotations

from multiscale_gcn.testing.backends import BackendTests as BackendTests
from multiscale_gcn.testing.methods import MethodTests as MethodTests
from multiscale_gcn.testing.ratings import RatingTests as RatingTests
from multiscale_gcn.testing.strategies import graphs as graphs
from multiscale_gcn.testing.strategies import weights as weights
from multiscale_gcn.testing.validity import assert_valid_hierarchy as assert_valid_hierarchy
from multiscale_gcn.testing.validity import assert_valid_matching as assert_valid_matching
