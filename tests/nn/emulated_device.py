"""A device on which kernels are functions of NumPy: all that the host does runs without a GPU.

Tensors stay where they are and say that they are on a CUDA device. What reaches the driver is what
would reach it there: addresses, strides and numbers, packed. The kernels here read and write that
memory by the formulas.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from multiscale_gcn.ops import selection
from multiscale_gcn.ops.batch_norm import known_on_cuda
from multiscale_gcn.ops.batch_norm import on_cuda as batch_norm
from multiscale_gcn.ops.fusion import on_cuda as fusion
from multiscale_gcn.ops.graph_convolution import on_cuda as graph_convolution
from multiscale_gcn.ops.joined_map import on_cuda as joined_map
from multiscale_gcn.ops.kernels import launch, packing, prepared, rehearsal
from multiscale_gcn.ops.nonlocal_attention import block_on_cuda, walks_on_cuda
from multiscale_gcn.ops.normalised_map import on_cuda as normalised_map
from multiscale_gcn.ops.row_products import on_cuda as row_products
from multiscale_gcn.ops.whole_network import on_cuda as whole_network

OPERATORS = (batch_norm, fusion, graph_convolution, joined_map, block_on_cuda)
Kernel = Callable[..., None]
KERNELS: dict[str, Kernel] = {}
DEVICE, CPU = torch.device("cuda", 0), torch.device("cpu")


def kernel(function: Kernel) -> Kernel:
    KERNELS[function.__name__] = function
    return function


def array(
    address: int, *shape: int, strides: tuple[int, ...] | None = None, kind: Any = np.float32
) -> Any:
    """The memory at an address; strides count numbers."""
    number = np.dtype(kind).itemsize
    if strides is None:
        strides = tuple(int(np.prod(shape[k + 1 :])) for k in range(len(shape)))
    if 0 in shape or not address:
        return np.zeros(shape, kind)
    last = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    memory = (ctypes.c_char * ((last + 1) * number)).from_address(address)
    flat = np.frombuffer(memory, kind)
    return np.lib.stride_tricks.as_strided(flat, shape, [s * number for s in strides])


def longs(address: int, count: int) -> Any:
    return array(address, count, kind=np.int64)


class EmulatedDevice:
    """What ran on it, by the names of the kernels. There is one, as calls that are kept know it."""

    def __init__(self) -> None:
        self.launched: list[str] = []
        self.is_there = False
        self.kernels: list[tuple[str, dict[str, int]]] = []

    def load(self, kernels: launch.Kernels, name: str, device: torch.device) -> int:
        options = dict(option.removeprefix("-D").split("=") for option in kernels.options)
        self.kernels.append((name, {key: int(value) for key, value in options.items()}))
        kernels._loaded[(name, device.index)] = len(self.kernels)
        return len(self.kernels)

    def launch(self, address: int, *rest: int) -> None:
        name, options = self.kernels[address - 1]
        sizes, where = rest[:7], rest[8]  # of grid and block, and bytes of shared memory
        self.launched.append(name)
        KERNELS[name](where, sizes, options)

    @contextmanager
    def here(self) -> Iterator[None]:
        """All tensors are on it meanwhile."""
        before, self.is_there = self.is_there, True
        try:
            yield
        finally:
            self.is_there = before


THE_DEVICE = EmulatedDevice()


def there(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives on the emulated device."""
    with THE_DEVICE.here():
        return function(*arguments)


def values(where: int, codes: str) -> list[Any]:
    """The arguments of a launch, of these types."""
    kinds: dict[str, Any] = {"P": ctypes.c_uint64, "q": ctypes.c_int64, "d": ctypes.c_double}
    places = (ctypes.c_uint64 * len(codes)).from_address(where)
    return [
        kinds[code].from_address(place).value for code, place in zip(codes, places, strict=True)
    ]


