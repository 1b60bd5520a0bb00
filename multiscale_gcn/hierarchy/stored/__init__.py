"""Hierarchies in a folder of plain arrays, which are mapped into memory and read when asked for.

::

    levels/
      hierarchy.json          written last of all: how many levels, by which method
      level-000/              the finest
        edges/indptr.npy      int64, shape (n + 1,)
        edges/indices.npy     columns of every row, increasing; int32, int64 above 2**31 - 1 nodes
        edges/weights.npy     float64, shape (nnz,), exact
        nodes/weights.npy     float64, shape (n,)
        nodes/parent.npy      node of level-001 that each node belongs to, of the ids' type
        nodes/labels.npy      and survivors, symmetry, batch: where there are such constraints
        nodes/ids.parquet     of the finest, where files have names: columns id and node
        nodes/names.json      of the finest, where a graph in memory has names
        meta.json             written last of the level, by rename
      level-001/
        ...

A level that has a ``meta.json`` is whole, and so is the parent map of the level before it. Nodes
are numbered by their place: row u of every array is of node u.
"""

from __future__ import annotations

from multiscale_gcn.hierarchy.stored.folder import finish as finish
from multiscale_gcn.hierarchy.stored.folder import is_finished as is_finished
from multiscale_gcn.hierarchy.stored.folder import is_whole as is_whole
from multiscale_gcn.hierarchy.stored.folder import level_folder as level_folder
from multiscale_gcn.hierarchy.stored.folder import open_levels as open_levels
from multiscale_gcn.hierarchy.stored.folder import remove_from as remove_from
from multiscale_gcn.hierarchy.stored.folder import whole_or_none as whole_or_none
from multiscale_gcn.hierarchy.stored.level import LevelWriter as LevelWriter
from multiscale_gcn.hierarchy.stored.level import Meta as Meta
from multiscale_gcn.hierarchy.stored.level import StoredLevel as StoredLevel
