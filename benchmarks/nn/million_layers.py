"""Time a step of one graph convolution on a mesh of a million nodes, beside others.

Run from a clone: ``python -m benchmarks.nn.million_layers``, on a GPU with ``--device cuda``. The
mesh is that of ``benchmarks.nn.million``. A step is forward, backward (from a gradient of the
result to the weights and to the features, as in the middle of a network) and SGD. The forms are

- GConv of this library;
- GCNConv of PyTorch Geometric with its normalisation cached, on gathered messages, and on a
  sparse tensor of PyTorch (``SparseTensor`` of ``torch_sparse`` where that is installed is not
  looked at);
- a CSR tensor of PyTorch, which is cuSPARSE on a GPU and MKL on a CPU, and a product.

All have the same weights and answers: the largest difference stands in the last column. Every form
takes its turn in every round; medians, and the ratios to the first.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

from benchmarks.nn.million import triangulated_grid
from multiscale_gcn import Graph
from multiscale_gcn.nn import GConv


class OfCSR(nn.Module):
    """A product with the weights, then one with a CSR tensor."""

    def __init__(self, layer: GConv) -> None:
        super().__init__()
        entries = layer.pattern.entries
        n = entries.num_nodes
        self.matrix = torch.sparse_csr_tensor(
            entries.indptr, entries.columns, layer.adjacency, (n, n)
        )
        self.weight = nn.Parameter(layer.weight[0].detach().clone())
        assert layer.bias is not None
        self.bias = nn.Parameter(layer.bias.detach().clone())

    def forward(
        self,
        x: Tensor,  # [N, C_in]
    ) -> Tensor:  # [N, C_out]
        return self.matrix @ (x @ self.weight) + self.bias


class OfPyG(nn.Module):
    def __init__(self, layer: GConv, graph: Graph, *, sparse: bool) -> None:
        super().__init__()
        self.layer = GCNConv(layer.in_channels, layer.out_channels, cached=True)
        assert layer.bias is not None
        with torch.no_grad():
            self.layer.lin.weight.copy_(layer.weight[0].t())
            self.layer.bias.copy_(layer.bias)
        ends = np.repeat(np.arange(graph.num_nodes), np.diff(graph.indptr))
        edges = torch.from_numpy(np.stack([ends, graph.indices]).astype(np.int64))
        shape = (graph.num_nodes, graph.num_nodes)
        ones = torch.ones(edges.shape[1])
        self.edges = (
            torch.sparse_coo_tensor(edges, ones, shape).to_sparse_csr() if sparse else edges
        )
        self.edges = self.edges.to(layer.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x, self.edges)
        return answer


class OfLibrary(nn.Module):
    def __init__(self, layer: GConv) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x.unsqueeze(0)).squeeze(0)
        return answer


def step_of(form: nn.Module, x: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.SGD(form.parameters(), lr=1e-6)
    gradient = torch.randn_like(x)

    def step() -> None:
        optimizer.zero_grad()
        x.grad = None
        form(x).backward(gradient)
        optimizer.step()

    return step


def seconds(run: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def main(nodes: int, channels: int, rounds: int, device: torch.device) -> None:
    graph = triangulated_grid(math.isqrt(nodes))
    layer = GConv(channels, channels, graph).to(device)
    forms: dict[str, nn.Module] = {
        "GConv": OfLibrary(layer),
        "PyG's GCNConv, messages": OfPyG(layer, graph, sparse=False).to(device),
        "PyG's GCNConv, sparse tensor": OfPyG(layer, graph, sparse=True).to(device),
        "CSR tensor of PyTorch": OfCSR(layer).to(device),
    }
    x = torch.randn(graph.num_nodes, channels, device=device, requires_grad=True)
    with torch.no_grad():
        expected = forms["GConv"](x)
        scale = expected.abs().max()
        off = [float((form(x) - expected).abs().max() / scale) for form in forms.values()]
    runs = {name: step_of(form, x) for name, form in forms.items()}
    times: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            spent = seconds(run, device)
            if turn:
                times[name].append(1e3 * spent)
    print(f"{graph}, {channels} channels: one step" + " " * 8 + "median ms   fastest   ratio  off")
    first = times["GConv"]
    for (name, taken), distance in zip(times.items(), off, strict=True):
        ratio = statistics.median(b / a for a, b in zip(first, taken, strict=True))
        middle = statistics.median(taken)
        print(f"  {name:46}{middle:10.2f}{min(taken):10.2f}{ratio:8.2f}  {distance:.0e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 128])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--tf32", action="store_true", help="allow TF32 in products, on a GPU")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = options.tf32
    torch.manual_seed(0)
    warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")
    name = torch.cuda.get_device_name(options.device) if options.device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    for channels in options.channels:
        main(options.nodes, channels, options.rounds, options.device)
