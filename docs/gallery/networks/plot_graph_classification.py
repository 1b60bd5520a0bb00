"""
Classes of graphs: three ways to pool
=====================================

One warm patch, or two? A network names the class of a whole graph. Between its layers the graph is
made smaller: by the levels of ``Coarsen``, by TopKPooling, by EdgePooling, or not at all. All run
from the extra ``pyg`` alone.
"""

import time
from typing import Any

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import (
    EdgePooling,
    GraphConv,
    TopKPooling,
    global_max_pool,
    global_mean_pool,
)

from multiscale_gcn import CentroidalClusters
from multiscale_gcn.pyg import Coarsen, Pool

# %%
# A synthetic problem
# -------------------
#
# Made for this page, so that a coarse graph helps. A graph has eight groups of people who mostly
# know each other, and some who know somebody of another group. Which groups are in touch makes the
# class: a ring, a star, or two rows of four side by side. How many know each other differs from
# graph to graph, so to count is not enough. The features of a person are 1 and the number of
# acquaintances.

GROUPS, MEMBERS = 8, 5
SHAPES = {
    "ring": nx.cycle_graph(GROUPS),
    "star": nx.star_graph(GROUPS - 1),
    "ladder": nx.convert_node_labels_to_integers(nx.ladder_graph(GROUPS // 2)),
}


def one_graph(number: int, rng: np.random.Generator) -> Data:
    shape = list(SHAPES.values())[number % len(SHAPES)]
    group = np.repeat(np.arange(GROUPS), MEMBERS)
    know = (group[:, None] == group) & (
        rng.random((len(group), len(group))) < rng.uniform(0.5, 0.9)
    )
    know[np.arange(len(group) - 1), np.arange(1, len(group))] |= group[:-1] == group[1:]
    for a, b in shape.edges:
        for _ in range(rng.integers(1, 4)):
            know[a * MEMBERS + rng.integers(MEMBERS), b * MEMBERS + rng.integers(MEMBERS)] = True
    know = np.triu(know | know.T, 1)
    know |= know.T
    order = rng.permutation(len(group))
    know = know[np.ix_(order, order)]
    degree = know.sum(axis=1)
    return Data(
        x=torch.tensor(np.stack([np.ones(len(know)), degree / 5], axis=1), dtype=torch.float32),
        edge_index=torch.from_numpy(np.stack(np.nonzero(know))),
        y=torch.tensor([number % len(SHAPES)]),
    )


coarsened = Coarsen(sizes=[GROUPS], method=CentroidalClusters())
rng = np.random.default_rng(0)
train = [coarsened(one_graph(number, rng)) for number in range(84)]
test = [coarsened(one_graph(number, rng)) for number in range(120)]

# %%
# The networks
# ------------
#
# Two convolutions, a pooling to about as many nodes as there are groups, two convolutions, then
# the mean and the maximum over all nodes. TopKPooling learns a score of nodes and keeps the best.
# EdgePooling learns a score of edges and merges their ends, which leaves about half of the nodes,
# so it comes twice; it goes through the edges in Python, which takes time. The level of
# ``Coarsen`` was made before, from the graph alone, and none of it is learned.


class Network(torch.nn.Module):
    def __init__(self, pooling: str) -> None:
        super().__init__()
        self.pooling = pooling
        widths = [2, CHANNELS, CHANNELS, CHANNELS]
        self.layers = torch.nn.ModuleList(GraphConv(width, CHANNELS) for width in widths)
        self.norms = torch.nn.ModuleList(torch.nn.BatchNorm1d(CHANNELS) for _ in widths)
        pools = {
            "Coarsen": [Pool(0)],
            "TopKPooling": [TopKPooling(CHANNELS, ratio=1 / MEMBERS)],
            "EdgePooling": [EdgePooling(CHANNELS) for _ in range(2)],
        }
        self.pools = torch.nn.ModuleList(pools.get(pooling, []))
        self.decide = torch.nn.Linear(2 * CHANNELS, len(SHAPES))

    def forward(self, data: Data) -> torch.Tensor:
        x, edges, batch = data.x, data.edge_index, data.batch
        for place, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            if place == 2:
                x, edges, batch = self.pooled(x, edges, batch, data)
            x = norm(layer(x, edges)).relu()
        whole = torch.cat([global_mean_pool(x, batch), global_max_pool(x, batch)], dim=1)
        answer: torch.Tensor = self.decide(whole)
        return answer

    def pooled(self, x: torch.Tensor, edges: torch.Tensor, batch: torch.Tensor, data: Data) -> Any:
        for pool in self.pools:
            if self.pooling == "Coarsen":
                x, edges, batch = pool(x, data), data.edge_index_1, data.batch_1
            elif self.pooling == "TopKPooling":
                x, edges, _, batch, _, _ = pool(x, edges, batch=batch)
            else:
                x, edges, batch, _ = pool(x, edges, batch)
        return x, edges, batch


def accuracy(network: torch.nn.Module) -> float:
    """The share of test graphs that it names right, after training."""
    optimizer = torch.optim.Adam(network.parameters())
    steps = EPOCHS * len(train) // 12
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=steps + 1)
    for _ in range(EPOCHS):
        for data in DataLoader(train, batch_size=12, shuffle=True):
            loss = cross_entropy(network(data), data.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        data = next(iter(DataLoader(test, batch_size=len(test))))
        return float((network(data).argmax(dim=1) == data.y).float().mean())


CHANNELS, EPOCHS, SEEDS = 16, 12, 3
shares = {}
print("right of the test graphs: mean over seeds, least and most; seconds a run")
for name in ("no pooling", "TopKPooling", "EdgePooling", "Coarsen"):
    began, found = time.perf_counter(), []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        found.append(accuracy(Network(name)))
    shares[name] = found
    seconds = (time.perf_counter() - began) / SEEDS
    print(f"{name:12} {np.mean(found):6.1%} {min(found):6.1%} {max(found):6.1%} {seconds:5.1f} s")

# %%
# What came out
# -------------
#
# Each dot is a seed; the line is a guess. The levels of ``Coarsen`` are made for such graphs: they
# merge those who know each other, so a node of the level is mostly a group, and the level is the
# shape. A problem whose answer lies in single nodes would favour those that choose nodes. The
# training is short, and a longer one would change all rows.

figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
for place, (name, found) in enumerate(shares.items()):
    axes.barh(place, np.mean(found), color="tab:orange" if name == "Coarsen" else "0.8")
    axes.plot(found, [place] * len(found), "o", color="0.3", markersize=4)
axes.axvline(1 / len(SHAPES), color="0.5", linestyle=":")
axes.set_yticks(range(len(shares)), list(shares))
axes.set(xlim=(0, 1), xlabel="share of the test graphs that are named right")

# %%
# One graph of each class, coloured by the eight nodes of its level.

figure, panels = plt.subplots(1, len(SHAPES), figsize=(11, 3.8), layout="constrained")
for number, (panel, name) in enumerate(zip(panels, SHAPES, strict=True)):
    data = test[number]
    people = nx.Graph(data.edge_index.T.tolist())
    spots = nx.spring_layout(people, seed=0, iterations=200)
    nx.draw_networkx_edges(people, spots, ax=panel, edge_color="0.8")
    colour = data.parent_0[list(people)].numpy()
    nx.draw_networkx_nodes(people, spots, ax=panel, node_color=colour, cmap="tab10", node_size=45)
    panel.set_title(name)
    panel.set_axis_off()

# %%
# What to read next
# -----------------
#
# - :doc:`/pyg` has the transform, and a network that goes down and up again.
# - :doc:`/poolings` has other ways to make levels, and what they keep.
# - :class:`~multiscale_gcn.pyg.Pool` says which means and sums it takes.
