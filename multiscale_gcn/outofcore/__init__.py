"""Graphs that do not fit into memory: read, matched and contracted between folders."""

from __future__ import annotations

from multiscale_gcn.outofcore.engine import LevelEngine as LevelEngine
from multiscale_gcn.outofcore.engine import Task as Task
