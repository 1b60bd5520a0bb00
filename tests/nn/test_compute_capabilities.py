"""Every kernel compiles for every architecture, and what is chosen where there is no better one."""

from __future__ import annotations

import ctypes
import os
import re
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest
import torch

from multiscale_gcn.ops import selection
from multiscale_gcn.ops.graph_convolution.whole_layer.division import (
    divide_backward,
    divide_forward,
    divide_portable,
    divide_portable_backward,
)
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import (
    LayerSizes,
    WholeLayer,
    whole_layer_form,
)
from multiscale_gcn.ops.kernels.launch import FOLDER, code_of
from multiscale_gcn.ops.nonlocal_attention.walk_division import STEP
from multiscale_gcn.ops.whole_network.preparation import POINTERS, TASK
from multiscale_gcn.ratings.fused import cuda_source

ARCHITECTURES = ("sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
"""Ampere, its cards for desktops, Ada, Hopper, Blackwell, and its cards for desktops."""
OLDEST_AND_NEWEST = ("sm_80", "sm_120")
"""For what takes ten seconds each."""

ROOT = FOLDER.parent
OPERATORS: dict[str, dict[str, int]] = {
    "batch_norm/batch_norm.cu": {
        **{"ELEMENT": 0, "VECTOR": 4, "LANES": 2, "THREADS": 256, "HELD": 8, "CLUSTER": 1},
    },
    "batch_norm/known_statistics.cu": {"ELEMENT": 1, "THREADS": 256, "LANES": 32, "ROWS": 32},
    "fusion/fusion.cu": {
        **{"N0": 17, "N1": 48, "N2": 96, "N3": 0, "MAPS": 0x356},
        **{"TASKS": 2, "ROWS": 11, "THREE": 1},
        **{"COLUMNS": 64, "STAGES": 3, "SUM_COLUMNS": 32, "SUM_STAGES": 4},
    },
    "graph_convolution/layer_parts/semgconv.cu": {"ELEMENT": 1, "VECTOR": 4},
    "joined_map/joined_map.cu": {"ELEMENT": 0},
    "neighbour_softmax/row_softmax.cu": {"ELEMENT": 2, "THREADS": 256},
    "nonlocal_attention/nonlocal_block.cu": {"ELEMENT": 0, "WIDTH": 2, "COPY": 8, "STEP": STEP},
    "nonlocal_attention/nonlocal_chunks.cu": {
        **{"ELEMENT": 1, "WIDTH": 2, "COPY": 4, "STEP": STEP},
        **{"LENGTH": 64, "GROUP": 8},
    },
    "normalised_map/normalised_map.cu": {"IN": 36, "OUT": 72, "ROWS": 64, "STAGES": 3},
    "row_products/row_products.cu": {
        **{"M0": 128, "N0": 64, "M1": 68, "N1": 128, "S0": 0, "S1": 1},
        **{"ROWS": 16, "STAGES": 3, "TASKS": 2, "THREE": 1},
    },
    "sparse_sums/aggregate.cu": {"ELEMENT": 0, "VECTOR": 4, "LANES": 32, "SOFTMAX": 1, "OWN": 1},
    "sparse_sums/entry_gradient.cu": {"ELEMENT": 1, "VECTOR": 4, "LANES": 32, "PACKS": 2},
    "whole_network/arrange.cu": {"TF32": 1, "THREADS": 256, "POINTERS": POINTERS, "TASK": TASK},
    "whole_network/walk.cu": {"TF32": 1, "THREADS": 256, "ENDS": 16},
}
"""The kernels that run everywhere, and numbers to compile them with."""
WHOLE_LAYERS = (
    "graph_convolution/whole_layer/semgconv_portable.cu",
    "graph_convolution/whole_layer/semgconv_portable_backward.cu",
)
"""Their numbers depend on what memory the device has."""
HOPPERS = (
    "graph_convolution/whole_layer/semgconv_sm90.cu",
    "graph_convolution/whole_layer/semgconv_sm90_backward.cu",
)
"""With instructions that sm_90a alone has."""
COARSENING = {"matching/kernels.cu": cuda_source(), "contraction/kernels.cu": ""}
"""And what goes before them."""


def test_no_kernel_is_left_out() -> None:
    named = {FOLDER / file for file in (*OPERATORS, *WHOLE_LAYERS, *HOPPERS)}
    named |= {ROOT / file for file in COARSENING}
    assert set(ROOT.rglob("*.cu")) == named


def code_and_options(file: str, numbers: dict[str, int] | None = None) -> tuple[str, list[str]]:
    if file in COARSENING:
        code = (ROOT / "cuda" / "device.cuh").read_text() + (ROOT / file).read_text()
        return COARSENING[file] + code, [
            *("-DOFFSET=i64", "-DSYMMETRIC=1", "-DKEY=u64", "--fmad=false"),
        ]
    return code_of(FOLDER / file), [
        f"-D{name}={n}" for name, n in (numbers or OPERATORS[file]).items()
    ]


@cache
def nvrtc() -> ctypes.CDLL | None:
    """NVRTC, of NVIDIA's wheel or of CUDA where it usually is."""
    names = [f"libnvrtc.so.{version}" for version in (13, 12)]
    folders = [Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "lib64"]
    nvidia = find_spec("nvidia")
    if nvidia is not None and nvidia.submodule_search_locations is not None:
        for place in nvidia.submodule_search_locations:
            folders += [*Path(place).glob("*/lib")]
    for path in (folder / name for folder in folders for name in names):
        if path.exists():
            for other in path.parent.glob("libnvrtc-builtins.so.*"):  # which it looks for by name
                ctypes.CDLL(str(other), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(path))
    return None


needs_compiler = pytest.mark.skipif(
    nvrtc() is None, reason="needs NVRTC: pip install nvidia-cuda-nvrtc"
)


def compile_by_nvrtc(library: ctypes.CDLL, code: str, options: list[str]) -> str | None:
    """What the compiler says against it, or None."""
    program = ctypes.c_void_p()
    none = (ctypes.c_void_p(), ctypes.c_void_p())
    made = library.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernel.cu", 0, *none)
    assert made == 0
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = library.nvrtcCompileProgram(program, len(options), given)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode() if failed else None


def complaint(
    file: str, architectures: tuple[str, ...], numbers: dict[str, int] | None = None
) -> str | None:
    code, options = code_and_options(file, numbers)
    library = nvrtc()
    assert library is not None
    for architecture in architectures:
        every = ["--std=c++17", *options, f"--gpu-architecture={architecture}"]
        told = compile_by_nvrtc(library, code, every)
        if told is not None:
            return f"{architecture}: {told}"
    return None


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("file", [*OPERATORS, *COARSENING])
def test_kernels_compile_for_every_architecture(file: str) -> None:
    chosen = OLDEST_AND_NEWEST if file in COARSENING else ARCHITECTURES
    assert complaint(file, chosen) is None


MEMORY = {
    **{"sm_80": 166_912, "sm_86": 101_376, "sm_89": 101_376},
    **{"sm_90": 232_448, "sm_100": 232_448, "sm_120": 101_376},
}
"""Bytes of shared memory that a block may ask for."""


def layer_sizes(architecture: str, element: int) -> LayerSizes:
    return LayerSizes(
        **{"batch": 1024, "nodes": 48, "entries": 336, "in_channels": 128, "out_channels": 128},
        **{"element": element, "matrices": 2, "processors": 100},
        shared_memory=MEMORY[architecture],
    )


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "element"),
    [*product(ARCHITECTURES, (0, 1)), *product(OLDEST_AND_NEWEST, (2, 3))],
)
def test_whole_layers_compile_for_every_architecture(architecture: str, element: int) -> None:
    sizes = layer_sizes(architecture, element)
    backward = divide_portable_backward(sizes)
    assert backward is not None
    shared = sizes.options(torch.empty(0), softmax=True)
    chosen = (divide_portable(sizes).options(), backward.options(sizes))
    for file, options in zip(WHOLE_LAYERS, chosen, strict=True):
        assert complaint(file, (architecture,), shared | options) is None


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("element", [0, 1])
def test_the_kernels_of_hopper_compile(element: int) -> None:
    sizes = layer_sizes("sm_90", element)
    forward, backward = divide_forward(sizes), divide_backward(sizes)
    assert backward is not None
    shared = sizes.options(torch.empty(0), softmax=True)
    chosen = (
        {"WIDTH": forward.columns, "GRAPHS": forward.graphs, "STAGES": forward.stages},
        backward.options(sizes) | {"COLUMNS": backward.columns},
    )
    for file, options in zip(HOPPERS, chosen, strict=True):
        assert complaint(file, ("sm_90a",), shared | options) is None


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["sm_90", "sm_100", "sm_120"])
def test_clusters_compile_where_there_are_any(architecture: str) -> None:
    file = "batch_norm/batch_norm.cu"
    assert complaint(file, (architecture,), OPERATORS[file] | {"CLUSTER": 8}) is None


