"""How rows and channels of batch normalisation are divided among blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn.ops.batch_norm.row_division import (
    HELD,
    HOLDERS,
    SLICE_BYTES,
    STATIC,
    divide_whole,
)


@given(
    rows=st.integers(1, 20000),
    vectors=st.integers(1, 300),
    vector=st.sampled_from([1, 2, 4, 8]),
    size=st.sampled_from([2, 4, 8]),
    memory=st.sampled_from([101376, 232448]),
    clusters=st.booleans(),
)
def test_what_is_held_is_all(
    rows: int, vectors: int, vector: int, size: int, memory: int, clusters: bool
) -> None:
    channels = vectors * vector
    if vector * size > 16:
        return
    found = divide_whole(rows, channels, vector, size, memory, clusters)
    if found is None:
        lanes = min(vectors, max(1, SLICE_BYTES // (vector * size)))
        assert rows * 2 * lanes > HELD[0] * HOLDERS
        return
    assert found.lanes in (1, 2, 4, 8, 16)
    assert found.lanes * found.vector * size <= SLICE_BYTES
    assert found.slices * found.lanes * found.vector >= channels
    assert (found.slices - 1) * found.lanes * found.vector < channels
    assert HOLDERS // found.lanes * found.held * found.cluster >= rows
    assert found.cluster in ((1, 8) if clusters else (1,))
    assert found.shared_memory >= found.held * HOLDERS * found.vector * size
    assert found.shared_memory + STATIC <= memory


def test_a_small_batch_is_held_and_a_large_one_is_not() -> None:
    def found(rows: int, clusters: bool) -> int | None:
        whole = divide_whole(rows, 128, 4, 4, 232448, clusters)
        return None if whole is None else whole.cluster

    assert [found(n, False) for n in (17, 512, 513, 64 * 48)] == [1, 1, None, None]
    assert [found(n, True) for n in (17, 512, 513, 64 * 96, 8192, 8193)] == [1, 1, 8, 8, 8, None]
    assert divide_whole(64, 2**25, 4, 4, 232448, True) is None
