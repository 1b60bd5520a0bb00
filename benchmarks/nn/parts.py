"""Train a multi-scale network on a mesh of ten million nodes, part by part.

Run from a clone: ``python -m benchmarks.nn.parts --folder FOLDER``, or on several processes by
``torchrun --nproc-per-node 2 -m benchmarks.nn.parts --folder FOLDER``. The mesh is a grid with one
diagonal in every square. Its hierarchy is made in the folder by ``coarsen(..., out=...)``, unless
it is there; features and targets are mapped files beside it. Each step of the optimizer is on one
part of each process.
With ``--shares 16 64`` it tells first how large the halos of so many parts are.

It prints what parts and halos have of the nodes, seconds of each stage, steps and nodes a second,
and the most memory: all that is resident, pages of mapped files included, and without these.
"""

from __future__ import annotations

import argparse
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from multiscale_gcn import Graph, Hierarchy, coarsen
from multiscale_gcn.nn import (
    GConv,
    GraphMLP,
    HierarchyTransfer,
    InParts,
    MultiScaleGCN,
    PartDataset,
    PreNormResidual,
)

ROWS = 256
"""Of the grid, that are written at a time."""
LEVELS = (0, 3, 6)
"""Of the scales: of all nodes, about an 8th and a 64th."""


class Memory:
    """The most that the process had, in GB, looked at every tenth of a second."""

    def __init__(self) -> None:
        self.resident = self.own = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            pages = [int(count) for count in Path("/proc/self/statm").read_text().split()]
            resident, shared = (count * os.sysconf("SC_PAGE_SIZE") / 1e9 for count in pages[1:3])
            self.resident = max(self.resident, resident)
            self.own = max(self.own, resident - shared)
            time.sleep(0.1)


@contextmanager
def told(what: str, rank: int) -> Iterator[None]:
    start = time.perf_counter()
    yield
    if rank == 0:
        print(f"{what:32} {time.perf_counter() - start:8.2f} s", flush=True)


def write_mesh(path: Path, side: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("u", pa.int64()), ("v", pa.int64())])
    with pq.ParquetWriter(path, schema) as writer:
        for low in range(0, side, ROWS):
            high = min(low + ROWS, side)
            ids = np.arange(low * side, min(high + 1, side) * side).reshape(-1, side)
            own = ids[: high - low]
            ends = ((own[:, :-1], own[:, 1:]), (ids[:-1], ids[1:]), (ids[:-1, :-1], ids[1:, 1:]))
            u, v = np.concatenate([np.stack([a.ravel(), b.ravel()]) for a, b in ends], axis=1)
            writer.write_table(pa.table({"u": u, "v": v}, schema=schema))


def write_fields(folder: Path, side: int) -> None:
    """Places and a wave in noise to read, and the wave to find."""
    n = side * side
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (n, 3))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float32, (n, 1))
    rng = np.random.default_rng(0)
    for low in range(0, n, ROWS * side):
        nodes = np.arange(low, min(low + ROWS * side, n))
        row, column = nodes // side / side, nodes % side / side
        wave = np.sin(40 * row) * np.cos(30 * column)
        noise = rng.standard_normal(len(nodes))
        x[nodes] = np.stack([row - 0.5, column - 0.5, wave + noise], axis=1)
        y[nodes, 0] = wave


def build(hierarchy: Hierarchy, channels: int) -> MultiScaleGCN:
    def block(width: int, graph: Graph) -> nn.Module:
        return PreNormResidual(width, [GraphMLP(width, graph, convolution=GConv)])

    return MultiScaleGCN(
        [hierarchy[level].graph for level in LEVELS],
        "v_cycle",
        in_channels=3,
        channels=channels,
        out_channels=[1, 0, 0],
        encoder=[nn.Linear(3, channels), None, None],
        decoder=[nn.Linear(channels, 1), None, None],
        block=block,
        transfer=HierarchyTransfer(hierarchy, LEVELS),
        non_local=False,
    )


def prepare(folder: Path, side: int, memory: str) -> None:
    if not (folder / "x.npy").exists():
        with told("features and targets", 0):
            write_fields(folder, side)
    edges = folder / "edges.parquet"
    if not edges.exists():
        with told("Parquet file of the mesh", 0):
            write_mesh(edges, side)
    with told("hierarchy", 0):
        coarsen(edges, levels=LEVELS[-1] + 2, memory=memory, out=folder / "levels")


