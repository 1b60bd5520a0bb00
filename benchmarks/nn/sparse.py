"""Time the sparse kernels on a CUDA device, on graphs of a million nodes.

Run from a clone: ``python -m benchmarks.nn.sparse``. Medians. Behind each time stand its ratios to
two floors, which follow from the bandwidth of a large copy: features read once and written once,
and features gathered entry by entry from memory.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from multiscale_gcn import Graph
from multiscale_gcn.nn import GraphPattern
from multiscale_gcn.ops import Pattern, neighbour_softmax
from multiscale_gcn.ops.sparse_cuda import DOTS, PRODUCT


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


def microseconds(run: Callable[[], object], repeats: int = 15) -> float:
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        stop.record()
        torch.cuda.synchronize()
        times.append(1e3 * start.elapsed_time(stop))
    return statistics.median(times)


def index_add(x: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
    messages = x.index_select(1, pattern.columns) * values[:, None]
    return torch.zeros_like(x).index_add(1, pattern.rows, messages)


def main(nodes: int, edges: int, channels: int) -> None:
    a = torch.randn(2**28, device="cuda")
    b = torch.empty_like(a)
    bytes_a_microsecond = 2 * 4 * 2**28 / microseconds(partial(b.copy_, a))
    del a, b
    print(f"{torch.cuda.get_device_name()}, copy {bytes_a_microsecond / 1e6:.2f} TB/s")
    for name, reach in (("local", 100), ("random", None)):
        graph = random_graph(nodes, edges, reach)
        pattern = GraphPattern(graph).cuda().entries
        nnz = len(pattern.rows)
        print(f"{name}: {nodes} nodes, {nnz} entries, {channels} channels; microseconds")
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(1, nodes, channels, device="cuda", dtype=dtype)
            values = torch.rand(nnz, device="cuda")
            size = x.element_size() * channels
            csr = 12 * nnz + 8 * nodes
            once = (2 * nodes * size + csr) / bytes_a_microsecond
            gather = ((nodes + nnz) * size + csr) / bytes_a_microsecond
            matrix = torch.sparse_csr_tensor(
                pattern.indptr, pattern.columns, values.to(dtype), (nodes, nodes)
            )
            back = pattern.indptr, pattern.columns, pattern.mirror
            runs: dict[str, Callable[[], object]] = {
                "product": partial(PRODUCT, x, values, pattern.indptr, pattern.columns, None),
                "transposed product": partial(PRODUCT, x, values, *back),
                "gradient of the values": partial(DOTS, x, x, pattern.rows, pattern.columns),
                "softmax": partial(neighbour_softmax, values, pattern),
                "cuSPARSE product": partial(torch.mm, matrix, x[0]),
            }
            if dtype == torch.float32:
                runs["index_add"] = partial(index_add, x, values, pattern)
            times = {what: microseconds(run) for what, run in runs.items()}
            print(f"  {dtype}: floor {once:.0f} read once, {gather:.0f} gathered")
            for what, time in times.items():
                print(f"    {what:24} {time:8.0f}   {time / once:5.2f}   {time / gather:5.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--edges", type=int, default=5_250_000)
    parser.add_argument("--channels", type=int, default=128)
    options = parser.parse_args()
    torch.manual_seed(0)
    main(options.nodes, options.edges, options.channels)
