"""Graphs from fine to coarse, and what goes from level to level."""

from __future__ import annotations

from multiscale_gcn.hierarchy.hierarchy import Hierarchy as Hierarchy
from multiscale_gcn.hierarchy.level import Level as Level
