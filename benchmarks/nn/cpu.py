"""Time the product of a sparse matrix with features on a CPU, dense against sparse.

Run from a clone: ``python -m benchmarks.nn.cpu``. For graphs of several sizes and densities, and
several batches, it prints the microseconds of ``propagate_dense`` and ``propagate_sparse``, of
messages that are gathered and added up with ``index_add``, and of a product with a CSR tensor of
PyTorch (forward alone: it hands no gradient to its values), on the threads that torch has. Forward
and backward, where features and values are learned; medians of runs that take turns. The last
column is what ``propagate`` takes. "Lost" is how much longer that takes than the faster of the two.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.nn.layers import leaf, medians, there_and_back
from multiscale_gcn import as_graph, ops
from multiscale_gcn.nn import GraphPattern
from multiscale_gcn.ops import Pattern
from multiscale_gcn.ops.propagate.plain import propagates_dense

MOST_ROWS = 2**15
"""Nodes of a batch."""

MOST_MESSAGES = 2**15
"""Of one product by ``index_add``: more take seconds."""

Form = Callable[[Tensor, Tensor, Pattern], Tensor]


def random_pattern(n: int, density: float) -> Pattern:
    """Every pair is there with the given probability, and the whole diagonal."""
    upper = np.triu(np.random.default_rng(n).random((n, n)) < density, 1)
    return GraphPattern(as_graph((upper | upper.T).astype(float))).entries


def index_add(x: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
    messages = x.index_select(1, pattern.columns) * values[:, None]
    return torch.zeros_like(x).index_add(1, pattern.rows, messages)


def csr(x: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
    n = pattern.num_nodes
    matrix = torch.sparse_csr_tensor(pattern.indptr, pattern.columns, values, (n, n))
    nodes = x.transpose(0, 1).contiguous()
    return (matrix @ nodes.flatten(1)).unflatten(1, nodes.shape[1:]).transpose(0, 1)


def forward_of(form: Form, *inputs: Tensor, pattern: Pattern) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            form(inputs[0], inputs[1], pattern)

    return run


def cases(
    nodes: list[int], densities: list[float], batches: list[int]
) -> Iterator[tuple[int, float, int]]:
    """Without graphs of hardly any edge, and without batches that take minutes."""
    for n in nodes:
        for density in densities:
            for batch in batches:
                if density * n >= 1 and batch * n <= MOST_ROWS:
                    yield n, density, batch


def main(nodes: list[int], densities: list[float], batches: list[int], repeats: int) -> None:
    forms: dict[str, Form] = {
        "dense": ops.propagate_dense,
        "sparse": ops.propagate_sparse,
        "index_add": index_add,
        "csr": csr,
    }
    backward = ("dense", "sparse", "index_add")
    print(" " * 31 + "forward" + " " * 33 + "forward and backward")
    names = "".join(f"{name:>10}" for name in (*forms, *backward))
    print(f"{'nodes':>5} {'share':>6} {'a row':>6} {'batch':>5}{names}  takes   lost", flush=True)
    lost = []
    for n, density, batch in cases(nodes, densities, batches):
        pattern = random_pattern(n, density)
        nnz = len(pattern.rows)
        x, values = leaf(batch, n, 128), leaf(nnz)
        fits = [name for name in forms if name != "index_add" or batch * nnz <= MOST_MESSAGES]
        runs = {(name, 1): forward_of(forms[name], x, values, pattern=pattern) for name in fits}
        for name in (name for name in backward if name in fits):
            runs[name, 2] = there_and_back(
                lambda x, values, form=forms[name], pattern=pattern: form(x, values, pattern),
                x,
                values,
            )
        times = dict(zip(runs, medians(list(runs.values()), repeats), strict=True))
        texts = [
            f"{1e3 * times[key]:10.0f}" if key in times else f"{'-':>10}"
            for key in (*((name, 1) for name in forms), *((name, 2) for name in backward))
        ]
        form = "dense" if propagates_dense(x.device, n, n, nnz) else "sparse"
        lost.append(times[form, 2] / min(times["dense", 2], times["sparse", 2]))
        head = f"{n:5} {nnz / n**2:6.3f} {nnz / n:6.1f} {batch:5}"
        print(f"{head}{''.join(texts)}  {form:6} {lost[-1]:5.2f}", flush=True)
    print(f"lost: mean {statistics.geometric_mean(lost):.2f}, most {max(lost):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--nodes", type=int, nargs="+", default=[17, 48, 96, 256, 512, 1024, 2048, 4096]
    )
    parser.add_argument(
        "--densities", type=float, nargs="+", default=[0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0]
    )
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--repeats", type=int, default=7, help="timed runs a form")
    options = parser.parse_args()
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, 128 channels, float32")
    main(options.nodes, options.densities, options.batches, options.repeats)