def emulate(monkeypatch: pytest.MonkeyPatch) -> EmulatedDevice:
    """Let all that asks for a device find this one; :func:`forget` it afterwards."""
    made = THE_DEVICE
    made.launched.clear()
    empty = torch.empty_strided
    cupy, cuda = ModuleType("cupy"), ModuleType("cupy.cuda")
    cuda.driver = SimpleNamespace(launchKernel=made.launch)  # type: ignore[attr-defined]
    cuda.runtime = SimpleNamespace(  # type: ignore[attr-defined]
        setDevice=lambda index: None,
        memGetInfo=lambda: None,
        cudaDevAttrMaxSharedMemoryPerBlockOptin=0,
        deviceGetAttribute=lambda attribute, index: 232448,
    )
    cupy.cuda = cuda  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)
    monkeypatch.setattr(
        torch.Tensor, "device", property(lambda x: DEVICE if made.is_there else CPU)
    )
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda x: made.is_there))
    properties = SimpleNamespace(multi_processor_count=132)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (9, 0))
    monkeypatch.setattr(torch.cuda, "device", lambda index: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(selection, "_cupy_hindrance", lambda: None)
    monkeypatch.setattr(launch.Kernels, "load", lambda k, name, device: made.load(k, name, device))
    for module in (launch, prepared, rehearsal):
        for name, value in (("current_device", lambda: 0), ("current_stream", lambda index: 0)):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(
        rehearsal,
        "new_tensor",
        lambda shape, strides, dtype, device: empty(shape, strides, dtype=dtype),
    )
    monkeypatch.setattr(packing, "_of_thread", packing._OfThread())
    monkeypatch.setattr(whole_network, "MEASURED", ())  # its tests have kernels for it
    for operators in OPERATORS:
        for operator in (operators.FORWARD, operators.BACKWARD):
            monkeypatch.setattr(operator, "overload", operator._cuda)
    singles = (known_on_cuda.KNOWN, row_products.ROW_PRODUCTS, normalised_map.NORMALISED_MAP)
    for single in singles:
        monkeypatch.setattr(single, "overload", single._cuda)
    forget()
    return made


def forget() -> None:
    """What real devices must not find."""
    for kept in (
        launch.kernels_of,
        walks_on_cuda.walking_kernels,
        launch.multiprocessors,
        launch.shared_memory_per_block,
    ):
        kept.cache_clear()


# ---------------------------------------------------------------------------------------- kernels


def softmax_rows(logits: Any, indptr: Any) -> Any:
    result = np.empty_like(logits)
    for begin, end in itertools.pairwise(indptr):
        powers = np.exp(logits[begin:end] - logits[begin:end].max())
        result[begin:end] = powers / powers.sum()
    return result


def matrices(shares: Any, indptr: Any, columns: Any, nodes: int) -> tuple[Any, Any]:
    """Diagonal and rest, dense."""
    dense = np.zeros((nodes, nodes), np.float32)
    dense[np.repeat(np.arange(nodes), np.diff(indptr)), columns] = shares
    own = np.diag(np.diag(dense))
    return own, dense - own


@kernel
def semgconv_whole(where: int, grid: Any, o: dict[str, int]) -> None:
    x, x0, x1, y, y0, y1, batch, mixing, weight, bias, *rest = values(
        where, "PqqPqqq" + "P" * 7 + "d" + "P" * 5 + "qq"
    )
    mean, variance, scale, shift, epsilon, indptr, _, columns, _, _, entries, relu = rest
    n, c, k, m = o["NODES"], o["IN"], o["OUT"], o["MATRICES"]
    pointers, at = longs(indptr, n + 1), longs(columns, entries)
    shares = array(mixing, entries)
    shares = softmax_rows(shares, pointers) if o["SOFTMAX"] else shares
    own, others = matrices(shares, pointers, at, n)
    features, w = array(x, batch, n, c, strides=(x0, x1, 1)), array(weight, m, c, k)
    if m == 1:
        result = (own + others) @ (features @ w[0])
    else:
        result = own @ (features @ w[0]) + others @ (features @ w[1])
    result = result + array(bias, k)
    if mean:
        spread = np.sqrt(array(variance, k) + epsilon)
        result = (result - array(mean, k)) / spread
        result = result * (array(scale, k) if scale else 1) + array(shift, k)
    array(y, batch, n, k, strides=(y0, y1, 1))[:] = np.maximum(result, 0) if relu else result


@kernel
def semgconv_whole_backward(where: int, grid: Any, o: dict[str, int]) -> None:
    x, x0, x1, g, g0, g1, f, f0, f1, batch, mixing, weight, *rest = values(
        where, "PqqPqqPqqq" + "P" * 7 + "q" + "P" * 3
    )
    indptr, rows, columns, _, _, entries, value_parts, weight_parts, bias_parts = rest
    n, c, k, m = o["NODES"], o["IN"], o["OUT"], o["MATRICES"]
    pointers, i, j = longs(indptr, n + 1), longs(rows, entries), longs(columns, entries)
    shares = array(mixing, entries)
    shares = softmax_rows(shares, pointers) if o["SOFTMAX"] else shares
    own, others = matrices(shares, pointers, j, n)
    features, w = array(x, batch, n, c, strides=(x0, x1, 1)), array(weight, m, c, k)
    up = array(g, batch, n, k, strides=(g0, g1, 1))
    forms = [(own + others, w[0])] if m == 1 else [(own, w[0]), (others, w[1])]
    if f:
        array(f, batch, n, c, strides=(f0, f1, 1))[:] = sum(a.T @ (up @ b.T) for a, b in forms)
    parts = array(weight_parts, grid[0], m, c, k)
    parts[:] = 0
    parts[0] = [np.einsum("bnc,bnk->ck", a @ features, up) for a, _ in forms]
    by_entry = [np.einsum("bnc,bmc->nm", up @ b.T, features)[i, j] for _, b in forms]
    sums = array(value_parts, grid[0], grid[1], entries)
    sums[:] = 0
    sums[0, 0] = by_entry[0] if m == 1 else np.where(i == j, *by_entry)
    biases = array(bias_parts, grid[0], k)
    biases[:] = 0
    biases[0] = up.sum((0, 1))


@kernel
def semgconv_whole_sums(where: int, grid: Any, o: dict[str, int]) -> None:
    vp, wp, bp, a, b, mixing, indptr, entries, for_mixing, for_weight, for_bias = values(
        where, "PPPqqPPqPPP"
    )
    n, c, k, m = o["NODES"], o["IN"], o["OUT"], o["MATRICES"]
    found = array(vp, a, b, entries).sum((0, 1))
    if o["SOFTMAX"]:
        pointers = longs(indptr, n + 1)
        shares = softmax_rows(array(mixing, entries), pointers)
        totals = np.add.reduceat(shares * found, pointers[:-1])
        found = shares * (found - np.repeat(totals, np.diff(pointers)))
    array(for_mixing, entries)[:] = found
    array(for_weight, m, c, k)[:] = array(wp, a, m, c, k).sum(0)
    array(for_bias, k)[:] = array(bp, a, k).sum(0)


@kernel
def join(where: int, grid: Any, o: dict[str, int]) -> None:
    weight, bias, score, vw, vb, lw, lb, rw, rb, inner, rows, c = values(where, "P" * 9 + "qqq")
    s, nothing = array(score, 2, inner), np.zeros((rows - inner - 2, c))
    scores = [s[0] @ array(lw, inner, c)], [s[1] @ array(rw, inner, c)]
    array(weight, rows, c)[:] = np.concatenate([array(vw, inner, c), *scores, nothing])
    scores = [s[0] @ array(lb, inner)], [s[1] @ array(rb, inner)]
    array(bias, rows)[:] = np.concatenate([array(vb, inner), *scores, nothing[:, 0]])


@kernel
def join_gradient(where: int, grid: Any, o: dict[str, int]) -> None:
    given = values(where, "P" * 12 + "qq")
    inner, c = given[12:]
    for_score, *found = given[:5]
    up, up_bias, score = array(given[5], 2, c), array(given[6], 2), array(given[7], 2, inner)
    of_score = array(for_score, 2, inner)
    for side in (0, 1):
        w, b = array(given[8 + 2 * side], inner, c), array(given[9 + 2 * side], inner)
        of_score[side] = w @ up[side] + b * up_bias[side]
        array(found[2 * side], inner, c)[:] = np.outer(score[side], up[side])
        array(found[2 * side + 1], inner)[:] = score[side] * up_bias[side]


def attention(places: list[int], batch: int, n: int, c: int) -> tuple[Any, Any, Any]:
    (s, s0, s1), (t, t0, t1), (v, v0, v1) = places[:3], places[3:6], places[6:9]
    source = array(s, batch, n, strides=(s0, s1))
    target = array(t, batch, n, strides=(t0, t1))
    return source[:, :, None] + target[:, None, :], array(v, batch, n, c, strides=(v0, v1, 1)), n


@kernel
def attend(where: int, grid: Any, o: dict[str, int]) -> None:
    *places, n, c, _ = values(where, "Pqq" * 4 + "qqq")
    scores, value, _ = attention(places, grid[0], n, c)
    y, y0, y1 = places[9:]
    array(y, grid[0], n, c, strides=(y0, y1, 1))[:] = np.maximum(scores, 0) @ value / n


@kernel
def attend_gradient(where: int, grid: Any, o: dict[str, int]) -> None:
    given = values(where, "Pqq" * 4 + "PPPqqqP" + "qqqq")
    n, c = given[19:21]
    batch = grid[0]
    scores, value, _ = attention(given[:9], batch, n, c)
    g, g0, g1 = given[9:12]
    up = array(g, batch, n, c, strides=(g0, g1, 1)) / n
    for_value, for_source, for_target, f0, f1, padding, parts = given[12:19]
    of_scores = np.where(scores > 0, up @ value.transpose(0, 2, 1), 0)
    array(for_value, batch, n, c, strides=(f0, f1, 1))[:] = (
        np.maximum(scores, 0).transpose(0, 2, 1) @ up
    )
    if parts:
        room = array(parts, grid[1], 2, batch, n)
        room[:] = 0
        room[0] = of_scores.sum(2), of_scores.sum(1)
    else:
        array(for_source, batch, n, strides=(f0, f1))[:] = of_scores.sum(2)
        behind = array(for_target, batch, n, 1 + padding, strides=(f0, f1, 1))
        behind[:] = 0
        behind[..., 0] = of_scores.sum(1)


@kernel
def moments(where: int, grid: Any, o: dict[str, int]) -> None:
    """What :func:`normalise` reads, it finds itself."""


@kernel
def normalise(where: int, grid: Any, o: dict[str, int]) -> None:
    y, statistics, _, _, *given = values(where, "PPPqPPPPPPPddqqq")
    normalise_rows(y, statistics, *given)


@kernel
def normalise_whole(where: int, grid: Any, o: dict[str, int]) -> None:
    normalise_rows(*values(where, "PPPPPPPPPddqqq"))


def normalise_rows(
    y: Any, statistics: Any, x: Any, add: Any, weight: Any, bias: Any, *rest: Any
) -> None:
    mean, variance, batches, momentum, epsilon, relu, rows, c = rest
    features = array(x, rows, c)
    middle, spread = features.mean(0), features.var(0)
    array(statistics, 2, c)[:] = middle, 1 / np.sqrt(spread + epsilon)
    result = (features - middle) / np.sqrt(spread + epsilon) * array(weight, c) + array(bias, c)
    result = np.maximum(result, 0) if relu else result
    array(y, rows, c)[:] = result + (array(add, rows, c) if add else 0)
    if mean:
        m, v = array(mean, c), array(variance, c)
        m += momentum * (middle - m)
        v += momentum * (spread * rows / (rows - 1) - v)
    if batches:
        longs(batches, 1)[0] += 1


@kernel
def sums(where: int, grid: Any, o: dict[str, int]) -> None:
    """What :func:`gradient` reads, it finds itself."""


@kernel
def gradient(where: int, grid: Any, o: dict[str, int]) -> None:
    found, copy, three, _, _, *given = values(where, "PPPPqPPPPPqqq")
    gradient_of_rows(found, copy, three, *given)


@kernel
def gradient_whole(where: int, grid: Any, o: dict[str, int]) -> None:
    gradient_of_rows(*values(where, "PPPPPPPPqqq"))


def gradient_of_rows(
    found: Any, copy: Any, three: Any, g: Any, x: Any, statistics: Any, *rest: Any
) -> None:
    weight, bias, relu, rows, c = rest
    up, features = array(g, rows, c), array(x, rows, c)
    middle, inverse = array(statistics, 2, c)
    normal = (features - middle) * inverse
    if relu:
        up = np.where(normal * array(weight, c) + array(bias, c) > 0, up, 0)
    if copy:
        array(copy, rows, c)[:] = array(g, rows, c)
    array(three, 3, c)[:] = (up * normal).sum(0), up.sum(0), np.zeros(c)
    up = up * array(weight, c)
    array(found, rows, c)[:] = inverse * (up - up.mean(0) - normal * (up * normal).mean(0))


@kernel
def normalise_known(where: int, grid: Any, o: dict[str, int]) -> None:
    y, x, more, before, mean, variance, gain, offset, epsilon, relu, rows, c = values(
        where, "P" * 8 + "dqqq"
    )
    features = array(x, rows, c) + array(before, c)
    result = (features - array(mean, c)) / np.sqrt(array(variance, c) + epsilon)
    result = result * (array(gain, c) if gain else 1) + array(offset, c)
    result = np.maximum(result, 0) if relu else result
    array(y, rows, c)[:] = result + (array(more, rows, c) if more else 0)


@kernel
def map_and_normalise(where: int, grid: Any, o: dict[str, int]) -> None:
    y, x, weight, before, mean, variance, gain, offset, more, epsilon, rows = values(
        where, "P" * 9 + "dq"
    )
    c = o["OUT"]
    result = array(x, rows, o["IN"]) @ array(weight, c, o["IN"]).T + array(before, c)
    result = (result - array(mean, c)) / np.sqrt(array(variance, c) + epsilon)
    result = result * (array(gain, c) if gain else 1) + array(offset, c)
    array(y, rows, c)[:] = result + array(more, rows, c)


def fusion_maps(o: dict[str, int]) -> tuple[list[int], list[tuple[int, int]]]:
    """Nodes of the scales; targets and sources of the maps."""
    return [o[f"N{k}"] for k in range(4)], [divmod(p, 4) for p in range(16) if o["MAPS"] >> p & 1]


def rows_of(places: list[int], nodes: list[int], columns: int) -> list[Any]:
    return [
        array(place, n, columns) if place else None for place, n in zip(places, nodes, strict=True)
    ]


def sent(where: int, o: dict[str, int], back: bool) -> None:
    *places, columns = values(where, "P" * 40 + "q")
    nodes, maps = fusion_maps(o)
    x, y = rows_of(places[:4], nodes, columns), rows_of(places[4:8], nodes, columns)
    weights, biases = places[8:24], places[24:40]
    results = [
        np.zeros((n, columns), np.float32) if own is None else own.copy()
        for own, n in zip(x, nodes, strict=True)
    ]
    for t, s in maps:
        matrix = array(weights[4 * t + s], nodes[t], nodes[s])
        if back:
            results[s] += matrix.T @ x[t]
        else:
            results[t] += matrix @ x[s] + array(biases[4 * t + s], nodes[t])[:, None]
    for room, result in zip(y, results, strict=True):
        if room is not None:
            room[:] = result


@kernel
def fuse(where: int, grid: Any, o: dict[str, int]) -> None:
    sent(where, o, False)


@kernel
def fuse_back(where: int, grid: Any, o: dict[str, int]) -> None:
    sent(where, o, True)


@kernel
def fuse_parts(where: int, grid: Any, o: dict[str, int]) -> None:
    *places, parts, columns = values(where, "P" * 9 + "q")
    nodes, maps = fusion_maps(o)
    up, x = rows_of(places[:4], nodes, columns), rows_of(places[4:], nodes, columns)
    found = [up[t] @ x[s].T for t, s in maps] + [up[t].sum(1) for t, _ in maps]
    padded = [np.pad(one.ravel(), (0, -one.size % 4)) for one in found]
    row = np.concatenate(padded)
    room = array(parts, grid[0], len(row))
    room[:] = 0
    room[0] = row


@kernel
def add_parts(where: int, grid: Any, o: dict[str, int]) -> None:
    results, parts, count, size = values(where, "PPqq")
    array(results, size)[:] = array(parts, count, size).sum(0)


@kernel
def row_parts(where: int, grid: Any, o: dict[str, int]) -> None:
    a0, b0, a1, b1, parts, rows = values(where, "P" * 5 + "q")
    found, sums = [], []
    for p, a, b in ((0, a0, b0), (1, a1, b1)):
        left, right = array(a, rows, o[f"M{p}"]), array(b, rows, o[f"N{p}"])
        found.append(left.T @ right)
        sums += [left.sum(0)] * o[f"S{p}"]
    row = np.concatenate([np.pad(one.ravel(), (0, -one.size % 4)) for one in (*found, *sums)])
    room = array(parts, grid[0], len(row))
    room[:] = 0
    room[-1] = row
