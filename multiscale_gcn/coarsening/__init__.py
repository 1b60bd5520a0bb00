"""From a graph to its hierarchy, step by step."""

from __future__ import annotations

from multiscale_gcn.coarsening.coarsening import CoarseningStalled as CoarseningStalled
from multiscale_gcn.coarsening.coarsening import coarsen as coarsen
