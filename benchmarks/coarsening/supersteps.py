"""Levels in supersteps: speed beside that of memory, bytes exchanged, numbers of supersteps.

The first level of a grid, of a power-law graph and of a path whose weights increase, all by the
default method and each compared with the arrays of memory. Times are those of one processor core,
so that others on the machine disturb them little:

    NUMBA_NUM_THREADS=1 python -m benchmarks.coarsening.supersteps --stages
    NUMBA_NUM_THREADS=1 python -m benchmarks.coarsening.supersteps --plan 1e9 1e11
    NUMBA_NUM_THREADS=1 python -m benchmarks.coarsening.supersteps --snapshots --partitions 4
    python -m benchmarks.coarsening.supersteps --engine ray --partitions 4
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.coarsening.graphs import grid, rmat
from multiscale_gcn import Dask, Graph, HeavyEdgeMatching, Ray, Spark, as_graph, coarsen
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import round_weights
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.supersteps import snapshots
from multiscale_gcn.supersteps.engine import SuperstepEngine
from multiscale_gcn.supersteps.in_process import InProcess, run
from multiscale_gcn.supersteps.partition import MOST_NODES, divided
from multiscale_gcn.supersteps.sources import InMemory
from multiscale_gcn.supersteps.task import Attempt, LevelTask, Tally


def path(length: int) -> Graph:
    """A path on which every edge is heavier than the one before: one pair marries at a time."""
    first = np.arange(length - 1)
    edges = np.stack([first, first + 1])
    weights = np.arange(1.0, length)
    return as_graph(edges, kind="edge_index", weights=weights, symmetrize=True)


GRAPHS: dict[str, tuple[Callable[[int], Graph], int]] = {
    "grid": (grid, 1000),
    "rmat": (rmat, 18),
    "path": (path, 1_000_000),
}
"""How each is made, and its size."""


FITS = 1 << 20
"""So small that the graphs here are divided."""


def in_memory(graph: Graph, rounds: int) -> tuple[Hierarchy, float]:
    """The first level as memory makes it, and seconds of one core."""
    hierarchy, times = coarsen(graph, levels=1), list[float]()
    for _ in range(rounds):
        begin = time.process_time()
        hierarchy = coarsen(graph, levels=1)
        times.append(time.process_time() - begin)
    return hierarchy, min(times)


def in_supersteps(
    graph: Graph, expected: Hierarchy, partitions: int, rounds: int, stages: bool
) -> str:
    """One line about a number of partitions, and one of its supersteps if so asked."""
    exact, _ = round_weights(graph)
    sources = [InMemory(part) for part in divided(exact, Constraints(), partitions)]
    best, told = np.inf, ""
    for _ in range(rounds + 1):  # the first compiles
        sent, counts, spent = Counter[str](), Counter[str](), Counter[str]()
        last = begin = time.process_time()

        def watch(name: str, tallies: Sequence[Tally]) -> None:
            nonlocal last
            now = time.process_time()
            sent[name] += sum(tally["bytes"] for tally in tallies)  # noqa: B023
            counts[name] += 1  # noqa: B023
            spent[name] += now - last  # type: ignore[assignment]  # noqa: B023
            last = now

        crew = run(LevelTask(HeavyEdgeMatching()), sources, watch)
        seconds = time.process_time() - begin
        assert crew is not None
        parents = np.concatenate([parent for parent, _ in crew.states.values()])
        assert np.array_equal(parents, expected.parent(0, 1))
        columns = np.concatenate([part.indices for _, part in crew.states.values()])
        assert np.array_equal(columns, expected[1].graph.indices)
        if seconds < best:
            best = seconds
            rounds_taken = counts["look"] + counts["round"] + counts["gather"] + counts["finish"]
            told = (
                f"{graph.num_edges / best / 1e6:8.2f} {sent.total() / graph.num_edges:8.2f} "
                f"{counts.total():11d} {rounds_taken:6d}"
            )
            if stages:
                told += "\n" + "\n".join(
                    f"{name:>20} {counts[name]:3d} {1e9 * spent[name] / graph.num_edges:8.1f} ns "
                    f"{sent[name] / graph.num_edges:6.2f} bytes an edge"
                    for name in counts
                )
    return told


@dataclass(frozen=True)
class Machines:
    """Where a graph is planned for."""

    count: int = 16
    cores: int = 16
    network: float = 1.25e9
    """Bytes a second that each sends, and receives at the same time."""
    latency: float = 1.0
    """Seconds that an engine takes for a superstep in which nothing is done."""


@dataclass(frozen=True)
class Terms:
    """What a level costs: measured."""

    seconds: float
    """Of one core, an edge."""
    sent: float
    """Bytes an edge."""
    supersteps: int
    nodes: float
    """An edge."""
    ghosts: float
    """Of a node, all partitions together."""


def terms_of(graph: Graph, partitions: int, rounds: int) -> Terms:
    """Take the first level a few times, and measure."""
    exact, _ = round_weights(graph)
    sources = [InMemory(part) for part in divided(exact, Constraints(), partitions)]
    best, told = np.inf, list[int]()
    for _ in range(rounds + 1):
        told.clear()

        def watch(_: str, tallies: Sequence[Tally]) -> None:
            told.append(sum(tally["bytes"] for tally in tallies))

        begin = time.process_time()
        crew = run(LevelTask(HeavyEdgeMatching()), sources, watch)
        best = min(best, time.process_time() - begin)
    assert crew is not None
    seen = sum(len(fixed[1][0].ids) for fixed in crew.fixed.values())
    n, edges = graph.num_nodes, graph.num_edges
    return Terms(best / edges, sum(told) / edges, len(told), n / edges, seen / n - 1)


ENTRY = 8 + 4 + 4
"""Bytes of one: weight, column, local number; the coarse ones, at most as many, take 12."""
NODE = 8 + 8 + 8 + 8 + 8 + 4 + 4 + 4 + 4 + 4 + 2
"""Bytes of one, or of a ghost: pointer, weights, degree and its inverse, loop, id, and the
search."""


def plan(edges: float, terms: Terms, machines: Machines) -> str:
    """The first level of a graph like one that was measured."""
    work = edges * terms.seconds / (machines.count * machines.cores)
    network = edges * terms.sent / (machines.count * machines.network)
    waiting = terms.supersteps * machines.latency
    nodes = edges * terms.nodes
    held = 2 * edges * (ENTRY + 12) + nodes * (1 + terms.ghosts) * NODE
    marks = machines.cores * nodes / 8
    refused = "" if nodes < MOST_NODES else f", refused: {nodes:.2g} nodes are more than 2**32"
    return (
        f"{edges:8.0e} edges: {work:8.1f} s of work + {network:7.1f} s of mail + {waiting:4.0f} s "
        f"between {terms.supersteps} supersteps; {edges * terms.sent / 1e9:7.2f} GB sent; "
        f"{held / machines.count / 1e9:7.1f} GB a machine, of which ghosts "
        f"{nodes * terms.ghosts * NODE / machines.count / 1e9:.1f}, and {marks / 1e9:.1f} to find "
        f"them{refused}"
    )


@contextmanager
def engine_of(name: str, partitions: int, cores: int) -> Iterator[SuperstepEngine]:
    """An engine on this machine."""
    if name == "in_process":
        yield InProcess(partitions=partitions, fits=FITS)
    elif name == "ray":
        import ray

        ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False)
        yield Ray(partitions=partitions, fits=FITS)
        ray.shutdown()
    elif name == "dask":
        from dask.distributed import Client, LocalCluster

        with LocalCluster(n_workers=cores, threads_per_worker=1) as cluster, Client(cluster) as one:
            yield Dask(one, partitions=partitions, fits=FITS)
    else:
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master(f"local[{cores}]")
        session = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
        yield Spark(session, partitions=partitions, fits=FITS)
        session.stop()


@dataclass
class Timed:
    """An engine and the wall seconds of its last step, without what makes a level whole."""

    engine: SuperstepEngine
    seconds: float = 0.0

    def refusal(self, method: Any, constraints: Constraints) -> str | None:
        return self.engine.refusal(method, constraints)

    def step(self, fine: Any, coarse: Any, task: Any) -> bool:
        begin = time.perf_counter()
        made = self.engine.step(fine, coarse, task)
        self.seconds = time.perf_counter() - begin
        return made


def by_engine(graph: Graph, expected: Hierarchy, engine: SuperstepEngine, rounds: int) -> float:
    """Wall seconds of the first level, from arrays in a folder to arrays in a folder."""
    timed, best = Timed(engine), np.inf
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            found = coarsen(graph, levels=1, out=Path(folder) / "levels", engine=timed)
            assert found.fingerprint == expected.fingerprint
        best = min(best, timed.seconds)
    return best


def of_snapshots(graph: Graph, expected: Hierarchy, partitions: int, pause: float) -> str:
    """One line about what snapshots take of the first level, from folder to folder, after so many
    seconds each; 0 writes every superstep down."""
    timed, spent, sizes = Timed(InProcess(partitions=partitions, fits=FITS)), [0.0], list[int]()

    def written(attempt: Attempt, name: str, index: int, content: Any) -> int:
        begin = time.perf_counter()
        paid = write(attempt, name, index, content)
        spent.append(time.perf_counter() - begin)
        sizes.append(max(attempt.folder.glob(f"*/{index}.npz")).stat().st_size)
        return paid

    write = snapshots.write
    with (
        mock.patch.object(snapshots, "write", written),
        mock.patch.object(snapshots, "PAUSE", pause),
        mock.patch.object(snapshots, "SHARE", np.inf if pause == 0 else snapshots.SHARE),
        tempfile.TemporaryDirectory() as folder,
    ):
        found = coarsen(graph, levels=1, out=Path(folder) / "levels", engine=timed)
    assert found.fingerprint == expected.fingerprint
    return (
        f"{pause:5.1f} s: {len(sizes) // partitions:2d} snapshots, "
        f"{sum(sizes) / graph.num_edges:6.1f} bytes an edge, {sum(spent):6.2f} s of "
        f"{timed.seconds:6.2f} s: {100 * sum(spent) / timed.seconds:4.1f} %"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    parser.add_argument("--sizes", nargs="+", type=int, help="width, scale and length of these")
    parser.add_argument("--partitions", nargs="+", type=int, default=[1, 4, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stages", action="store_true", help="where the time goes")
    parser.add_argument("--snapshots", action="store_true", help="what resuming costs")
    parser.add_argument("--engine", choices=("in_process", "ray", "dask", "spark"))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--plan", nargs="+", type=float, help="numbers of edges")
    options = parser.parse_args(arguments)
    if options.plan:
        _plan(options)
        return
    print(
        f"{'graph':8} {'edges':>11} {'partitions':>10} "
        f"{'M edges/s':>8} {'bytes/edge':>8} {'supersteps':>10} {'rounds':>6}"
    )
    for name, size in zip(
        options.graphs, options.sizes or [GRAPHS[name][1] for name in options.graphs], strict=True
    ):
        graph = GRAPHS[name][0](size)
        head = f"{name:8} {graph.num_edges:11d}"
        expected, seconds = in_memory(graph, options.rounds)
        print(f"{head} {'in memory':>10} {graph.num_edges / seconds / 1e6:8.2f}", flush=True)
        for partitions in options.partitions:
            if options.snapshots:
                for pause in (np.inf, 1.0, 0.0):  # the first compiles
                    told = of_snapshots(graph, expected, partitions, pause)
                    print(f"{head} {partitions:10d} {told}", flush=True)
                continue
            if options.engine is None:
                told = in_supersteps(graph, expected, partitions, options.rounds, options.stages)
            else:
                with engine_of(options.engine, partitions, options.cores) as engine:
                    wall = by_engine(graph, expected, engine, options.rounds)
                told = f"{graph.num_edges / wall / 1e6:8.2f} by {options.engine}, {wall:.1f} s"
            print(f"{head} {partitions:10d} {told}", flush=True)


def _plan(options: argparse.Namespace) -> None:
    machines = Machines()
    print(machines)
    for name in ("grid", "rmat"):
        graph = GRAPHS[name][0](GRAPHS[name][1])
        terms = terms_of(graph, options.partitions[-1], options.rounds)
        print(name, terms)
        for edges in options.plan:
            print(name, plan(edges, terms, machines))


if __name__ == "__main__":
    main()
