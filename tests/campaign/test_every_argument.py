"""Every public name is called with every kind of bad argument: it answers, or says what is wrong.

The names are read from the package, so that a new one is covered the day it is added: it needs a
value in ``VALID`` for each of its parameters that has no default, and a test says so.
"""

from __future__ import annotations

import atexit
import inspect
import linecache
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from tally import tried
from torch_geometric.data import Data
from torch_geometric.nn import GATConv, SAGEConv

import multiscale_gcn
from multiscale_gcn import (
    BackendUnavailable,
    CoarseningStalled,
    Constraints,
    HeavyEdgeMatching,
    Step,
    as_graph,
    coarsen,
    compare,
    find_mirror,
    match,
    mesh_pyramid,
    nn,
)
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.graph.spectrum import laplacian
from multiscale_gcn.nn import GraphPattern, SemGConv

PACKAGE = Path(multiscale_gcn.__file__).parent
MODULES = (
    "multiscale_gcn", "multiscale_gcn.nn", "multiscale_gcn.nn.schedules", "multiscale_gcn.ops",
    "multiscale_gcn.pyg",
)  # fmt: skip
QUALITY = (
    "matched_weight", "cut_weight", "optimum_ratio", "eigenvalue_errors",
    "restricted_spectral_similarity", "num_components", "disconnected_clusters",
)  # fmt: skip

GRAPH = as_graph(nx.grid_2d_graph(3, 4))
HIERARCHY = coarsen(GRAPH, levels=2)
BATCH = coarsen(nx.disjoint_union(nx.path_graph(6), nx.path_graph(6)), levels=1,
                batch=[0] * 6 + [1] * 6)  # fmt: skip
OCTAHEDRON = (np.repeat([1, -1], 3)[:, None] * np.tile(np.eye(3), (2, 1)),
              [[a, b, c] for a in (0, 3) for b in (1, 4) for c in (2, 5)])  # fmt: skip
PYRAMID = mesh_pyramid(OCTAHEDRON, [5])
N, NNZ, COARSE = GRAPH.num_nodes, GRAPH.num_entries, HIERARCHY[1].num_nodes
SYSTEM = laplacian(GRAPH) + sp.eye_array(N)
PATTERN = GraphPattern(GRAPH)
X = torch.randn(2, N, 5)
PLACES = np.indices((3, 4)).reshape(2, N).T.astype(float)
FOLDER = Path(mkdtemp())
atexit.register(rmtree, FOLDER)
EDGES = FOLDER / "edges.csv"
EDGES.write_text("u,v\n0,1\n1,2\n")


def build_network(hierarchy: Any) -> nn.MultiScaleGCN:
    return nn.MultiScaleGCN(
        [hierarchy[0].graph], [[0]], in_channels=5, channels=6, out_channels=4, non_local=False
    ).eval()


VALID: dict[str, Any] = {
    "add": None,
    "attributes": np.ones(NNZ),
    "backend": "auto",
    "bias": None,
    "channels": 5,
    "coarse": 1,
    "comparison": compare(GRAPH, [HeavyEdgeMatching()], sizes=[6]),
    "constraints": Constraints(),
    "convolution": SemGConv,
    "drop": 0.1,
    "edges": EDGES,
    "faces": np.array([[0, 1, 4], [1, 4, 5]]),
    "features": np.ones((N, 3)),
    "fine": 0,
    "fine_graph": GRAPH,
    "frames": 3,
    "function": torch.nn.Identity(),
    "graph": GRAPH,
    "graphs": [GRAPH, HIERARCHY[1].graph],
    "hierarchy": HIERARCHY,
    "in_channels": 5,
    "in_features": 5,
    "index": 2,
    "indices": GRAPH.indices,
    "indptr": GRAPH.indptr,
    "kind": match(GRAPH).kind,
    "layers": [torch.nn.Identity()],
    "level": 1,
    "levels": 1,
    "mate": match(GRAPH).mate,
    "matching": match(GRAPH),
    "matrix": HIERARCHY.restriction(0, 1),
    "max_merges": None,
    "mesh": OCTAHEDRON,
    "message": "stalled",
    "method": HeavyEdgeMatching(),
    "methods": [HeavyEdgeMatching()],
    "module": torch.nn.Identity(),
    "n": N,
    "node_weights": np.ones(N),
    "num_coarse": COARSE,
    "num_nodes": N,
    "num_scales": 3,
    "operator": "semgconv",
    "out_channels": 4,
    "out_features": 4,
    "parent": HIERARCHY[0].parent,
    "parents": [HIERARCHY[0].parent],
    "positions": np.ones((N, 3)),
    "ratings": np.ones(NNZ),
    "rounding": Rounding(),
    "running_mean": torch.zeros(5),
    "running_var": torch.ones(5),
    "signs": np.ones(5),
    "sizes": [6],
    "sizes_given": True,
    "source": GRAPH,
    "steps": [[(0, 0)], [(0, 1)]],
    "step": Step(HIERARCHY.parent(0, 1)),
    "sources": [0, 1],
    "stages": [[0, 1]],
    "symmetry": np.arange(N)[::-1],
    "target": 0,
    "values": np.ones(N),
    "weights": np.ones(NNZ),
    "x": X,
}
"""By the name of the parameter. What another name takes by the same one stands in ``OF_NAME``."""

