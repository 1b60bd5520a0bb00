"""
Classes of graphs: three ways to pool
=====================================

One warm patch, or two? A network names the class of a whole graph. Between its layers the graph is
made smaller: by the levels of ``Coarsen``, by TopKPooling, by EdgePooling, or not at all. All run from the extra ``pyg`` alone.
"""

import time

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import EdgePooling, GraphConv, TopKPooling, global_max_pool, global_mean_pool

from multiscale_gcn.pyg import Coarsen, Pool

# %%
# A synthetic problem
# -------------------
#
# Made for this page, so that a coarse graph helps. A graph has eight groups of seven people who mostly know each other, and
# some who know somebody of another group. Which groups are in touch makes the class: a ring, a
# star, or two rows of four side by side. How many know each other differs from graph to graph, so counting edges does not help
# much. The features of a person are 1 and the number of acquaintances.

GROUPS, MEMBERS = 8, 7
SHAPES = {
    "ring": nx.cycle_graph(GROUPS),
    "star": nx.star_graph(GROUPS - 1),
    "ladder": nx.convert_node_labels_to_integers(nx.ladder_graph(GROUPS // 2)),
}


def one_graph(number: int, rng: np.random.Generator) -> Data:
    shape = list(SHAPES.values())[number % len(SHAPES)]
    group = np.repeat(np.arange(GROUPS), MEMBERS)
    know = (group[:, None] == group) & (rng.random((len(group), len(group))) < rng.uniform(0.5, 0.9))
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


coarsened = Coarsen(sizes=[GROUPS])
rng = np.random.default_rng(0)
train = [coarsened(one_graph(number, rng)) for number in range(120)]
test = [coarsened(one_graph(number, rng)) for number in range(120)]

# %%
# The networks
# ------------
#
# Two convolutions, a pooling, two convolutions, and a mean and a maximum over what is left. TopKPooling
# learns a score and keeps the fifth of the nodes that have the best. EdgePooling learns scores of
# edges and merges their ends, half of the nodes at a time, so it comes twice. The levels of ``Coarsen`` are those of the graph, and each
# node of theirs stands for about five.


class Network(torch.nn.Module):
    def __init__(self, pooling: str, channels: int = 16) -> None:
        super().__init__()
        widths = [2, channels, channels, channels]
        self.layers = torch.nn.ModuleList(
            torch.nn.ModuleList([GraphConv(n, channels, aggr="add"), torch.nn.LayerNorm(channels)]) for n in widths
        )
        self.pooling = pooling
        if pooling == "TopKPooling":
            self.pools = torch.nn.ModuleList([TopKPooling(channels, ratio=0.125)])
        elif pooling == "EdgePooling":
            self.pools = torch.nn.ModuleList(EdgePooling(channels) for _ in range(3))
        else:
            self.pools = torch.nn.ModuleList([Pool(0, kind="mean")])
        self.decide = torch.nn.Sequential(
            torch.nn.Linear(2 * channels, channels), torch.nn.ReLU(), torch.nn.Linear(channels, 3)
        )

    def forward(self, data: Data) -> torch.Tensor:
        x, edges, batch = data.x, data.edge_index, data.batch
        for layer, norm in self.layers[:2]:
            x = norm(layer(x, edges)).relu()
        if self.pooling == "Coarsen":
            x = self.pools[0](x, data)
            edges, batch = data.edge_index_1, data.batch_1
        elif self.pooling == "TopKPooling":
            x, edges, _, batch, _, _ = self.pools[0](x, edges, batch=batch)
        elif self.pooling == "EdgePooling":
            for pool in self.pools:
                x, edges, batch, _ = pool(x, edges, batch)
        for layer, norm in self.layers[2:]:
            x = norm(layer(x, edges)).relu()
        answer: torch.Tensor = self.decide(
            torch.cat([global_mean_pool(x, batch), global_max_pool(x, batch)], dim=1)
        )
        return answer


def accuracy(pooling: str, seed: int) -> float:
    torch.manual_seed(seed)
    network = Network(pooling)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(10):
        for data in DataLoader(train, batch_size=12, shuffle=True):
            loss = cross_entropy(network(data), data.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        data = next(iter(DataLoader(test, batch_size=len(test))))
        return float((network(data).argmax(dim=1) == data.y).float().mean())


results = {}
for pooling in ("none", "TopKPooling", "EdgePooling", "Coarsen"):
    began = time.perf_counter()
    results[pooling] = [accuracy(pooling, seed) for seed in range(3)]
    seconds = (time.perf_counter() - began) / 3
    print(f"{pooling:12} {np.mean(results[pooling]):.1%} right, +- {np.std(results[pooling]):.1%}; {seconds:.1f} s")
