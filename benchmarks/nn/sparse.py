"""Time the sparse kernels on a CUDA device, on graphs of a million nodes.

Run from a clone: ``python -m benchmarks.nn.sparse``. Medians. Behind each time stand its ratios to
two floors, which follow from the bandwidth of a large copy: all that an operator reads and writes,
once; and the same with one row of features fetched from memory for every entry.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from benchmarks.nn.million import triangulated_grid
from multiscale_gcn import Graph
from multiscale_gcn.nn import GraphPattern
from multiscale_gcn.ops import Pattern, neighbour_softmax
from multiscale_gcn.ops.propagate.on_cuda import DOTS, PRODUCT
from multiscale_gcn.ops.sparse_sums.aggregate_on_cuda import aggregate_neighbours
from multiscale_gcn.ops.sparse_sums.entry_gradient_on_cuda import logit_gradient


def random_graph(n: int, edges: int, reach: int | None) -> Graph:
    """Ends anywhere, or at most ``reach`` ids apart."""
    generator = np.random.default_rng(0)
    left = generator.integers(0, n, edges)
    steps = generator.integers(1, n if reach is None else reach + 1, edges)
    right = (left + steps) % n
    half = sp.coo_array((np.ones(edges), (left, right)), shape=(n, n)).tocsr()
    matrix = half + half.T
    matrix.sort_indices()
    return Graph(matrix.indptr, matrix.indices)


def microseconds(run: Callable[[], object], repeats: int = 7, steps: int = 5) -> float:
    """Median time of a step; several follow each other, so that the device need not wait."""
    for _ in range(2):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(steps):
            run()
        stop.record()
        torch.cuda.synchronize()
        times.append(1e3 * start.elapsed_time(stop) / steps)
    return statistics.median(times)


def index_add(x: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
    messages = x.index_select(1, pattern.columns) * values[:, None]
    return torch.zeros_like(x).index_add(1, pattern.rows, messages)


def by_cusparse(own: Tensor, x: Tensor, logits: Tensor, bias: Tensor, pattern: Pattern) -> Tensor:
    """Aggregation by the softmax of the edges and a product with a sparse matrix of PyTorch."""
    n = pattern.num_nodes
    shares = neighbour_softmax(logits, pattern, backend="torch").to(x.dtype)
    others = shares.index_fill(0, pattern.diagonal, 0.0)
    matrix = torch.sparse_csr_tensor(pattern.indptr, pattern.columns, others, (n, n))
    return torch.addcmul(bias, shares[pattern.diagonal, None], own[0]) + matrix @ x[0]


@dataclass
class Task:
    run: Callable[[], object]
    features: int  # rows that are read and written for each node
    entry_bytes: int  # that are read and written for each entry


def tasks(dtype: torch.dtype, pattern: Pattern, channels: int) -> dict[str, Task]:
    n, nnz = pattern.num_nodes, len(pattern.rows)
    x, own, upstream = torch.randn(3, 1, n, channels, device="cuda").to(dtype)
    logits = torch.randn(nnz, device="cuda")
    bias = torch.randn(channels, device="cuda", dtype=dtype)
    csr = pattern.indptr, pattern.columns
    shares = neighbour_softmax(logits, pattern)
    matrix = torch.sparse_csr_tensor(*csr, shares.to(dtype), (n, n))
    back = (shares, *csr, pattern.mirror)
    sides = (upstream, own)
    result = {
        "product": Task(partial(PRODUCT, x, logits, *csr, None), 2, 12),
        "  cuSPARSE": Task(partial(torch.mm, matrix, x[0]), 2, 12),
        "transposed product": Task(partial(PRODUCT, x, *back), 2, 20),
        "gradient of its values": Task(partial(DOTS, upstream, x, *csr), 2, 12),
        "softmax of the rows": Task(partial(neighbour_softmax, logits, pattern), 0, 8),
        "aggregation": Task(
            partial(aggregate_neighbours, own, x, logits, *csr, softmax=True, bias=bias, relu=True),
            3,
            12,
        ),
        "  edge softmax, cuSPARSE": Task(
            partial(by_cusparse, own, x, logits, bias, pattern), 3, 12
        ),
        "gradient of its features": Task(
            partial(aggregate_neighbours, upstream, upstream, *back, apart=True), 3, 20
        ),
        "gradient of its logits": Task(
            partial(logit_gradient, upstream, x, *csr, sides, logits), 3, 20
        ),
    }
    if dtype == torch.float32:
        result["  index_add"] = Task(partial(index_add, x, logits, pattern), 2, 12)
    return result


def main(nodes: int, edges: int, channels: int) -> None:
    a = torch.randn(2**28, device="cuda")
    b = torch.empty_like(a)
    bytes_a_microsecond = 2 * 4 * 2**28 / microseconds(partial(b.copy_, a))
    del a, b
    print(f"{torch.cuda.get_device_name()}, copy {bytes_a_microsecond / 1e6:.2f} TB/s")
    graphs = {
        "local": random_graph(nodes, edges, 100),
        "mesh": triangulated_grid(math.isqrt(nodes)),
        "random": random_graph(nodes, edges, None),
    }
    for name, graph in graphs.items():
        pattern = GraphPattern(graph).cuda().entries
        n, nnz = pattern.num_nodes, len(pattern.rows)
        print(f"{name}: {n} nodes, {nnz} entries, {channels} channels")
        for dtype in (torch.float32, torch.bfloat16):
            size = dtype.itemsize * channels
            print(f"  {dtype}; microseconds: time, floor read once, ratio, floor gathered, ratio")
            for what, task in tasks(dtype, pattern, channels).items():
                csr = task.entry_bytes * nnz + 8 * n
                once = (task.features * n * size + csr) / bytes_a_microsecond
                gather = once + (nnz - n) * size / bytes_a_microsecond if task.features else once
                time = microseconds(task.run)
                print(
                    f"    {what:26} {time:7.0f}   {once:6.0f} {time / once:6.2f}"
                    f"   {gather:6.0f} {time / gather:6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=5_250_000)
    parser.add_argument("--channels", type=int, default=128)
    options = parser.parse_args()
    torch.manual_seed(0)
    main(options.nodes, options.edges, options.channels)
