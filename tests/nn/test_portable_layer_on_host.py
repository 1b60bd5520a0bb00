"""The portable kernel for whole layers: its own code, run on the host thread by thread."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from layer_graphs import as_matrix, neighbourhoods, pattern_of, random_graph, ring
from torch import Tensor

from multiscale_gcn import Graph
from multiscale_gcn.ops.graph_convolution.whole_layer.division import divide_portable
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import LayerSizes
from multiscale_gcn.ops.kernels.launch import FOLDER

HOST = Path(__file__).parent / "device_on_host"
COMPILER = shutil.which("g++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs g++")

ELEMENTS = {0: torch.float32, 1: torch.bfloat16, 2: torch.float16, 3: torch.float32}
TOLERANCE = {0: 2e-3, 1: 1e-2, 2: 1.5e-3, 3: 2e-6}


def on_host(path: Path) -> str:
    """The code, with the host's version of what only a device has."""

    def included(name: str) -> str:
        host = HOST / name
        return on_host(host if host.exists() else path.parent / name)

    return re.sub(r'#include "(.+)"', lambda found: included(found[1]), path.read_text())


CALL = """
extern "C" bool run(unsigned across, unsigned down, unsigned threads, int bytes, bool backwards,
                    const Element* x, i64 x_graph, i64 x_node, Element* y, i64 y_graph, i64 y_node,
                    i64 batch, const float* given, const Weight* weight, const float* bias,
                    const float* mean, const float* variance, const float* gain,
                    const float* offset, double epsilon, const i64* indptr, const i64* rows,
                    const i64* columns, const i64* loops, Entry* scratch, i64 entries, i64 relu) {
    return launch({across, down, 1}, threads, bytes, backwards, [&] {
        semgconv_portable(x, x_graph, x_node, y, y_graph, y_node, batch, given, weight, bias, mean,
                          variance, gain, offset, epsilon, indptr, rows, columns, loops, scratch,
                          entries, relu);
    });
}
"""


def compiled(folder: Path, options: dict[str, int]) -> Any:
    file = FOLDER / "graph_convolution/whole_layer/semgconv_portable.cu"
    source, library = folder / "kernel.cpp", folder / "kernel.so"
    source.write_text(f"{(HOST / 'device.hpp').read_text()}{on_host(file)}{CALL}")
    defined = [f"-D{name}={value}" for name, value in options.items()]
    flags = ["-std=c++17", "-O1", "-shared", "-fPIC", "-w"]
    flags += ["-fsanitize=alignment,bounds", "-fsanitize-undefined-trap-on-error"]
    told = subprocess.run(
        [str(COMPILER), *flags, *defined, "-o", str(library), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    run = ctypes.CDLL(str(library)).run
    run.restype = ctypes.c_bool
    return run


def as_argument(value: Any) -> Any:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    if value is None:
        return ctypes.c_void_p(None)
    return ctypes.c_double(value) if isinstance(value, float) else ctypes.c_longlong(value)


def formula(x: Tensor, matrix: Tensor, weight: Tensor) -> Tensor:
    diagonal = matrix.diagonal() if len(weight) == 2 else torch.zeros(len(matrix))
    y = torch.einsum("i,bic->bic", diagonal, x @ weight[0])
    return y + torch.einsum("ij,bjc->bic", matrix - torch.diag(diagonal), x @ weight[-1])


CASES = [
    # graph, batch, channels, element, options
    (ring(17), 20, (32, 32), 0, {}),
    (ring(17), 11, (64, 64), 1, {"shared_memory": 20_000}),
    (ring(20, 3), 13, (128, 32), 2, {"wide_weights": True}),
    (random_graph(9, 0.4, 0), 14, (64, 96), 3, {"softmax": False, "batch_norm": False}),
    (random_graph(40, 1.0, 1), 4, (32, 64), 3, {"matrices": 1, "shared_memory": 16_000}),
    (random_graph(1, 0.0, 0), 60, (32, 128), 0, {}),
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("graph", "batch", "channels", "element", "options"), CASES)
def test_values(
    graph: Graph,
    batch: int,
    channels: tuple[int, int],
    element: int,
    options: dict[str, Any],
    backwards: bool,
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    dtype, n, pattern = ELEMENTS[element], graph.num_nodes, pattern_of(graph)
    softmax, matrices = options.get("softmax", True), options.get("matrices", 2)
    entries = len(pattern.rows)
    sizes = LayerSizes(
        **{"batch": batch, "nodes": n, "entries": entries, "element": element},
        **{"in_channels": channels[0], "out_channels": channels[1], "matrices": matrices},
        processors=1,
        shared_memory=options.get("shared_memory", 101_376),
    )
    chosen = divide_portable(sizes)
    x = torch.randn(batch, n, channels[0]).to(dtype)
    y = torch.full((n, batch, channels[1]), torch.nan).to(dtype).transpose(0, 1)
    given = torch.randn(entries)
    weight = torch.randn(matrices, *channels) / channels[0] ** 0.5
    weight = weight if options.get("wide_weights") else weight.to(dtype)
    bias, mean, variance, gain, offset = torch.randn(5, channels[1]).unbind()
    normalises = options.get("batch_norm", True)
    variance = variance.square() + 0.5
    norm = [mean, variance, gain, offset] if normalises else [None] * 4
    grid = (chosen.blocks, channels[1] // chosen.columns)
    scratch = torch.empty(grid[0] * grid[1] * entries * 4) if chosen.scratch else None
    run = compiled(tmp_path, sizes.options(weight, softmax) | chosen.options())
    kept_within = run(
        *(*grid, chosen.threads(n), chosen.shared_memory, backwards),
        *map(as_argument, (x, x.stride(0), x.stride(1), y, y.stride(0), y.stride(1), batch)),
        *map(as_argument, (given, weight, bias, *norm, 1e-5)),
        *map(as_argument, (pattern.indptr, pattern.rows, pattern.columns, pattern.diagonal)),
        *map(as_argument, (scratch, entries, int(normalises))),
    )
    assert kept_within
    matrix = as_matrix(given.double(), graph)
    if softmax:
        matrix = matrix.masked_fill(neighbourhoods(graph) == 0, -torch.inf).softmax(-1)
    expected = formula(x.double(), matrix, weight.double()) + bias.double()
    if normalises:
        expected = (expected - mean) / (variance + 1e-5).sqrt() * gain + offset
        expected = expected.relu()
    error = (y.double() - expected).norm() / expected.norm()
    assert error < TOLERANCE[element]
