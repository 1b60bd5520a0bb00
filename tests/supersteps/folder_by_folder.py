"""Levels that an engine makes in folders, held against those of memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn import CoarseningStalled, Hierarchy, coarsen
from multiscale_gcn.outofcore import LevelEngine


def check_engine(engine: LevelEngine, graph: Any, **options: Any) -> int:
    """Hold all levels against those of memory; returns how many there are."""
    expected = outcome(graph, **options)
    with tempfile.TemporaryDirectory() as folder:
        found = outcome(graph, **options, out=Path(folder) / "levels", engine=engine)
        if not isinstance(expected, Hierarchy):
            assert found == expected
            return 0
        assert isinstance(found, Hierarchy)
        assert found.sizes == expected.sizes
        for ours, theirs in zip(found.levels, expected.levels, strict=True):
            assert ours.graph == theirs.graph
            for name, array in theirs.constraints.arrays().items():
                mine = ours.constraints.arrays()[name]
                assert array is mine is None or np.array_equal(mine, array)  # type: ignore[arg-type]
        for k in range(len(expected) - 1):
            assert np.array_equal(found.parent(k, k + 1), expected.parent(k, k + 1))
        assert found.fingerprint == expected.fingerprint
        return len(expected)


def outcome(graph: Any, **options: Any) -> Hierarchy | str:
    """The hierarchy as far as it came, or why there is none."""
    try:
        return coarsen(graph, **options)
    except CoarseningStalled as stalled:
        return stalled.hierarchy
    except ValueError as error:
        return str(error)
