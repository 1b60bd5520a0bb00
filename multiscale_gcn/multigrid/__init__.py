"""Hierarchies as algebraic multigrid solvers, with the cycles and smoothers of pyamg."""

from __future__ import annotations

from multiscale_gcn.multigrid.matrix import couplings as couplings
from multiscale_gcn.multigrid.solver import to_pyamg as to_pyamg
