"""
The fingers of a hand, from a cloud of points
=============================================

Each cloud of points becomes a graph of nearest neighbours with a hierarchy of its own, a
DataLoader puts them into batches, and a network says for each point whether it is of the palm or
of which finger. A network that sees a few neighbours cannot tell one finger from the next; coarse
levels show it the hand. You need the extra ``pyg``.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import SAGEConv

from multiscale_gcn.pyg import Coarsen, MultiScaleNet, Pool

# %%
# Hands
# -----
#
# They are made here: capsules for the bones of the fingers, a box for the palm, bent at random,
# tilted and turned, and seen with noise. Most of their points are lost.

PARTS = ("palm", "thumb", "index", "middle", "ring", "little")
ROOTS = np.array([[-3.6, 2.0, 0], [-2.8, 8.0, 0], [-0.9, 8.5, 0], [1.0, 8.2, 0], [2.8, 7.4, 0]])
LENGTHS = np.array([[3.6, 3.0], [3.6, 3.4], [4.0, 3.8], [3.7, 3.5], [2.8, 2.7]])  # centimetres
SPREAD = np.radians([48, 10, 2, -7, -16])
POINTS, EPOCHS = 200, 10


def turned_by(rng: np.random.Generator) -> np.ndarray:
    """A rotation: by up to 60 degrees in the plane of the picture, by up to 30 out of it."""
    angles = rng.uniform((-60, -30, -30), (60, 30, 30))
    return Rotation.from_euler("zyx", angles, degrees=True).as_matrix()


def hand(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of a hand, centimetres, and the part that each belongs to."""
    palm = rng.uniform((-3.7, 0, -1), (3.7, 8, 1), (900, 3))
    points, parts = [palm], [np.zeros(len(palm), np.int64)]
    for finger, (root, lengths, spread) in enumerate(zip(ROOTS, LENGTHS, SPREAD, strict=True), 1):
        turned = spread + rng.normal(0, 0.06)
        bend, start = rng.uniform(0.0, 0.9), root
        for bone, length in enumerate(lengths):
            angle = bend * (bone + 0.5)
            along = np.array(
                [-np.sin(turned) * np.cos(angle), np.cos(turned) * np.cos(angle), -np.sin(angle)]
            )
            place = start + rng.uniform(0, length, (160, 1)) * along
            around = rng.normal(size=place.shape)
            points.append(place + 0.8 * around / np.linalg.norm(around, axis=1, keepdims=True))
            parts.append(np.full(len(place), finger))
            start = start + length * along
    everything, part = np.concatenate(points), np.concatenate(parts)
    kept = rng.choice(len(everything), POINTS, replace=False)
    seen = (everything[kept] + rng.normal(0, 0.1, (POINTS, 3))) @ turned_by(rng).T
    return seen - seen.mean(axis=0), part[kept]


# %%
# From a cloud to a graph with levels
# -----------------------------------
#
# Eight neighbours, in both directions, and nearer ones weigh more, so that they merge first.
# :class:`~multiscale_gcn.pyg.Coarsen` gives each cloud two coarser levels of its own.

coarsened = Coarsen(ratio=[0.2, 0.2])


def cloud(seed: int) -> Data:
    points, part = hand(np.random.default_rng(seed))
    distance, neighbour = cKDTree(points).query(points, k=9)
    edges = np.stack([np.repeat(np.arange(POINTS), 8), neighbour[:, 1:].ravel()])
    both = np.concatenate([edges, edges[::-1]], axis=1)
    twice = np.tile(distance[:, 1:].ravel(), 2)
    once, first = np.unique(both, axis=1, return_index=True)
    return coarsened(
        Data(
            x=torch.tensor(points / 5, dtype=torch.float32),
            edge_index=torch.from_numpy(once),
            edge_weight=torch.tensor(1 / (0.1 + twice[first]), dtype=torch.float32),
            y=torch.from_numpy(part),
        )
    )


began = time.perf_counter()
clouds = [cloud(seed) for seed in range(160)]
test = [cloud(seed) for seed in range(1000, 1040)]
print(f"{len(clouds) + len(test)} clouds and their levels in {time.perf_counter() - began:.1f} s")
print("points of each level:", *clouds[0].level_sizes[0].tolist())
batch = next(iter(DataLoader(clouds, batch_size=8)))
print("a batch of 8 clouds:", batch.num_nodes, "points,", len(batch.parent_1), "nodes on level 1")

