"""How maps between scales are divided among blocks."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn.ops.fusion.division import (
    MOST_ROWS,
    MOST_SCALES,
    MOST_TASKS,
    SLICES,
    STATIC,
    SUM_SLICES,
    WARPS,
    Scales,
    divide_fusion,
)

HOPPER, ADA = 232448, 101376


def all_maps(count: int) -> tuple[tuple[int, int], ...]:
    return tuple((t, s) for t in range(count) for s in range(count) if s != t)


@st.composite
def some_scales(draw: st.DrawFn) -> Scales:
    nodes = draw(st.lists(st.integers(1, 140), min_size=2, max_size=5))
    pairs = st.lists(st.sampled_from(all_maps(len(nodes))), min_size=1, unique=True)
    return Scales(tuple(nodes), tuple(sorted(draw(pairs))))


@given(some_scales(), st.integers(0, 10**6), st.integers(1, 200), st.sampled_from([HOPPER, ADA]))
def test_what_is_taken_fits(scales: Scales, columns: int, processors: int, memory: int) -> None:
    found = divide_fusion(scales, columns, processors, memory)
    if found is None:
        return
    assert columns > 0
    assert columns % 4 == 0
    assert len(scales.nodes) <= MOST_SCALES
    assert found.slices in SLICES
    assert found.sum_slices in SUM_SLICES
    assert 1 <= found.blocks <= min(-(-columns // found.slices[0]), processors)
    slices = -(-columns // found.sum_slices[0])
    assert 1 <= found.sum_blocks <= min(slices, processors)
    assert found.sum_blocks == 1 or slices >= 2 * found.sum_blocks
    for shared_memory in (found.forward, found.back, found.sums):
        assert shared_memory + STATIC <= memory
    tiles = sum(-(-scales.nodes[t] // 32) * -(-scales.nodes[s] // 32) for t, s in scales.maps)
    assert tiles <= WARPS * scales.tasks <= WARPS * MOST_TASKS
    assert sum(-(-n // 16) * 16 for n in scales.nodes) <= WARPS * scales.rows <= WARPS * MOST_ROWS


@given(some_scales())
def test_gradients_lie_one_behind_the_other(scales: Scales) -> None:
    places = scales.places()
    sizes = [scales.nodes[t] * scales.nodes[s] for t, s in scales.maps]
    sizes += [scales.nodes[t] for t, _ in scales.maps]
    assert places[0] == 0
    for (begin, end), size in zip(itertools.pairwise(places), sizes, strict=True):
        assert begin % 4 == 0
        assert size <= end - begin < size + 4


def test_published_sizes_are_taken() -> None:
    scales = Scales((17, 48, 96), all_maps(3))
    for batch in (1, 64, 1024):
        found = divide_fusion(scales, batch * 128, 132, HOPPER)
        assert found is not None
        assert (found.slices, found.sum_slices) == ((64, 3), (32, 4))
    assert divide_fusion(scales, 64 * 128, 132, ADA) is None
    assert divide_fusion(Scales((17, 48), all_maps(2)), 64 * 128, 128, ADA) is not None
    assert divide_fusion(Scales((9,) * 5, all_maps(5)), 64 * 128, 132, HOPPER) is None
    assert divide_fusion(scales, 5 * 7, 132, HOPPER) is None
