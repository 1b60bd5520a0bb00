"""Threads and processes: what a server or a data loader does around the compiled code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PREAMBLE = """
import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
import networkx as nx
import numpy as np
from multiscale_gcn import HeavyEdgeMatching, VisitingOrderMatching, as_graph, coarsen

ids = np.arange(200 * 200).reshape(200, 200)
across = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()])
graph = as_graph(np.concatenate([across, across[:, ::3] // 200], axis=1), kind="edge_index",
                 num_nodes=ids.size, symmetrize=True)
labels = np.arange(ids.size) // 150

def fingerprints(_=None):
    return [
        coarsen(graph, levels=3).fingerprint,
        coarsen(graph, levels=1, labels=labels).fingerprint,
        coarsen(graph, levels=1, method=VisitingOrderMatching()).fingerprint,
    ]

expected = fingerprints()
"""

FORKED = """
def check():
    sys.exit(fingerprints() != expected)

workers = [multiprocessing.get_context("fork").Process(target=check) for _ in range(2)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print([worker.exitcode for worker in workers])
"""

CONCURRENT = """
with ThreadPoolExecutor(4) as pool:
    print(all(result == expected for result in pool.map(fingerprints, range(12))))
"""


def output_of(statements: str, layer: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", PREAMBLE + statements],
        env=os.environ | {"NUMBA_NUM_THREADS": "4", "NUMBA_THREADING_LAYER": layer},
        capture_output=True,
        text=True,
    )
    return (run.stdout + run.stderr).strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_forked_processes_return_the_same(layer: str) -> None:
    assert output_of(FORKED, layer) == "[0, 0]"


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_concurrent_callers_get_the_same(layer: str) -> None:
    assert output_of(CONCURRENT, layer) == "True"
