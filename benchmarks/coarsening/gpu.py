"""Time coarsening on a CUDA device against the CPU, on the same graphs in the same run.

    python -m benchmarks.coarsening.gpu --help

"device" starts and ends with arrays on the device; "copied" takes and returns a ``Graph``, as
``match``, ``contract`` and ``coarsen`` do. "level" is a match and a contraction without a wait in
between, and its kernels follow as CUPTI timed them. Weights are rounded before. Every result is
compared with the CPU's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import cupy as cp
import numba
import numpy as np
import torch

from benchmarks.coarsening.graphs import delaunay, grid, mesh, rmat
from multiscale_gcn import (
    EdgeWeight,
    Graph,
    HeavyEdgeMatching,
    as_graph,
    coarsen,
    contract,
    match,
    round_weights,
)
from multiscale_gcn.coarsening.descent import descend
from multiscale_gcn.coarsening.how_far import HowFar
from multiscale_gcn.coarsening.on_cuda import DeviceStage, device_levels
from multiscale_gcn.contraction.on_cuda import contract_on_device
from multiscale_gcn.cuda.arrays import DeviceArrays
from multiscale_gcn.matching.on_cuda import DeviceConstraints, match_on_device
from multiscale_gcn.ratings import NormalizedCut


def median(step: Callable[[], object], rounds: int) -> float:
    """Milliseconds, after one turn that is not counted."""
    times = []
    for _ in range(rounds + 1):
        cp.cuda.Device().synchronize()
        start = time.perf_counter()
        step()
        cp.cuda.Device().synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def kernels(step: Callable[[], object], rounds: int) -> str:
    """Microseconds that each kernel and copy takes of a step, in the order of their launches."""
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(rounds):
            step()
        torch.cuda.synchronize()
    times: dict[str, float] = {}
    for event in profile.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            spent = event.time_range.elapsed_us() / rounds
            times[event.name] = times.get(event.name, 0.0) + spent
    return ", ".join(f"{name} {spent:.1f}" for name, spent in times.items())


def increasing_path(n: int) -> Graph:
    """A path on which every round marries one pair."""
    ids = np.stack([np.arange(n - 1), np.arange(1, n)])
    return as_graph(ids, kind="edge_index", weights=np.arange(1.0, n), symmetrize=True)


def time_level(name: str, graph: Graph, method: HeavyEdgeMatching, rounds: int) -> None:
    fine = DeviceArrays.of(graph)
    on_device = partial(match_on_device, fine, method, fine.weights, DeviceConstraints())
    mate, _ = on_device()
    merge = partial(contract_on_device, fine, mate)
    merged, parent = merge()
    matching = match(graph, method, backend="numba")
    coarse, expected = contract(graph, matching, backend="numba")
    assert match(graph, method, backend="cupy") == matching
    assert contract(graph, matching, backend="cupy")[0] == coarse
    assert np.array_equal(parent.get(), expected)
    assert merged.num_nodes == coarse.num_nodes

    def level() -> object:
        return contract_on_device(fine, on_device()[0])

    columns = {
        "match device": median(on_device, rounds),
        "contract device": median(merge, rounds),
        "level device": median(level, rounds),
        "match copied": median(partial(match, graph, method, backend="cupy"), rounds),
        "contract copied": median(partial(contract, graph, matching, backend="cupy"), rounds),
        "match numba": median(partial(match, graph, method, backend="numba"), rounds),
        "contract numba": median(partial(contract, graph, matching, backend="numba"), rounds),
    }
    print(f"{name}: {graph.num_nodes} nodes, {graph.num_entries} entries, -> {coarse.num_nodes}")
    print("   ".join(f"{key} {value:.3f} ms" for key, value in columns.items()))
    print(f"kernels in us: {kernels(level, rounds)}", flush=True)


def time_hierarchy(name: str, graph: Graph, levels: int, rounds: int) -> None:
    """All levels: on the device, from and to the host, and on the CPU."""
    fine, method = DeviceArrays.of(graph), HeavyEdgeMatching()
    results = {b: coarsen(graph, levels=levels, backend=b) for b in ("cupy", "numba")}
    assert results["cupy"].fingerprint == results["numba"].fingerprint
    stage = DeviceStage(fine, method, graph.quantum, DeviceConstraints())
    descent = partial(descend, stage, HowFar(levels=levels))
    device = median(descent, rounds)
    copied, numba_ = (
        median(partial(coarsen, graph, levels=levels, backend=b), rounds) for b in ("cupy", "numba")
    )
    print(f"{name}: {levels} levels, {results['cupy'].sizes}")
    print(
        f"device {device:.3f} ms   copied {copied:.3f} ms   numba {numba_:.3f} ms   "
        f"numba / device {numba_ / device:.1f}   numba / copied {numba_ / copied:.1f}"
    )
    there = descent()
    for level in device_levels(there.stages, there.parents)[:-1]:
        arrays = level.graph
        pairs = partial(match_on_device, arrays, method, arrays.weights, DeviceConstraints())
        merge = partial(contract_on_device, arrays, pairs()[0])
        print(
            f"  {level.num_nodes} nodes, {arrays.num_entries} entries: "
            f"match {median(pairs, rounds):.3f} ms, contract {median(merge, rounds):.3f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=2000, help="of the grid")
    parser.add_argument("--points", type=int, default=1_000_000, help="of the triangulation")
    parser.add_argument("--scale", type=int, default=20, help="of the power-law graph")
    parser.add_argument("--path", type=int, nargs="*", default=[16_384, 1_000_000])
    parser.add_argument("--levels", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    device = cp.cuda.runtime.getDeviceProperties(0)["name"].decode()
    print(f"{device}, cupy {cp.__version__}, {os.cpu_count()} CPU cores, "
          f"numba with {numba.get_num_threads()} threads")  # fmt: skip
    graphs = {
        "mesh": mesh(),
        "grid": grid(options.width),
        "delaunay": delaunay(options.points),
        "rmat": rmat(options.scale),
    }
    for name, given in graphs.items():
        graph, _ = round_weights(given)
        for rating in (NormalizedCut(), EdgeWeight()):
            method = HeavyEdgeMatching(rating=rating)
            time_level(f"{name} {rating}", graph, method, options.rounds)
        time_hierarchy(name, graph, options.levels, options.rounds)
    million, _ = round_weights(grid(options.width // 2))
    time_hierarchy("grid of a quarter", million, options.levels, options.rounds)
    for n in options.path:
        method = HeavyEdgeMatching(rating=EdgeWeight())
        path, _ = round_weights(increasing_path(n))
        time_level(f"increasing path of {n}", path, method, 3)


if __name__ == "__main__":
    main()
