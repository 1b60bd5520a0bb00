"""Train a multi-scale network on a mesh of a million nodes: time and peak memory.

Run from a clone: ``python -m benchmarks.nn.million``, on a GPU with ``--device cuda``. The mesh is
a grid with one diagonal in every square, coarsened to an 8th, a 64th and a 512th of its nodes; the
maps between the scales are sparse.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from multiscale_gcn import Graph, as_graph, coarsen
from multiscale_gcn.nn import HierarchyTransfer, MultiScaleGCN

T = TypeVar("T")


def triangulated_grid(side: int) -> Graph:
    ids = np.arange(side * side).reshape(side, side)
    ends = ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:]), (ids[:-1, :-1], ids[1:, 1:]))
    edges = np.concatenate([np.stack([a.ravel(), b.ravel()]) for a, b in ends], axis=1)
    return as_graph(edges, kind="edge_index", num_nodes=side * side, symmetrize=True)


def report(what: str, run: Callable[[], T], device: torch.device) -> T:
    """Print the seconds that it took, and the highest memory of the process until then."""
    start = time.perf_counter()
    result = run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        peak = f"{torch.cuda.max_memory_allocated(device) / 2**30:6.2f} GiB on the device"
    else:
        peak = f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:6.2f} GiB"
    print(f"{what:28} {time.perf_counter() - start:8.2f} s   peak {peak}", flush=True)
    return result


def main(nodes: int, channels: int, non_local: bool, steps: int, device: torch.device) -> None:
    graph = report("mesh", lambda: triangulated_grid(math.isqrt(nodes)), device)
    n = graph.num_nodes
    sizes = [n // 8, n // 64, n // 512]
    backend = "cupy" if device.type == "cuda" else "auto"
    hierarchy = report("hierarchy", lambda: coarsen(graph, sizes=sizes, backend=backend), device)
    levels = [0, *(hierarchy.level(size).index for size in sizes)]

    def build() -> MultiScaleGCN:
        return MultiScaleGCN(
            [hierarchy[level].graph for level in levels],
            [(0, 1), (0, 1, 2, 3)],
            in_channels=3,
            channels=channels,
            out_channels=[3, 0, 0, 0],
            transfer=HierarchyTransfer(hierarchy, levels),
            non_local=non_local,
        ).to(device)

    network = report("network", build, device)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{graph}, scales {network.sizes}, {channels} channels, {parameters} parameters")
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    x, target = torch.randn(2, 1, n, 3, device=device)

    def loss() -> torch.Tensor:
        return (network(x)[0] - target).square().mean()

    def learn(value: torch.Tensor) -> None:
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    for step in range(steps):
        value = report(f"step {step}, forward", loss, device)
        report(f"step {step}, backward", partial(learn, value), device)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--no-non-local", action="store_true")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--device", type=torch.device, default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.device}")
    main(
        options.nodes,
        options.channels,
        not options.no_non_local,
        options.steps,
        options.device,
    )
