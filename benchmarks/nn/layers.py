"""Time the layers' operators against their specifications.

Run from a clone: ``python -m benchmarks.nn.layers``. Forward and backward, medians of runs that
take turns, on the threads that torch has (OMP_NUM_THREADS sets them).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from multiscale_gcn import Graph, as_graph, ops
from multiscale_gcn.nn import GraphPattern


def ring(n: int, reach: int) -> Graph:
    nodes = np.arange(n)
    ends = (nodes[:, None] + np.arange(1, reach + 1)).ravel() % n
    edges = np.array([np.repeat(nodes, reach), ends])
    return as_graph(edges, kind="edge_index", num_nodes=n, symmetrize=True)


def medians(runs: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median milliseconds of each; they take turns, so that they share the machine's moods."""
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(repeats + 2):
        for run, record in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            if turn >= 2:
                record.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(record) for record in times]


def there_and_back(function: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], None]:
    leaves = [x for x in inputs if x.requires_grad]
    upstream = torch.randn_like(function(*inputs))

    def run() -> None:
        torch.autograd.grad(function(*inputs), leaves, upstream)

    return run


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, requires_grad=True)


def report(name: str, runs: dict[str, Callable[[], None]], repeats: int) -> None:
    """One line: the median of every form, and how often the last one fits into the first."""
    times = medians(list(runs.values()), repeats)
    forms = "  ".join(f"{form} {t:9.2f} ms" for form, t in zip(runs, times, strict=True))
    print(f"{name:44} {forms}  ratio {times[0] / times[-1]:.1f}", flush=True)


def convolutions(repeats: int) -> None:
    for n, reach in ((17, 1), (48, 3), (96, 3)):
        pattern = GraphPattern(ring(n, reach)).entries
        x, values = leaf(64, n, 128), leaf(len(pattern.rows))
        runs = {
            form.__name__.removeprefix("propagate_"): there_and_back(
                lambda x, values, form=form, pattern=pattern: form(x, values, pattern), x, values
            )
            for form in (ops.propagate_reference, ops.propagate_dense, ops.propagate_sparse)
        }
        report(f"propagate, B=64, N={n}, C=128", runs, repeats)


def attention(repeats: int) -> None:
    for batch, n, inner in ((64, 17, 64), (64, 48, 64), (8, 96, 64)):
        theta, phi, score, value = (
            leaf(batch, n, inner),
            leaf(batch, n, inner),
            leaf(2, inner),
            leaf(batch, n, inner),
        )

        def dense(theta: Tensor, phi: Tensor, score: Tensor, value: Tensor) -> Tensor:
            return ops.nonlocal_attention_dense(theta @ score[0], phi @ score[1], value)

        inputs = (theta, phi, score, value)
        runs = {
            "reference": there_and_back(ops.nonlocal_attention_reference, *inputs),
            "dense": there_and_back(dense, *inputs),
        }
        report(f"non-local attention, B={batch}, N={n}, C={inner}", runs, repeats)
    for n in (256, 512, 1024, 4096):
        source, target, value = leaf(4, n), leaf(4, n), leaf(4, n, 64)
        runs = {
            "dense": there_and_back(ops.nonlocal_attention_dense, source, target, value),
            "sorted": there_and_back(ops.nonlocal_attention_sorted, source, target, value),
        }
        report(f"non-local attention, B=4, N={n}, C=64", runs, repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9, help="timed runs a form")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    convolutions(arguments.repeats)
    attention(arguments.repeats)
