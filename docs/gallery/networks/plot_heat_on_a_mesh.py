"""
Heat on a mesh
==============

A network learns what finite elements compute: the temperature of a plate from its heaters and from
how well each place conducts. Heat leaves at one edge alone, so every place depends on all the way
there, and a network of a few layers needs coarse scales to know of it. You need the extra
``flow``, which brings scikit-fem.
"""

import time
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import skfem
import torch
from skfem.helpers import dot, grad

from multiscale_gcn import as_graph, coarsen
from multiscale_gcn.nn import GConv, HierarchyTransfer, MultiScaleGCN

# %%
# Simulations
# -----------
#
# An L-shaped plate, cold at the end of one arm and insulated all around. Each sample has a
# conductivity and some heaters of its own; scikit-fem assembles the matrices, and a direct solver
# finds the temperature.

square = skfem.MeshTri.init_tensor(np.linspace(-1, 1, 23), np.linspace(-1, 1, 23))
middles = square.p[:, square.t].mean(axis=1)
mesh = square.remove_elements(np.flatnonzero((middles > 0).all(axis=0))).smoothed()
basis = skfem.Basis(mesh, skfem.ElementTriP1())
points, triangles = mesh.p.T, mesh.t.T
cold = np.flatnonzero(np.isclose(points[:, 1], 1))  # the end of one arm


@skfem.BilinearForm
def conduction(u: Any, v: Any, w: Any) -> Any:
    return w.conductivity * dot(grad(u), grad(v))


@skfem.LinearForm
def heating(v: Any, w: Any) -> Any:
    return w.heat * v


def simulate(rng: np.random.Generator) -> np.ndarray:
    """Logarithm of the conductivity, heat, temperature; shape (n, 3)."""
    waves, phases = rng.normal(0, 2.5, (2, 6)), rng.uniform(0, 2 * np.pi, 6)
    logarithm = np.cos(points @ waves + phases).sum(axis=1) * 0.4
    centres = points[rng.choice(len(points), 4)]
    away = ((points[:, None] - centres) ** 2).sum(axis=2)
    heat = np.exp(-away / (2 * 0.15**2)) @ rng.uniform(0, 1, 4)
    A = conduction.assemble(basis, conductivity=np.exp(logarithm))
    b = heating.assemble(basis, heat=heat)
    return np.stack([logarithm, heat, skfem.solve(*skfem.condense(A, b, D=cold))], axis=1)


TRAIN, TEST = 128, 32
began = time.perf_counter()
rng = np.random.default_rng(0)
fields = np.array([simulate(rng) for _ in range(TRAIN + TEST)])
deviation = fields[:TRAIN].std(axis=(0, 1))
scaled = torch.tensor(fields / deviation, dtype=torch.float32)
is_cold = torch.zeros(len(points), 1)
is_cold[cold] = 1
x = torch.cat([scaled[..., :2], is_cold.expand(TRAIN + TEST, -1, -1)], dim=2)
y = scaled[..., 2:]
print(f"{TRAIN + TEST} simulations on {len(points)} nodes in {time.perf_counter() - began:.1f} s")

# %%
# Scales of the mesh
# ------------------
#
# :func:`~multiscale_gcn.coarsen` takes the triangles and the sizes. The colours say which node of
# the coarsest scale each place belongs to.

hierarchy = coarsen(as_graph(triangles, kind="faces"), sizes=[120, 40, 12])
levels = [0, *(hierarchy.level(size).index for size in (120, 40, 12))]

figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
for panel, level in zip(axes, levels, strict=True):
    places = hierarchy.coarse_positions(points, level)
    i, j = hierarchy[level].graph.edge_index()
    lines = np.stack([places[i], places[j], np.full((len(i), 2), np.nan)], axis=1).reshape(-1, 2)
    panel.plot(*lines.T, color="0.7", linewidth=0.6, zorder=0)
    panel.scatter(
        *places.T, c=hierarchy.parent(level, levels[-1]), cmap="tab20", s=4 * 2**level**0.7
    )
    panel.set_title(f"{len(places)} nodes")
    panel.set_aspect("equal")
    panel.set_axis_off()