# %%
# One hand, and its levels. Each node lies amid the points that it stands for.

one = test[0]
places = [one.x]
for below in range(2):
    places.append(Pool(below)(places[-1], one))
figure = plt.figure(figsize=(11, 4), layout="constrained")
for level, place in enumerate(places):
    axes = figure.add_subplot(1, 3, level + 1, projection="3d", elev=70, azim=-90)
    i, j = one.edge_index if level == 0 else one[f"edge_index_{level}"]
    lines = torch.stack([place[i], place[j], torch.full_like(place[i], torch.nan)], dim=1)
    axes.plot(*lines.reshape(-1, 3).T.numpy(), color="0.75", linewidth=0.5)
    axes.scatter(*place.T.numpy(), c="tab:blue", s=6 * 3**level, depthshade=False)
    axes.set_title(f"{len(place)} nodes")
    axes.set_aspect("equal")
    axes.set_axis_off()

# %%
# A network on all levels
# -----------------------
#
# :class:`~multiscale_gcn.pyg.MultiScaleNet` is a U over the levels. Beside it stands a network of
# three layers of the same kind and width on the points alone. All of it three times, with three
# seeds.


class OneScale(torch.nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encode = torch.nn.Linear(3, channels)
        self.layers = torch.nn.ModuleList(SAGEConv(channels, channels) for _ in range(3))
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(channels) for _ in range(3))
        self.decode = torch.nn.Linear(channels, len(PARTS))

    def forward(self, data: Data, x: torch.Tensor) -> torch.Tensor:
        x = self.encode(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(x + layer(x, data.edge_index).relu())
        answer: torch.Tensor = self.decode(x)
        return answer


def train(network: torch.nn.Module, seed: int) -> torch.Tensor:
    """The part that it names for each point of the test clouds, in the end."""
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters())
    steps = EPOCHS * len(clouds) // 8
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.02, total_steps=steps + 1)
    for _ in range(EPOCHS):
        for data in DataLoader(clouds, batch_size=8, shuffle=True):
            loss = cross_entropy(network(data, data.x), data.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        answer: torch.Tensor = network(tested, tested.x).argmax(dim=1)
    return answer


tested = next(iter(DataLoader(test, batch_size=len(test))))
named: dict[str, list[torch.Tensor]] = {"points alone": [], "three levels": []}
for seed in range(3):
    torch.manual_seed(seed)
    networks = OneScale(24), MultiScaleNet(3, 24, len(PARTS), levels=2, depth=1)
    for answers, network in zip(named.values(), networks, strict=True):
        answers.append(train(network, seed))

print(f"all palm: {(tested.y == 0).float().mean():.1%} of the points right")
for name, answers in named.items():
    shares = [float((answer == tested.y).float().mean()) for answer in answers]
    print(f"{name}: {np.mean(shares):.1%} right, from {min(shares):.1%} to {max(shares):.1%}")

# %%
# Two of the test hands, with what the networks of the first seed say.

figure, axes = plt.subplots(2, 3, figsize=(10, 6.6), layout="constrained")
columns = {"truth": tested.y, **{name: answers[0] for name, answers in named.items()}}
for row, panels in enumerate(axes):
    points = test[row].x.numpy()
    for panel, (name, part) in zip(panels, columns.items(), strict=True):
        shown = panel.scatter(
            points[:, 0], points[:, 1], c=part[tested.batch == row], cmap="Set1", vmax=8, s=18
        )
        panel.set_title(name)
        panel.set_aspect("equal")
        panel.set_axis_off()
handles = shown.legend_elements(num=list(range(len(PARTS))))[0]
figure.legend(handles, PARTS, loc="outside lower center", ncols=len(PARTS), frameon=False)

# %%
# What to read next
# -----------------
#
# - :doc:`/pyg` has the transform, the layers, and how to coarsen a data set once.
# - :doc:`/poolings` has farthest points and voxels, which choose points in place of merging them.
# - :doc:`/mesh-network` is for one mesh with many signals on it.