@needs_compiler
def test_a_kernel_that_does_not_compile_is_seen(monkeypatch) -> None:
    broken: tuple[str, list[str]] = ("__global__ void f() { nothing(); }", [])
    monkeypatch.setattr("test_compute_capabilities.code_and_options", lambda *asked: broken)
    told = complaint("any", ("sm_90",))
    assert told is not None
    assert re.search("nothing.*undefined", told)


@pytest.mark.parametrize("architecture", ["sm_75", *ARCHITECTURES])
def test_the_form_of_the_whole_layer_that_is_chosen(architecture: str, monkeypatch) -> None:
    digits = architecture.removeprefix("sm_")
    capability = (int(digits[:-1]), int(digits[-1]))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(selection, "cupy_hindrance", lambda: None)
    expected = {"sm_75": None, "sm_90": WholeLayer.HOPPER}.get(architecture, WholeLayer.PORTABLE)
    assert whole_layer_form(capability, torch.float32, 48, 128, 128) is expected
    chosen = selection.select_operator_backend(
        "semgconv", num_nodes=48, in_channels=128, device="cuda"
    )
    assert chosen.name == "cupy"
    assert ("one kernel for the whole layer" in chosen.reason) == (expected is not None)
    assert ("on the tensor cores of Hopper" in chosen.reason) == (architecture == "sm_90")
    assert ("a matrix product, and a kernel" in chosen.reason) == (expected is None)


@pytest.mark.parametrize(
    ("dtype", "sizes"),
    [
        (torch.float64, (48, 128, 128)),
        (torch.float32, (129, 128, 128)),
        (torch.float32, (48, 160, 128)),
        (torch.bfloat16, (48, 32, 128)),
        (torch.float32, (48, 128, 3)),
    ],
)
def test_layers_that_no_form_takes(dtype: torch.dtype, sizes: tuple[int, int, int]) -> None:
    for capability in ((8, 0), (9, 0), (12, 0)):
        assert whole_layer_form(capability, dtype, *sizes) is None
