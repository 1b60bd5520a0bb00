"""The graph that everything else takes and returns, and what is known of its weights and nodes."""

from __future__ import annotations

from multiscale_gcn.graph.graph import LARGEST_INT32 as LARGEST_INT32
from multiscale_gcn.graph.graph import Graph as Graph