_attention = {"source": torch.randn(2, N), "target": torch.randn(2, N), "value": X}
_entries = {"values": torch.rand(len(PATTERN.entries.rows)), "pattern": PATTERN.entries}
_layer = {"weight": torch.randn(2, 5, 4), "pattern": PATTERN.entries}
_logits = torch.rand(len(PATTERN.entries.rows))

OF_NAME: dict[str, dict[str, Any]] = {
    "CrossScaleFusion": {"sizes": [N, COARSE]},
    "DistanceTransfer": {"positions": [PLACES, PLACES[:4]]},
    "GraphMLP": {"hidden_channels": 7},
    "MirrorEquivariant": {
        "network": torch.nn.Identity(),
        "inputs": [nn.Reflection(np.arange(N), np.ones(5))],
        "outputs": [nn.Reflection(np.arange(N), np.ones(5))],
    },
    "Dask": {"client": SimpleNamespace(submit=print, gather=print), "partitions": 2},
    "Ray": {"partitions": 2},
    "Spark": {"session": SimpleNamespace(sparkContext=print), "partitions": 2},
    "ScaleSum": {"sources": [N, COARSE], "target": N},
    "NonLocal": {"groups": [range(N)]},
    "ResGConv": {"groups": [range(N)]},
    "RecordedStep": {"step": torch.relu},
    "Schedule": {"stages": [[0], [1]], "transfers": [[(0, 1)], []]},
    "GraphUnpool": {"coarse": 1, "fine": 0},
    "Level": {"index": 0},
    "VoxelGrid": {"size": 1.0},
    "Hierarchy": {"levels": HIERARCHY.levels},
    "MeshPyramid": {
        "levels": PYRAMID.levels,
        "vertices": PYRAMID.vertices,
        "faces": PYRAMID.faces,
    },
    "HierarchyTransfer": {"levels": [0, 1]},
    "graph_convolution": _layer | {"values": _logits},
    "graph_convolution_reference": _layer | {"values": _logits},
    "semgconv": _layer | {"logits": _logits},
    "neighbour_softmax": {"logits": _logits, "pattern": PATTERN.entries},
    "neighbour_softmax_reference": {"logits": _logits, "pattern": PATTERN.entries},
    "mix_channels": {"matrix": torch.randn(5, 4)},
    "mix_nodes": {"matrix": torch.randn(3, N)},
    "propagate": _entries,
    "propagate_dense": _entries,
    "propagate_reference": _entries,
    "propagate_sparse": _entries,
    "nonlocal_attention": _attention,
    "nonlocal_attention_dense": _attention,
    "nonlocal_attention_sorted": _attention,
    "nonlocal_attention_joined": {"joined": torch.randn(2, N, 7)},
    "nonlocal_attention_reference": {
        "theta": X,
        "phi": X,
        "score": torch.randn(10),
        "value": X,
    },
    "couplings": {"matrix": SYSTEM},
    "to_pyamg": {"matrix": SYSTEM},
    "mesh_pyramid": {"sizes": [5]},
    "Coarsen": {"levels": 1},
    "MultiScaleNet": {"levels": 1, "convolution": SAGEConv},
    "Pool": {"kind": "mean"},
    "Unpool": {"kind": "constant"},
    "coarsen": {"levels": 1},
    "find_mirror": {"mesh": GRAPH, "positions": PLACES},
    "optimum_ratio": {"coarse": 1},
    "Constraints": {"batch": np.zeros(N, int), "labels": np.zeros(N, int)},
    "DenseMap": {},
    "InParts": {"build": build_network, "levels": [0], "k": 2, "hops": {}},
    "PartDataset": {"parts": HIERARCHY.parts(2)},
    "Hierarchy.parts": {"k": 2},
    "Hierarchy.prolong": {"values": np.ones(COARSE)},
    "Hierarchy.level": {"num_nodes": COARSE},
    "Hierarchy.members": {"node": (0, 0)},
    "Hierarchy.from_parents": {},
}

