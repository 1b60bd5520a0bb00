"""Time MeshGraphNets' block on a mesh of ten thousand nodes, against its equations as written.

Run from a clone: ``python -m benchmarks.nn.mesh_graph``. "joined" gathers both ends of every edge,
puts them side by side with the edge and adds messages up with ``index_add``, with the same
parameters. It prints the largest difference, the median milliseconds of a step forward, and forward
and backward, and how long PyTorch Geometric's convolutions take as ``convolution=`` on the same
mesh. Gradients are those of the features. Runs take turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch_geometric.nn import GATv2Conv, GraphConv

from benchmarks.nn.layers import leaf, medians, there_and_back
from benchmarks.nn.million import triangulated_grid
from multiscale_gcn import Graph
from multiscale_gcn.nn import GConv, MeshGraphBlock
from multiscale_gcn.nn.layer_checks import made_by


def joined(block: MeshGraphBlock, x: Tensor, edges: Tensor) -> Tensor:
    """The nodes of the next step."""
    i, j = block.edges.receivers, block.edges.senders
    ends = torch.cat([edges, x.index_select(1, i), x.index_select(1, j)], dim=-1)
    edges = edges + block.edge_update(ends)
    total = torch.zeros_like(x).index_add(1, i, edges)
    return x + block.node_update(torch.cat([x, total], dim=-1))


def forward_of(function: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            function(*inputs)

    return run


def report(name: str, runs: dict[str, Callable[[], None]], repeats: int) -> None:
    times = medians(list(runs.values()), repeats)
    columns = ", ".join(f"{form} {t:.0f} ms" for form, t in zip(runs, times, strict=True))
    print(f"{name}: {columns}")


def message_passing(mesh: Graph, batch: int, channels: int, repeats: int) -> None:
    block = MeshGraphBlock(channels, mesh)
    x, edges = leaf(batch, mesh.num_nodes, channels), leaf(batch, block.edges.num_edges, channels)
    forms: dict[str, Callable[..., Tensor]] = {
        "ours": lambda x, edges: block(x, edges)[0],
        "joined": partial(joined, block),
    }
    apart = (forms["ours"](x, edges) - forms["joined"](x, edges)).abs().max().item()
    print(f"largest difference {apart:.1e}")
    name = f"MeshGraphBlock, B={batch}, E={block.edges.num_edges}, C={channels}"
    report(f"{name}, forward", {k: forward_of(f, x, edges) for k, f in forms.items()}, repeats)
    both = {k: there_and_back(f, x, edges) for k, f in forms.items()}
    report(f"{name}, and backward", both, repeats)


def convolutions(mesh: Graph, batch: int, channels: int, repeats: int) -> None:
    x = leaf(batch, mesh.num_nodes, channels)
    kinds = {
        "GConv": GConv,
        "GraphConv of PyTorch Geometric": GraphConv,
        "GATv2Conv of PyTorch Geometric": GATv2Conv,
    }
    runs = {k: there_and_back(made_by(c, channels, channels, mesh), x) for k, c in kinds.items()}
    report(f"convolutions, B={batch}, C={channels}, and backward", runs, repeats)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=100, help="nodes on a side of the mesh")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5, help="timed runs a form")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    mesh = triangulated_grid(arguments.side)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {mesh}")
    sizes = (mesh, arguments.batch, arguments.channels, arguments.repeats)
    message_passing(*sizes)
    convolutions(*sizes)
