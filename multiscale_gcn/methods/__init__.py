"""Ways to coarsen: one file a method."""

from __future__ import annotations

from multiscale_gcn.methods.method import ClusteringMethod as ClusteringMethod
from multiscale_gcn.methods.method import Step as Step
