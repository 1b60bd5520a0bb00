"""The tests that we ask others to pass: graphs to try a method on, and what must hold of results.

The strategies need hypothesis: ``pip install multiscale-gcn[testing]``.
"""

from __future__ import annotations

from multiscale_gcn.testing.strategies import graphs as graphs
from multiscale_gcn.testing.strategies import weights as weights
from multiscale_gcn.testing.validity import assert_valid_hierarchy as assert_valid_hierarchy
from multiscale_gcn.testing.validity import assert_valid_matching as assert_valid_matching