# %%
# A network
# ---------
#
# :class:`~multiscale_gcn.nn.MultiScaleGCN` as a V: down from scale to scale and up again, with two
# of its seven blocks on the mesh. Beside it, four blocks on the mesh alone. Where it is cold the
# temperature is known.

graphs = [hierarchy[level].graph for level in levels]


def several() -> torch.nn.Module:
    return MultiScaleGCN(
        graphs,
        "v_cycle",
        in_channels=3,
        channels=16,
        out_channels=[1, 0, 0, 0],
        convolution=GConv,
        transfer=HierarchyTransfer(hierarchy, levels),
    )


def one() -> torch.nn.Module:
    return MultiScaleGCN(
        graphs[:1],
        [(0,)] * 4,
        in_channels=3,
        channels=16,
        out_channels=1,
        convolution=GConv,
    )


def predict(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    (answer,) = network(x)
    result: torch.Tensor = answer * (1 - is_cold)
    return result


def train(network: torch.nn.Module) -> None:
    optimizer = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-2, total_steps=STEPS + 1)
    for _ in range(STEPS):
        some = torch.randint(TRAIN, (8,))
        loss = (predict(network, x[some]) - y[some]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


STEPS = 200
errors, answers = {}, {}
for name, make in {"one scale": one, "four scales": several}.items():
    torch.manual_seed(0)
    network = make()
    began = time.perf_counter()
    train(network)
    seconds = time.perf_counter() - began
    network.eval()
    with torch.no_grad():
        answers[name] = predict(network, x[TRAIN:])
    errors[name] = float((answers[name] - y[TRAIN:]).norm() / y[TRAIN:].norm())
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{name}: error {errors[name]:.1%}, {parameters} parameters, {seconds:.1f} s")
mean = y[:TRAIN].mean(dim=0).expand(TEST, -1, -1)
print(f"the mean field: error {float((mean - y[TRAIN:]).norm() / y[TRAIN:].norm()):.1%}")

# %%
# Truth, prediction, error
# ------------------------
#
# The test sample at which the network of one scale is neither good nor bad: the median of its
# errors.

off = {name: (answer - y[TRAIN:]).norm(dim=(1, 2)) for name, answer in answers.items()}
chosen = int(off["one scale"].argsort()[TEST // 2])
truth = y[TRAIN + chosen, :, 0].numpy()
most = float(truth.max())

figure, axes = plt.subplots(2, 3, figsize=(10, 6.4), layout="constrained")
conductivity, heat = np.exp(fields[TRAIN + chosen, :, 0]), fields[TRAIN + chosen, :, 1]
axes[0, 0].tripcolor(*points.T, triangles, conductivity, shading="gouraud")
axes[0, 0].tricontour(*points.T, triangles, heat, colors="white", linewidths=1)
axes[0, 0].set_title("conductivity, and the heaters in white")
axes[1, 0].tripcolor(*points.T, triangles, truth, shading="gouraud", cmap="inferno")
axes[1, 0].set_title("truth: finite elements")
for row, (name, answer) in zip(axes, answers.items(), strict=True):
    found = answer[chosen, :, 0].numpy()
    pictures = [
        (row[1], found, {"cmap": "inferno", "vmin": 0, "vmax": most}, name),
        (row[2], found - truth, {"cmap": "RdBu_r", "vmin": -most, "vmax": most}, "its error"),
    ]
    for panel, values, options, title in pictures:
        panel.tripcolor(*points.T, triangles, values, shading="gouraud", **options)
        panel.set_title(title)
for panel in axes.flat:
    panel.set_aspect("equal")
    panel.set_axis_off()

# %%
# This is one seed, and a small one: enough to see that scales matter where heat goes far.
#
# What to read next
# -----------------
#
# - :doc:`/mesh-flow` steps through time: heat in a flow, on a larger mesh, against MeshGraphNets.
# - :doc:`/networks` has the other schedules, and a table of the same kind for nine networks.
# - :doc:`/mesh-network` begins with a mesh of your own, from a file.