def main(options: argparse.Namespace) -> None:
    several = "RANK" in os.environ
    if several:
        dist.init_process_group("gloo")
    rank, count = (dist.get_rank(), dist.get_world_size()) if several else (0, 1)
    folder, side = Path(options.folder), math.isqrt(int(options.nodes))
    folder.mkdir(parents=True, exist_ok=True)
    if rank == 0:
        print(f"torch {torch.__version__}, {count} processes, {torch.get_num_threads()} threads")
        prepare(folder, side, options.memory)
    if several:
        dist.barrier()
    hierarchy = Hierarchy.load(folder / "levels")
    for k in options.shares:
        report_shares(hierarchy, k, options.channels)
    if options.steps:
        train(hierarchy, folder, options, rank, count)
    if several:
        dist.barrier()
        dist.destroy_process_group()


def report_shares(hierarchy: Hierarchy, k: int, channels: int) -> None:
    """Of four parts, evenly chosen."""
    parts = InParts(lambda part: build(part, channels), hierarchy, LEVELS, k).parts
    some = [parts[index] for index in range(0, len(parts), max(1, len(parts) // 4))]
    own, everything = (
        sum(len(array[0]) for array in arrays) / len(some)
        for arrays in ([part.core for part in some], [part.nodes for part in some])
    )
    print(f"k = {k:5}: {own:9.0f} nodes a part, halo {1 - own / everything:.1%} of all", flush=True)


def train(
    hierarchy: Hierarchy, folder: Path, options: argparse.Namespace, rank: int, count: int
) -> None:
    memory = Memory()
    torch.manual_seed(0)
    with told("network", rank):
        network = InParts(
            lambda part: build(part, options.channels), hierarchy, LEVELS, options.parts
        )
    data = PartDataset(network.parts, *(np.load(folder / f"{name}.npy", "r") for name in "xy"))
    sampler: DistributedSampler[PartDataset] = DistributedSampler(data, count, rank)
    loader = DataLoader(data, batch_size=None, sampler=sampler, num_workers=options.workers)
    model = DistributedDataParallel(network) if count > 1 else network
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    if rank == 0:
        numbers = [sum(p.numel() for p in d.values()) for d in (network.shared, network.of_nodes)]
        print(f"{hierarchy[0].num_nodes} nodes, scales {[hierarchy[k].num_nodes for k in LEVELS]}")
        print(f"{network.parts}, {numbers[0]} parameters, {numbers[1]} more of nodes")
    own = everything = steps = 0
    taken = 0.0
    start = since = time.perf_counter()
    worked = time.process_time()
    for part, x, y in loader:
        core = part.core[0].copy()
        waited = time.perf_counter() - since
        taken += waited
        (answer,) = model(part, x[None])
        loss = (answer[0] - y[core]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        own, everything = own + len(core), everything + len(part.nodes[0])
        if rank == 0:
            step = time.perf_counter() - since
            print(f"step {steps}: loss {loss.item():.3f}, {part}, {step:.2f} s", flush=True)
        steps += 1
        if steps == options.steps:
            break
        since = time.perf_counter()
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    print(
        f"process {rank}: {steps} steps in {seconds:.1f} s, {taken:.1f} s of them to take parts, "
        f"{worked:.1f} s of processors; {steps / seconds:.3f} steps/s, {own / seconds:.0f} "
        f"nodes/s; halo {1 - own / everything:.1%} of the nodes; most memory "
        f"{memory.resident:.2f} GB, of that {memory.own:.2f} GB its own",
        flush=True,
    )


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, help="for the mesh and its hierarchy")
    parser.add_argument("--nodes", type=float, default=10e6)
    parser.add_argument("--parts", type=int, default=64)
    parser.add_argument("--steps", type=int, default=8, help="of each process; 0: none")
    parser.add_argument(
        "--shares", type=int, nargs="*", default=[], help="tell the halo of so many parts"
    )
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--workers", type=int, default=0, help="of each process, that make parts")
    parser.add_argument("--memory", default="2GB", help="for coarsening")
    return parser.parse_args(given)


if __name__ == "__main__":
    main(arguments())
