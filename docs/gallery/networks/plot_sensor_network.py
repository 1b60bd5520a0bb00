"""
A network of sensors
====================

Stations measure the temperature every hour, and some of them are silent. A network says what all
of them will measure in six hours. One scale against two, several seeds: here both come out about
alike, and the page says why. You need the extra ``torch``.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.spatial import Delaunay

from multiscale_gcn import as_graph, coarsen
from multiscale_gcn.nn import GConv, HierarchyTransfer, MultiScaleGCN

# %%
# Synthetic weather
# -----------------
#
# Made here, and simpler than weather is: warm and cold air that keeps its shape, in a wind that
# turns slowly and is the same everywhere. The hour of the day comes on top, and each station has
# an error of its own.

STATIONS, PAST, AHEAD, HOURS = 160, 3, 6, 1600
rng = np.random.default_rng(0)
places = rng.random((STATIONS, 2)) * 1000  # km
waves = rng.normal(0, 2 * np.pi / 2500, (2, 40))  # per km
phases, sizes = rng.uniform(0, 2 * np.pi, 40), rng.normal(0, 1, 40)
direction = np.cumsum(rng.normal(0, 0.05, HOURS))
speed = 25 + 10 * np.sin(np.arange(HOURS) / 60)  # km an hour
moved = np.cumsum(np.stack([np.cos(direction), np.sin(direction)], axis=1) * speed[:, None], axis=0)
air = np.cos((places - moved[:, None]) @ waves + phases) @ sizes  # [HOURS, STATIONS]
day = 3 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
measured = 10 + air + day[:, None] + rng.normal(0, 0.5, air.shape)
print(f"temperatures: mean {measured.mean():.1f}, deviation {measured.std():.1f} degrees")

# %%
# Stations as a weighted graph
# ----------------------------
#
# Stations beside each other are joined, and near ones weigh more: a Gauss curve of the distance.
# The coarse scale has an eighth of the nodes, each a region of about eight stations.

triangles = Delaunay(places).simplices
pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
pairs = np.unique(np.sort(pairs, axis=1), axis=0)
distance = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
near = distance < 250
graph = as_graph(
    pairs[near].T,
    weights=np.exp(-((distance[near] / 100) ** 2)),
    num_nodes=STATIONS,
    symmetrize=True,
)
hierarchy = coarsen(graph, sizes=[20])
coarse = len(hierarchy) - 1

figure, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
for panel, level, size in zip(axes, (0, coarse), (25, 160), strict=True):
    spots = hierarchy.coarse_positions(places, level)
    i, j = hierarchy[level].graph.edge_index()
    for a, b in zip(i, j, strict=True):
        panel.plot(*spots[[a, b]].T, color="0.8", linewidth=0.8, zorder=0)
    panel.scatter(*spots.T, c=hierarchy.parent(level, coarse), cmap="tab20", s=size)
    panel.set_title(f"{len(spots)} " + ("stations" if level == 0 else "regions"))
    panel.set_aspect("equal")
    panel.set_axis_off()

# %%
# Forecast
# --------
#
# A network sees the last three hours of the stations that are heard, which ones these are, and the
# hour of the day. A third of the stations is silent by chance, and all within 300 km of some place
# are, where a storm has cut the lines. It learns from the first 60 percent of the time and is
# measured on the last quarter.

starts = np.arange(PAST, HOURS - AHEAD)
hour = 2 * np.pi * starts / 24
clock = np.stack([np.sin(hour), np.cos(hour)], axis=1)[:, None, :].repeat(STATIONS, axis=1)
storm = rng.random((len(starts), 1, 2)) * 1000
silent = np.linalg.norm(places - storm, axis=2) < 300
silent |= rng.random(silent.shape) < 1 / 3
heard = ~silent[..., None]
history = np.stack([measured[starts - k] for k in range(PAST)], axis=2)
inputs = np.concatenate([(history - 10) / 5 * heard, heard, clock], axis=2)
x = torch.tensor(inputs, dtype=torch.float32)
y = torch.tensor((measured[starts + AHEAD][..., None] - 10) / 5, dtype=torch.float32)
known, later = np.arange(int(0.6 * len(x))), np.arange(int(0.75 * len(x)), len(x))


def network(scales: int) -> MultiScaleGCN:
    levels = [0, coarse][:scales]
    return MultiScaleGCN(
        [hierarchy[level].graph for level in levels],
        "v_cycle" if scales == 2 else [(0,)] * 3,
        in_channels=PAST + 3,
        channels=16,
        out_channels=[1, 0][:scales],
        convolution=GConv,
        transfer=HierarchyTransfer(hierarchy, levels) if scales == 2 else None,
    )


def forecast(scales: int, seed: int) -> np.ndarray:
    """Of the last quarter, degrees."""
    torch.manual_seed(seed)
    model = network(scales)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=STEPS + 1)
    for _ in range(STEPS):
        some = known[torch.randint(len(known), (16,))]
        (answer,) = model(x[some])
        loss = (answer - y[some]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        (answer,) = model(x[later])
    result: np.ndarray = answer[..., 0].numpy() * 5 + 10
    return result


STEPS = 120
truth = measured[starts[later] + AHEAD]
unheard = silent[later]


def error(found: np.ndarray) -> tuple[float, float]:
    """Degrees, root of the mean square: of all stations, and of those that were silent."""
    squares = (found - truth) ** 2
    return float(np.sqrt(squares.mean())), float(np.sqrt(squares[unheard].mean()))


same_hour = [(starts[known] + AHEAD) % 24 == hour for hour in range(24)]
usual = np.array([measured[starts[known] + AHEAD][chosen].mean() for chosen in same_hour])
rows = {
    "what is usual at that hour": [error(usual[(starts[later] + AHEAD) % 24][:, None] + 0 * truth)]
}
rows["as it is, silent or not"] = [error(measured[starts[later]])]
forecasts = {}
for scales, name in ((1, "one scale"), (2, "two scales")):
    began = time.perf_counter()
    forecasts[name] = [forecast(scales, seed) for seed in range(3)]
    rows[name] = [error(found) for found in forecasts[name]]
    print(f"{name}: {(time.perf_counter() - began) / 3:.1f} s to train")
print("degrees:                    all stations         silent ones")
for name, errors in rows.items():
    both = np.array(errors)
    middle, spread = both.mean(axis=0), both.std(axis=0)
    print(
        f"{name:26}"
        + "".join(f"  {m:5.2f} +- {d:4.2f}      " for m, d in zip(middle, spread, strict=True))
    )

# %%
# The three blocks of a network are eight steps from neighbour to neighbour. On so few stations
# that reaches nearly everywhere, so the coarse scale has little to add. It begins to pay where
# what a node must know lies farther away than the layers reach, as in :doc:`plot_heat_on_a_mesh`.
#
# One forecast: what comes, what was known, and what both say.

hour_shown = len(later) // 2
shown = {
    "known now": np.where(unheard[hour_shown], np.nan, measured[starts[later[hour_shown]]]),
    "truth in six hours": truth[hour_shown],
    **{name: found[0][hour_shown] for name, found in forecasts.items()},
}
figure, axes = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
for panel, (name, values) in zip(axes, shown.items(), strict=True):
    panel.scatter(*places.T, color="0.9", s=20)
    dots = panel.scatter(
        places[:, 0], places[:, 1], c=values, cmap="RdYlBu_r", s=45,
        vmin=truth[hour_shown].min(), vmax=truth[hour_shown].max(),
    )  # fmt: skip
    panel.set_title(name)
    panel.set_aspect("equal")
    panel.set_axis_off()
figure.colorbar(dots, ax=axes, label="degrees", shrink=0.8)

# %%
# What to read next
# -----------------
#
# - :doc:`/inputs` says what may be a graph: frames of pandas, files of edges, matrices.
# - :doc:`/networks` has the schedules, and says how networks start.
# - :func:`~multiscale_gcn.nn.spatio_temporal` makes a graph of several hours at once.
