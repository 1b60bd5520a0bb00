"""
On a GPU
========

What changes on a CUDA device: one word for the coarsening, one wrapper for the network. The
results do not change. The page says at its top on what it was made; without a GPU it shows what
the processor does, and why the rest was left out. You need the extras ``torch`` and ``cuda13`` or
``cuda12``.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from multiscale_gcn import BackendUnavailable, Graph, as_graph, coarsen, select_backend
from multiscale_gcn.nn import HierarchyTransfer, MultiScaleGCN, Recorded

# %%
# Is there one?
# -------------
#
# :func:`~multiscale_gcn.select_backend` says whether a backend can run here, and if not, why and
# what helps. Nothing falls back in silence: ``backend="cupy"`` without a GPU is an error.

backends = ["numba"]
try:
    select_backend("cupy")
    backends.append("cupy")
    print("coarsening: on the GPU too")
except BackendUnavailable as error:
    print("coarsening: on the processor alone.", error)
device = "cuda" if torch.cuda.is_available() else "cpu"
print("network: on", torch.cuda.get_device_name() if device == "cuda" else "the processor")

# %%
# The same levels everywhere
# --------------------------
#
# Grids whose edges have weights at random. The fingerprint is that of all levels: graphs, weights,
# and who belongs to whom. The specification in plain Python is slow, so it makes the smallest one
# alone.


def grid(side: int) -> Graph:
    ids = np.arange(side * side).reshape(side, side)
    across = np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()])
    down = np.stack([ids[:-1].ravel(), ids[1:].ravel()])
    edges = np.concatenate([across, down], axis=1)
    weights = np.random.default_rng(0).integers(1, 100, edges.shape[1])
    return as_graph(edges, kind="edge_index", weights=weights, symmetrize=True)


small = grid(24)
for backend in ["python", *backends]:
    print(f"{backend:7}", coarsen(small, min_nodes=50, backend=backend).fingerprint)


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    """Median, after a call that may compile."""
    call()
    found = []
    for _ in range(repeats):
        if device == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        found.append(1000 * (time.perf_counter() - began))
    return float(np.median(found))


graphs = [grid(side) for side in (50, 100, 200)]
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for backend in backends:
    calls = [partial(coarsen, graph, min_nodes=100, backend=backend) for graph in graphs]
    times = [milliseconds(call, 3) for call in calls]
    axes.loglog([graph.num_nodes for graph in graphs], times, "o-", label=backend)
    print(f"{backend:7} {graphs[-1].num_nodes} nodes to 100 or fewer: {times[-1]:.0f} ms")
axes.set(xlabel="nodes", ylabel="milliseconds for all levels")
axes.legend()

# %%
# What stays on the device need not come back: :func:`~multiscale_gcn.coarsen_on_device` keeps all
# levels there, as arrays of CuPy.
#
# A recorded network
# ------------------
#
# A small network is hundreds of kernels, and the host takes longer to launch them than the GPU to
# run them. :class:`~multiscale_gcn.nn.Recorded` records them once and then launches all at once.
# Where that cannot be, the network runs as it is, and ``reason`` says why.

hierarchy = coarsen(small, sizes=[144, 36])
levels = [0, hierarchy.level(144).index, hierarchy.level(36).index]
torch.manual_seed(0)
network = MultiScaleGCN(
    [hierarchy[level].graph for level in levels],
    "v_cycle",
    in_channels=2,
    channels=16,
    out_channels=[1, 0, 0],
    transfer=HierarchyTransfer(hierarchy, levels),
)
network = network.to(device).eval()
recorded = Recorded(network).eval()

sizes = [1, 2, 4, 8]
plain_times, recorded_times = [], []
with torch.inference_mode():
    for size in sizes:
        x = torch.randn(size, small.num_nodes, 2, device=device)
        plain_times.append(milliseconds(partial(network, x), 5))
        recorded_times.append(milliseconds(partial(recorded, x), 5))
    same = torch.equal(network(x)[0], recorded(x)[0])
print("the recorded network answers the same, bit for bit:", same)
print("recorded:", "yes" if recorded.reason is None else f"no, {recorded.reason}")

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.plot(sizes, plain_times, "o-", label="as it is")
if recorded.reason is None:
    axes.plot(sizes, recorded_times, "o-", label="recorded")
axes.set(xlabel="samples at once", ylabel="milliseconds", ylim=(0, None), title=f"on {device}")
axes.legend()

# %%
# What to read next
# -----------------
#
# - :doc:`/kernels` says what runs where, and how fast on an H100 and an H200.
# - :doc:`/benchmarks` has the times of the coarsening, against other libraries.
# - :doc:`/concepts/order` says why all backends return the same.
