"""Time coarsening against other tools, on the same graphs in the same run.

    python -m benchmarks.coarsening.compare --help

Every tool takes its turn in every round, so a busy machine slows all of them alike; the table
shows medians and the median of the ratios round by round. Peers need ``networkit``, ``pyamg``,
``scotchpy64``, ``torch-cluster`` and ``torch_geometric`` from the package index, and METIS's
``gpmetis``; those that are missing are named and left out.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

os.environ.setdefault("NUMBA_NUM_THREADS", "4")  # before numba is imported: the hashes use it

import numba
import tyro

from benchmarks.coarsening import peers
from benchmarks.coarsening.graphs import GRAPHS
from multiscale_gcn import (
    EdgeWeight,
    Graph,
    HeavyEdgeMatching,
    coarsen,
    contract,
    match,
    round_weights,
)

Name = Literal["mesh", "grid", "delaunay", "rmat"]
METHOD = HeavyEdgeMatching(rating=EdgeWeight())


@dataclass(frozen=True)
class Options:
    """What to run."""

    graphs: tuple[Name, ...] = ("mesh", "grid", "delaunay", "rmat")
    """Which graphs."""
    rounds: int = 5
    """How often every tool takes its turn, after one turn that is not counted."""
    min_nodes: int = 100
    """Where a hierarchy ends."""
    threads: tuple[int, ...] = (1, 2, 4)
    """Numbers of threads whose results must have the same hash."""
    specification: bool = False
    """Hash the result of the plain-Python specification too: minutes on the large graphs."""


@dataclass
class Timing:
    name: str
    seconds: list[float] = field(default_factory=list)


def main(options: Options) -> None:
    numba.set_num_threads(os.cpu_count() or 1)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, Numba {numba.__version__}")  # fmt: skip
    for name in options.graphs:
        graph, _ = round_weights(GRAPHS[name]())
        print(f"\n{name}: {graph}")
        compare("one level", options.rounds, partial(_level, graph), peers.one_level(graph))
        if name != "rmat":
            ours = partial(coarsen, graph, min_nodes=options.min_nodes, method=METHOD)
            others = peers.hierarchy(graph, options.min_nodes)
            compare(f"hierarchy to {options.min_nodes} nodes", options.rounds, ours, others)
        print_hashes(graph, options)
        print_peak_memory(graph)


def _level(graph: Graph) -> Graph:
    return contract(graph, match(graph, METHOD))[0]


def compare(title: str, rounds: int, ours: peers.Run, others: list[peers.Peer]) -> None:
    """Run all in turn and print a table of medians, and of the ratios to ours."""
    contestants = [peers.Peer("multiscale_gcn", ours), *others]
    timings = [Timing(peer.name) for peer in contestants]
    for turn in range(rounds + 1):
        for peer, timing in zip(contestants, timings, strict=True):
            seconds = _time(peer)
            if turn:
                timing.seconds.append(seconds)
    print(f"  {title:44} {'median ms':>10} {'fastest':>10} {'ratio':>7}")
    for timing in timings:
        ratio = statistics.median(
            theirs / mine for theirs, mine in zip(timing.seconds, timings[0].seconds, strict=True)
        )
        median, fastest = statistics.median(timing.seconds), min(timing.seconds)
        print(f"    {timing.name:42} {1e3 * median:10.2f} {1e3 * fastest:10.2f} {ratio:7.2f}")


def _time(peer: peers.Peer) -> float:
    start = time.perf_counter()
    result = peer.run()
    elapsed = time.perf_counter() - start
    return elapsed if peer.seconds is None else peer.seconds(result)


def print_peak_memory(graph: Graph) -> None:
    """Peak of one level, the input counted, in multiples of the input's arrays (Linux only)."""
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not clear.exists():
        return

    def kilobytes(name: str) -> int:
        found = re.search(rf"{name}:\s*(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1])

    arrays = (graph.indptr, graph.indices, graph.weights, graph.node_weights)
    size = sum(array.nbytes for array in arrays)
    ctypes.CDLL(None).malloc_trim(0)  # what was freed is not to be reused unseen
    clear.write_text("5")  # resets the peak
    before = kilobytes("VmRSS")
    _level(graph)
    extra = 1024 * (kilobytes("VmHWM") - before)
    print(f"  peak memory of one level: {1 + extra / size:.2f} times the input's arrays")


def print_hashes(graph: Graph, options: Options) -> None:
    """One hash for every number of threads, and for the specification: they must be equal."""
    before, available = numba.get_num_threads(), int(os.environ["NUMBA_NUM_THREADS"])
    runs: dict[str, Callable[[], Graph]] = {}
    for threads in options.threads:
        if threads <= available:
            runs[f"{threads} threads"] = lambda: _level(graph)
    if options.specification:
        runs["specification"] = lambda: contract(
            graph, match(graph, METHOD, backend="python"), backend="python"
        )[0]
    hashes = {}
    for label, run in runs.items():
        if label.endswith("threads"):
            numba.set_num_threads(int(label.split()[0]))
        hashes[label] = _hash(run())
        numba.set_num_threads(before)
    for label, value in hashes.items():
        print(f"  {value}  {label}")
    if len(set(hashes.values())) > 1:
        raise AssertionError("the backends disagree")


def _hash(graph: Graph) -> str:
    digest = hashlib.sha256()
    for array in (graph.indptr, graph.indices, graph.weights, graph.node_weights):
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
