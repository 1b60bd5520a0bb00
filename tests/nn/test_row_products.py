"""How products over rows are divided among blocks."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn.ops.row_products.division import (
    LEAST_SLICES,
    MOST_TASKS,
    SLICES,
    STATIC,
    WARPS,
    Pair,
    divide_row_products,
    places,
    tasks,
)

some_pairs = st.lists(
    st.builds(Pair, st.integers(1, 200), st.integers(1, 200), st.booleans()),
    min_size=1,
    max_size=2,
).map(tuple)


@given(some_pairs, st.integers(0, 10**6), st.integers(1, 200), st.sampled_from([101376, 232448]))
def test_what_is_taken_fits(
    pairs: tuple[Pair, ...], rows: int, processors: int, memory: int
) -> None:
    found = divide_row_products(pairs, rows, processors, memory)
    if found is None:
        return
    slices = -(-rows // found.rows)
    assert 1 <= found.blocks <= min(slices, processors)
    assert found.blocks == 1 or slices >= LEAST_SLICES * found.blocks
    assert (found.rows, found.stages) in SLICES
    assert found.shared_memory + STATIC <= memory
    tiles = sum(-(-pair.left // 32) * -(-pair.right // 32) for pair in pairs)
    assert tiles <= WARPS * tasks(pairs) <= WARPS * MOST_TASKS


@given(some_pairs)
def test_results_lie_one_behind_the_other(pairs: tuple[Pair, ...]) -> None:
    sizes = [pair.left * pair.right for pair in pairs]
    sizes += [pair.left for pair in pairs if pair.summed]
    begins = places(pairs)
    assert begins[0] == 0
    for (begin, end), size in zip(itertools.pairwise(begins), sizes, strict=True):
        assert begin % 4 == 0
        assert size <= end - begin < size + 4


def test_maps_of_attention_are_taken() -> None:
    pairs = (Pair(128, 64, False), Pair(68, 128, True))
    for rows in (17, 64 * 96, 1024 * 96):
        for memory, slice_rows in ((232448, 32), (101376, 16)):
            found = divide_row_products(pairs, rows, 132, memory)
            assert found is not None
            assert (found.rows, found.stages) == (slice_rows, 3)
    assert divide_row_products(pairs, 0, 132, 232448) is None
    assert divide_row_products((Pair(512, 256, False),), 64, 132, 232448) is None
    assert divide_row_products((Pair(130, 8, True),), 64, 132, 232448) is None
