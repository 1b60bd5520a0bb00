"""Do networks of several scales start sound, and what do they learn in a small budget?

Run from a clone: ``python -m benchmarks.nn.start``. The task is the temperature on a mesh of 484
nodes from its conductivity and its sources: linear finite elements on a Delaunay mesh, cold at the
rim. Networks learn it from 192 samples; the error is the relative L2 norm on 64 others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import spsolve
from scipy.spatial import Delaunay
from torch import Tensor, nn
from torch_geometric.nn import GraphConv

from multiscale_gcn import as_graph, coarsen
from multiscale_gcn.nn import DenseMap, HierarchyTransfer, MultiScaleGCN
from multiscale_gcn.nn.schedules import u_net

SIDE, TRAIN, TEST, CHANNELS, BATCH = 22, 192, 64, 32, 32
SIZES = (242, 121, 60)
HGN_STAGES = [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2)]
SIX_STAGES = [(0, 1), (0, 1), (0, 1, 2), (0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3)]


@dataclass(frozen=True)
class Heat:
    """Samples of one mesh: conductivity and sources, and the temperature that they make."""

    faces: np.ndarray  # (F, 3)
    x: Tensor  # [S, N, 2], of mean 0 and deviation 1
    y: Tensor  # [S, N, 1], so too
    mean: float  # of the temperature, over its deviation

    def error(self, guess: Tensor) -> float:
        """Relative L2 norm over the test samples, of temperatures as they are."""
        truth = self.y[TRAIN:] + self.mean
        return float((guess - self.y[TRAIN:]).norm() / truth.norm())


def heat(seed: int) -> Heat:
    generator = np.random.default_rng(seed)
    points = np.stack(np.meshgrid(*[np.linspace(0, 1, SIDE)] * 2), axis=-1).reshape(-1, 2)
    rim = (np.abs(points - 0.5) == 0.5).any(axis=1)
    points[~rim] += generator.uniform(-0.3, 0.3, ((~rim).sum(), 2)) / SIDE
    faces = Delaunay(points).simplices
    inside = np.flatnonzero(~rim)
    samples = []
    for _ in range(TRAIN + TEST):
        conductivity = np.exp(1.5 * _smooth_field(points, generator))
        sources = _sources(points, generator)
        stiffness, mass = _elements(points, faces, conductivity)
        temperature = np.zeros(len(points))
        temperature[inside] = spsolve(
            stiffness[np.ix_(inside, inside)].tocsc(), (mass @ sources)[inside]
        )
        samples.append(np.stack([np.log(conductivity), sources, temperature], axis=-1))
    fields = np.array(samples)
    known = fields[:TRAIN]
    mean, deviation = known.mean(axis=(0, 1)), known.std(axis=(0, 1))
    scaled = torch.from_numpy((fields - mean) / deviation).float()
    return Heat(faces, scaled[..., :2], scaled[..., 2:], float(mean[2] / deviation[2]))


def _smooth_field(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Eight waves of random direction and phase, of deviation 1."""
    waves = generator.normal(0, 5, (2, 8))
    phases = generator.uniform(0, 2 * np.pi, 8)
    field: np.ndarray = np.cos(points @ waves + phases).sum(axis=1) / 2
    return field