SKIPPED = {
    "BackendUnavailable": "an exception",
    "Convolution": "a type",
    "ConvolutionLayer": "abstract",
    "CrossPattern": "a named tuple, which GraphPattern and its like make",
    "ClusteringMethod": "abstract",
    "DeviceHierarchy": "made by coarsen_on_device alone, and needs a device",
    "DeviceLevel": "made by coarsen_on_device alone, and needs a device",
    "DenseMap": "torch.nn.Linear by another name",
    "GraphTensors": "a named tuple",
    "Mirror": "made by find_mirror alone",
    "MultiScaleData": "a Data of PyTorch Geometric, which takes anything",
    "Normalisation": "a named tuple, which batch normalisation makes",
    "PairKind": "an enumeration",
    "Part": "made by Hierarchy.parts alone",
    "Parts": "made by Hierarchy.parts alone",
    "Pattern": "a named tuple, which GraphPattern makes",
    "RoundingWarning": "a warning",
    "Transfer": "a type",
    "UnreferencedNodes": "a warning",
    "coarsen_on_device": "needs a device",
    "joined_map": "takes pairs of tensors; covered by its own tests",
    "on_rows": "calls a function of the user's",
    "warmup": "takes nothing",
}
"""Names that are not called here, and why."""


class Hostile:
    """An object that raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"nobody may ask for {name}")

    def __repr__(self) -> str:
        raise RuntimeError("nobody may look")


BAD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "object": object,
    "hostile": Hostile,
    "text": lambda: "text",
    "bytes": lambda: b"bytes",
    "path": lambda: Path("nowhere") / "at.all",
    "-1": lambda: -1,
    "0": lambda: 0,
    "3": lambda: 3,
    "2**31": lambda: 2**31,
    "2**70": lambda: 2**70,
    "-2**70": lambda: -(2**70),
    "1.5": lambda: 1.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "1j": lambda: 1j,
    "[]": list,
    "()": tuple,
    "{}": dict,
    "set": lambda: {1, 2},
    "[1]": lambda: [1],
    "[-1] * N": lambda: [-1] * N,
    "[2**70] * N": lambda: [2**70] * N,
    "[None] * N": lambda: [None] * N,
    "['a'] * N": lambda: ["a"] * N,
    "[1j] * N": lambda: [1j] * N,
    "[nan] * N": lambda: [float("nan")] * N,
    "ragged": lambda: [[1], [1, 2]],
    "dict": lambda: {"a": 1},
    "generator": lambda: (k for k in range(3)),
    "function": lambda: len,
    "type": lambda: int,
    "date": lambda: date(2021, 1, 1),
    "0-d": lambda: np.array(1),
    "empty": lambda: np.empty((0, 3)),
    "4-d": lambda: np.ones((2, 2, 2, 2)),
    "complex": lambda: np.ones(N, complex),
    "texts": lambda: np.array(["a"] * N),
    "dates": lambda: np.array(["2021-01-01"] * N, "datetime64[D]"),
    "objects": lambda: np.array([object()] * N),
    "structured": lambda: np.zeros(N, [("a", int), ("b", float)]),
    "masked": lambda: np.ma.masked_array(np.ones(N), np.arange(N) % 2 == 1),
    "big-endian": lambda: np.arange(N).astype(">i8"),
    "uint64": lambda: np.full(N, 2**64 - 1, np.uint64),
    "huge ids": lambda: np.full(N, 2**62),
    "negative ids": lambda: -np.arange(N) - 1,
    "nan matrix": lambda: np.full((N, N), np.nan),
    "lopsided": lambda: np.triu(np.ones((N, N)), 1),
    "tensor": lambda: torch.ones(2, N, 5),
    "tensor of one axis": lambda: torch.ones(N),
    "tensor of no axis": lambda: torch.tensor(1.0),
    "integer tensor": lambda: torch.ones(2, N, 5, dtype=torch.int64),
    "complex tensor": lambda: torch.ones(2, N, 5, dtype=torch.complex64),
    "half": lambda: torch.ones(2, N, 5, dtype=torch.float16),
    "double": lambda: torch.ones(2, N, 5, dtype=torch.float64),
    "empty tensor": lambda: torch.ones(0, N, 5),
    "other nodes": lambda: torch.ones(2, N + 1, 5),
    "other channels": lambda: torch.ones(2, N, 9),
    "gradient": lambda: torch.ones(N, requires_grad=True),
    "sparse tensor": lambda: torch.ones(N, N).to_sparse(),
    "meta tensor": lambda: torch.ones(2, N, 5, device="meta"),
    "sparse matrix": lambda: sp.csr_array(np.ones((N, 3))),
    "networkx": lambda: nx.path_graph(3),
    "digraph": lambda: nx.DiGraph([(0, 1)]),
    "data": lambda: Data(x=torch.ones(3, 1)),
    "graph": lambda: as_graph(nx.path_graph(5)),
    "hierarchy": lambda: coarsen(nx.path_graph(7), levels=1),
    "matching": lambda: match(as_graph(nx.path_graph(5))),
    "constraints": lambda: Constraints(labels=np.zeros(3, int)),
    "method": HeavyEdgeMatching,
    "module": lambda: torch.nn.Linear(3, 3),
}

Case = tuple[str, Callable[..., Any], dict[str, Any], list[str]]


def package_names() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        loaded = import_module(module)
        for name in loaded.__all__:
            yield name, getattr(loaded, name)
    for name in QUALITY:
        yield name, getattr(import_module("multiscale_gcn.quality"), name)


def arguments(name: str, function: Callable[..., Any]) -> tuple[dict[str, Any], list[str]]:
    """Values for a call that works, and the names of all parameters."""
    parameters = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    given = OF_NAME.get(name, {})
    values = {}
    for p in parameters:
        if p.name in given:
            values[p.name] = given[p.name]
        elif p.default is p.empty:
            assert p.name in VALID, f"{name}: give {p.name} a value in VALID or OF_NAME"
            values[p.name] = VALID[p.name]
    return values, [p.name for p in parameters]


def cases() -> Iterator[Case]:
    for name, value in package_names():
        if name not in SKIPPED and callable(value):
            yield name, value, *arguments(name, value)
    makers: dict[str, Callable[[], Any]] = {
        "Hierarchy": lambda: HIERARCHY,
        "Graph": lambda: GRAPH,
        "Matching": lambda: match(GRAPH),
        "Constraints": Constraints,
        "HeavyEdgeMatching": HeavyEdgeMatching,
        "Mirror": lambda: find_mirror(GRAPH, positions=PLACES, normal="x"),
    }
    for kind, make in makers.items():
        made = make()
        for name, member in inspect.getmembers(made, callable):
            if name.startswith("_") or name in ("save", "load"):
                continue
            if not inspect.ismethod(member) and not inspect.isfunction(member):
                continue
            whole = f"{kind}.{name}"
            known = OF_NAME.get(whole, {})
            parameters = inspect.signature(member).parameters
            if parameters:
                values, names = arguments(whole, member)
                yield whole, member, values | known, names
    layers: dict[str, torch.nn.Module] = {
        "SemGConv()": nn.SemGConv(5, 4, GRAPH),
        "GConv()": nn.GConv(5, 4, GRAPH),
        "NonLocal()": nn.NonLocal(5),
        "GraphConvBlock()": nn.GraphConvBlock(5, 4, GRAPH),
        "ResGConv()": nn.ResGConv(5, GRAPH),
        "KHopConv()": nn.KHopConv(5, 4, GRAPH),
        "GATConv in a block()": nn.GraphConvBlock(5, 4, GRAPH, convolution=GATConv),
        "GraphAttention()": nn.GraphAttention(5, 4, GRAPH, heads=2),
        "AdaptiveGConv()": nn.AdaptiveGConv(5, 4, GRAPH),
        "GraphMLP()": nn.GraphMLP(5, GRAPH),
        "PreNormResidual()": nn.PreNormResidual(5, [nn.GraphMLP(5, GRAPH)], drop=0.1),
        "StochasticDepth()": nn.StochasticDepth(0.1),
        "Reflection()": nn.Reflection(np.arange(N)[::-1], np.ones(5)),
        "MirrorEquivariant()": nn.MirrorEquivariant(
            nn.GConv(5, 5, GRAPH),
            [nn.Reflection(range(N), np.ones(5))],
            [nn.Reflection(range(N), np.ones(5))],
        ),
        "GraphPool()": nn.GraphPool(HIERARCHY, 0, 1),
        "MultiScaleGCN()": nn.MultiScaleGCN(
            [GRAPH], [[0], [0]], in_channels=5, channels=6, out_channels=4
        ),
    }
    for name, layer in layers.items():
        yield name, layer, {"x": X}, ["x"]
    in_parts = nn.InParts(build_network, HIERARCHY, [0], 1)
    yield (
        "InParts()",
        lambda part, x: in_parts(part, x),
        {"part": in_parts.parts[0], "x": X},
        ["part", "x"],
    )
    yield "InParts.on", in_parts.on, {"part": in_parts.parts[0]}, ["part"]


CASES = list(cases())


def fault(call: Callable[[], Any]) -> str | None:
    """What is wrong with how a call ended; None if it answered, or said what was wrong itself."""
    allowed = (ValueError, TypeError, IndexError, BackendUnavailable, CoarseningStalled, OSError,
               ImportError)  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        kind, last = type(error).__name__, frames[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        if not isinstance(error, allowed):
            return f"{kind} at {where}: {str(error)[:90]}"
        line = linecache.getline(last.filename, last.lineno or 0).strip()
        ours = PACKAGE in Path(last.filename).parents and line.startswith("raise")
        if not ours and len(frames) > 1:
            return f"foreign {kind} at {where}: {str(error)[:90]}"
        if not str(error).strip():
            return f"{kind} at {where} without a word"
    return None


def test_every_name_is_called_or_said_not_to_be() -> None:
    names = {name for name, _ in package_names()}
    called = {name for name, *_ in CASES}
    assert names - called - {n for n, v in package_names() if not callable(v)} <= set(SKIPPED)
    assert set(SKIPPED) <= names | {"GraphTensors"}


@pytest.mark.parametrize(("name", "function", "values", "names"), CASES, ids=[c[0] for c in CASES])
def test_the_call_that_is_spoiled_works(
    name: str, function: Callable[..., Any], values: dict[str, Any], names: list[str]
) -> None:
    needed = {n: v for n, v in values.items() if n in names}
    _call(function, needed)


def _call(function: Callable[..., Any], values: dict[str, Any]) -> Any:
    if isinstance(function, torch.nn.Module):
        return function(values["x"])
    return function(**values)


@pytest.mark.parametrize(("name", "function", "values", "names"), CASES, ids=[c[0] for c in CASES])
def test_bad_arguments_are_refused_in_our_words(
    name: str,
    function: Callable[..., Any],
    values: dict[str, Any],
    names: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # a text is the name of a folder to some
    faults = []
    for parameter in names:
        for kind, make in BAD.items():
            if kind == "2**31" and name.startswith("Constraints."):
                continue  # an answer of 16 GiB
            spoiled = values | {parameter: make()}
            if found := fault(partial(_call, function, spoiled)):
                faults.append(f"{name}({parameter}={kind}): {found}")
            tried("calls with a bad argument")
    assert not faults, f"{len(faults)} of {len(names) * len(BAD)}:\n" + "\n".join(faults[:60])
