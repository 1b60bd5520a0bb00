"""Kernels for products over rows and for maps between scales: their code, run on the host."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kernels_on_host import ORDERS, HostKernels, needs_compiler
from torch import Tensor

from multiscale_gcn.ops.fusion import division as fusion
from multiscale_gcn.ops.normalised_map import division as normalised_map
from multiscale_gcn.ops.row_products import division as row_products

pytestmark = needs_compiler

TOLERANCE = {0: 1e-3, 1: 2e-6}
"""Of one product of tf32, and of three."""


def error(result: Tensor, expected: Tensor) -> float:
    return float((result.double() - expected).norm() / expected.norm())


ROW_PRODUCTS = [
    # pairs, rows, processors, bytes of shared memory, three products
    ([(128, 64, False), (68, 128, True)], 201, 2, 232448, 0),
    ([(128, 64, True), (68, 128, True)], 150, 3, 101376, 1),
    ([(20, 10, True), (12, 20, True)], 70, 1, 60000, 1),
    ([(5, 3, True)], 31, 4, 232448, 1),
    ([(3, 7, False), (34, 5, True)], 300, 2, 232448, 0),
    ([(1, 2, True)], 1, 4, 232448, 1),
    ([(62, 256, False), (31, 1, True)], 77, 2, 232448, 0),
    ([(256, 62, False), (2, 3, False)], 40, 1, 232448, 1),
]


@pytest.mark.parametrize(("pairs", "rows", "processors", "memory", "three"), ROW_PRODUCTS)
def test_row_products(
    pairs: list[tuple[int, int, bool]],
    rows: int,
    processors: int,
    memory: int,
    three: int,
) -> None:
    torch.manual_seed(0)
    asked = tuple(row_products.Pair(*pair) for pair in pairs)
    chosen = row_products.divide_row_products(asked, rows, processors, memory)
    assert chosen is not None
    options = {"ROWS": chosen.rows, "STAGES": chosen.stages, "THREE": three}
    options["TASKS"] = row_products.tasks(asked)
    for p, (left, right, summed) in enumerate([*pairs, (0, 0, False)][:2]):
        options |= {f"M{p}": left, f"N{p}": right, f"S{p}": int(summed)}
    kernels = HostKernels("row_products/row_products.cu", options)
    lefts = [torch.randn(rows, left) for left, _, _ in pairs]
    rights = [torch.randn(rows, right) for _, right, _ in pairs]
    expected = [a.double().t() @ b.double() for a, b in zip(lefts, rights, strict=True)]
    expected += [a.double().sum(0) for a, pair in zip(lefts, asked, strict=True) if pair.summed]
    read: list[Any] = [x for both in zip(lefts, rights, strict=True) for x in both]
    read += [None] * (4 - len(read))
    places = row_products.places(asked)
    for order in ORDERS:
        parts = torch.full((chosen.blocks, places[-1]), torch.nan)
        size = ((chosen.blocks, 1), row_products.THREADS, chosen.shared_memory, order)
        kernels.launch("row_parts", *size, *read, parts, rows)
        total = parts.double().sum(0)
        assert torch.isfinite(total).all()
        for begin, one in zip(places, expected, strict=False):
            found = total[begin : begin + one.numel()].view(one.shape)
            assert error(found, one) < TOLERANCE[three]


FUSIONS = [
    # nodes, maps (target, source), given and made, columns, processors, shared memory, three
    ((17, 48, 96), ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)), None, 328, 2, 232448, 0),
    ((17, 20), ((0, 1), (1, 0)), None, 460, 2, 34_000, 1),
    ((33, 8, 16, 7), ((0, 1), (1, 0), (2, 3), (3, 0)), None, 100, 1, 232448, 1),
    ((5, 7, 40), ((2, 0), (2, 1)), ((0, 1), (2,)), 132, 3, 232448, 1),
]


@pytest.mark.parametrize(
    ("nodes", "maps", "ends", "columns", "processors", "memory", "three"), FUSIONS
)
def test_fusions(
    nodes: tuple[int, ...],
    maps: tuple[tuple[int, int], ...],
    ends: tuple[tuple[int, ...], tuple[int, ...]] | None,
    columns: int,
    processors: int,
    memory: int,
    three: int,
) -> None:
    torch.manual_seed(0)
    scales = fusion.Scales(nodes, maps)
    chosen = fusion.divide_fusion(scales, columns, processors, memory)
    assert chosen is not None
    options = {**scales.options(), **chosen.options(), "THREE": three}
    kernels = HostKernels("fusion/fusion.cu", options)
    given, made = ends or (tuple(range(len(nodes))),) * 2
    x = [torch.randn(n, columns) if k in given else None for k, n in enumerate(nodes)]
    up = [torch.randn(n, columns) if k in made else None for k, n in enumerate(nodes)]
    matrices = {(t, s): torch.randn(nodes[t], nodes[s]) for t, s in maps}
    biases = {(t, s): torch.randn(nodes[t]) for t, s in maps}
    exact: list[Any] = [None if one is None else one.double() for one in x]
    ups: list[Any] = [None if one is None else one.double() for one in up]
    y = [exact[k] if k in given else torch.zeros(n, columns) for k, n in enumerate(nodes)]
    down = [ups[k] if k in made else torch.zeros(n, columns) for k, n in enumerate(nodes)]
    for t, s in maps:
        y[t] = y[t] + matrices[t, s].double() @ exact[s] + biases[t, s].double()[:, None]
        down[s] = down[s] + matrices[t, s].double().t() @ ups[t]
    of_maps = [ups[t] @ exact[s].t() for t, s in maps] + [ups[t].sum(1) for t, _ in maps]
    absent = [None] * (4 - len(nodes))
    by_pair = [(p // 4, p % 4) for p in range(16)]
    weights = [matrices.get(pair) for pair in by_pair]
    for order in ORDERS:
        for name, read, ends_at, others, expected, bytes_ in (
            ("fuse", x, made, [biases.get(pair) for pair in by_pair], y, chosen.forward),
            ("fuse_back", up, given, [None] * 16, down, chosen.back),
        ):
            found: list[Any] = [
                torch.full((n, columns), torch.nan) if k in ends_at else None
                for k, n in enumerate(nodes)
            ]
            size = ((chosen.blocks, 1), fusion.THREADS, bytes_, order)
            pointers = (*read, *absent, *found, *absent, *weights, *others)
            kernels.launch(name, *size, *pointers, columns)
            for k in ends_at:
                assert error(found[k], expected[k]) < TOLERANCE[three]
        parts = torch.full((chosen.sum_blocks, scales.places()[-1]), torch.nan)
        size = ((chosen.sum_blocks, 1), fusion.THREADS, chosen.sums, order)
        kernels.launch("fuse_parts", *size, *up, *absent, *x, *absent, parts, columns)
        total = parts.double().sum(0)
        assert torch.isfinite(total).all()
        for begin, one in zip(scales.places(), of_maps, strict=False):
            assert error(total[begin : begin + one.numel()].view(one.shape), one) < TOLERANCE[three]


NORMALISED_MAPS = [
    # columns of x and y, rows, processors, bytes of shared memory, whether all is there
    (64, 128, 500, 2, 232448, True),
    (20, 44, 321, 1, 40_000, False),
    (4, 8, 400, 3, 232448, True),
    (36, 160, 150, 2, 110_000, True),
]


@pytest.mark.parametrize(
    ("inside", "outside", "rows", "processors", "memory", "everything"), NORMALISED_MAPS
)
def test_normalised_maps(
    inside: int,
    outside: int,
    rows: int,
    processors: int,
    memory: int,
    everything: bool,
) -> None:
    torch.manual_seed(0)
    chosen = normalised_map.divide_map(inside, outside, rows, processors, memory)
    assert chosen is not None
    assert normalised_map.divide_map(inside, outside, rows, 2 * rows, memory) is None
    assert normalised_map.divide_map(inside + 1, outside, rows, processors, memory) is None
    assert normalised_map.divide_map(inside, outside, rows, processors, 1000) is None
    options = {"IN": inside, "OUT": outside, "ROWS": chosen.rows, "STAGES": chosen.stages}
    kernels = HostKernels("normalised_map/normalised_map.cu", options)
    x, more = torch.randn(rows, inside), torch.randn(rows, outside)
    weight = torch.randn(outside, inside)
    before, mean, variance, gain, offset = torch.randn(5, outside).unbind()
    variance = variance.square() + 0.5
    mapped = x.double() @ weight.double().t()
    if everything:
        expected = (mapped + before - mean) / (variance + 1e-3).sqrt() * gain + offset + more
    else:
        expected = (mapped - mean) / (variance + 1e-3).sqrt() + more
    given = [x if everything else None for x in (before, mean, variance, gain, offset)]
    given[1:3] = mean, variance
    for order in ORDERS:
        y = torch.full((rows, outside), torch.nan)
        size = ((chosen.blocks, 1), normalised_map.THREADS, chosen.shared_memory, order)
        kernels.launch("map_and_normalise", *size, y, x, weight, *given, more, 1e-3, rows)
        assert error(y, expected) < TOLERANCE[0]