def _sources(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Six warm spots, of any strength."""
    centres, widths = generator.random((6, 2)), generator.uniform(0.05, 0.15, 6)
    strengths = generator.normal(1, 0.5, 6)
    squares = ((points[:, None] - centres) ** 2).sum(axis=2)
    field: np.ndarray = np.exp(-squares / (2 * widths**2)) @ strengths
    return field


def _elements(
    points: np.ndarray, faces: np.ndarray, conductivity: np.ndarray
) -> tuple[sp.csr_array, sp.csr_array]:
    """Stiffness and mass matrix of linear elements, the conductivity a triangle's mean."""
    corners = points[faces]  # (F, 3, 2)
    opposite = np.roll(corners, -1, axis=1) - np.roll(corners, 1, axis=1)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    factor = conductivity[faces].mean(axis=1) / (4 * area)
    stiff = factor[:, None, None] * (opposite @ opposite.transpose(0, 2, 1))
    mass = area[:, None, None] * (np.ones((3, 3)) + np.eye(3)) / 12
    rows, columns = np.repeat(faces, 3, axis=1).ravel(), np.tile(faces, 3).ravel()
    shape = (len(points), len(points))
    return tuple(
        sp.coo_array((values.ravel(), (rows, columns)), shape=shape).tocsr()
        for values in (stiff, mass)
    )


class PerNode(nn.Sequential):
    """The same three layers at every node, which sees no other."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()),
            *(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)),
        )


class EightGraphConvs(nn.Module):
    """PyTorch Geometric's GraphConv, eight in a row with ReLU between them."""

    def __init__(self, edge_index: Tensor) -> None:
        super().__init__()
        widths = [2, *[CHANNELS] * 7]
        self.register_buffer("edge_index", edge_index)
        self.layers = nn.ModuleList(
            GraphConv(a, b, aggr="mean") for a, b in zip(widths, [*widths[1:], 1], strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x, self.edge_index).relu()
        answer: Tensor = self.layers[-1](x, self.edge_index)
        return answer


def networks(faces: np.ndarray) -> dict[str, Callable[[], nn.Module]]:
    """How each row's network is built."""
    graph = as_graph(faces, num_nodes=SIDE**2, kind="faces")
    hierarchy = coarsen(graph, sizes=SIZES)
    levels = [0, *(hierarchy.level(size).index for size in SIZES)]
    transfer = HierarchyTransfer(hierarchy, levels)

    def scales(stages: Any, count: int = 4, **options: Any) -> nn.Module:
        return MultiScaleGCN(
            [hierarchy[level].graph for level in levels[:count]],
            stages,
            in_channels=2,
            channels=CHANNELS,
            out_channels=[1] + [0] * (count - 1),
            **options,
        )

    edge_index = torch.from_numpy(graph.edge_index())
    return {
        "one scale, six stages": partial(scales, [(0,)] * 6, 1),
        "HGN's stages, sparse": partial(scales, HGN_STAGES, 3, transfer=transfer),
        "four scales, six stages, sparse": partial(scales, SIX_STAGES, transfer=transfer),
        "  started as published": partial(scales, SIX_STAGES, transfer=transfer, start="published"),
        "four scales, six stages, dense": partial(scales, SIX_STAGES),
        "u_net of four scales, sparse": partial(scales, u_net(4, depth=1), transfer=transfer),
        "v_cycle of four scales, sparse": partial(scales, "v_cycle", transfer=transfer),
        "GraphConv of PyG, 8 layers": partial(EightGraphConvs, edge_index),
        "MLP at each node": PerNode,
    }


def answer(network: nn.Module, x: Tensor) -> Tensor:
    made = network(x)
    result: Tensor = made[0] if isinstance(made, tuple) else made
    return result


def parts(network: nn.Module, rate: float) -> list[dict[str, Any]]:
    """Parameters and their rates: a step of Adam moves all weights of a dense row alike."""
    rates = {
        parameter: rate / module.in_features**0.5
        for module in network.modules()
        if isinstance(module, DenseMap)
        for parameter in module.parameters()
    }
    return [{"params": [p], "lr": rates.get(p, rate)} for p in network.parameters()]


def learn(network: nn.Module, task: Heat, steps: int, rate: float) -> tuple[float, float, float]:
    """Deviation of the first answers, first loss, and the error in the end."""
    x, y = task.x[:TRAIN], task.y[:TRAIN]
    with torch.no_grad():
        first = answer(network, x[:BATCH])
    optimizer = torch.optim.Adam(parts(network, rate))
    rates = [group["lr"] for group in optimizer.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps)
    for _ in range(steps):
        batch = torch.randperm(TRAIN)[:BATCH]
        loss = (answer(network, x[batch]) - y[batch]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        error = task.error(answer(network, task.x[TRAIN:]))
    return float(first.std()), float((first - y[:BATCH]).square().mean()), error


def main(steps: int, rate: float, seed: int, only: str) -> None:
    task = heat(seed)
    print(f"{TRAIN} samples, {TEST} to test, {steps} steps of {BATCH}, {CHANNELS} channels")
    print(f"the mean field: error {task.error(task.y[:TRAIN].mean(0).expand(TEST, -1, -1)):.2f}")
    heads = f"{'parameters':>11}{'deviation':>11}{'first loss':>12}{'error':>7}{'s':>6}"
    print(f"{'network':36}{heads}")
    for name, build in networks(task.faces).items():
        if only not in name:
            continue
        torch.manual_seed(seed)
        network = build()
        count = sum(parameter.numel() for parameter in network.parameters())
        start = time.perf_counter()
        deviation, first, error = learn(network, task, steps, rate)
        seconds = time.perf_counter() - start
        print(
            f"{name:36}{count:11}{deviation:11.2f}{first:12.1f}{error:7.2f}{seconds:6.0f}",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    options = parser.parse_args()
    main(options.steps, options.rate, options.seed, options.only)
