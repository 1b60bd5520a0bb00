"""The loops on their own, and ids and places too large for a graph that a test could hold."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import Graph
from multiscale_gcn.contraction.on_cpu import SHORT, merge_by_rows
from multiscale_gcn.hierarchy.stored import LevelWriter
from multiscale_gcn.hierarchy.stored.arrays import (
    ArrayWriter,
    allocated,
    mapped,
    readable,
    release,
    writable,
)
from multiscale_gcn.outofcore.amounts import as_bytes
from multiscale_gcn.outofcore.kernels import coarse_cuts, first_one_sided
from multiscale_gcn.outofcore.parts import row_cuts


def merged(columns: np.ndarray, num_columns: int) -> dict[int, float]:
    """One coarse row of one member that has these columns, each of weight 1 and more."""
    count = len(columns)
    indices, weights = np.empty(count, columns.dtype), np.empty(count)
    indptr = np.array([0, count])
    fine = (np.array([0, count]), columns, np.arange(count) + 1.0)
    each = np.arange(2)
    found = merge_by_rows(fine, None, (each, each), (indices, weights, indptr), count, num_columns)
    assert indptr.tolist() == [0, found]
    assert (np.diff(indices[:found].astype(object)) > 0).all()
    return dict(zip(indices[:found].tolist(), weights[:found].tolist(), strict=True))


@pytest.mark.parametrize("length", [3, SHORT + 1, 500])
@pytest.mark.parametrize("top", [2**31 - 1, 2**32 - 1, 2**32, 2**40])
def test_columns_beyond_32_bits_are_merged(length: int, top: int) -> None:
    """A key of column and place, 32 bits each, would lose the upper bits of such a column."""
    rng = np.random.default_rng(length)
    columns = top - rng.integers(0, length, length).astype(np.uint64)
    columns[0] = 0
    expected: dict[int, float] = {}
    for at, column in enumerate(columns.tolist()):
        expected[column] = expected.get(column, 0.0) + at + 1
    assert merged(columns, top + 1) == expected


@pytest.mark.parametrize("length", [3, SHORT + 1, 500])
def test_a_block_of_few_rows_has_columns_of_the_whole_graph(length: int) -> None:
    """Bits of a key that are counted by the rows at hand are too few for the columns."""
    columns = (np.arange(length)[::-1] * 4_000_000).astype(np.uint32)
    assert sorted(merged(columns, 4_000_000 * length)) == sorted(columns.tolist())


rows_of = st.lists(st.integers(0, 5), min_size=0, max_size=20).map(
    lambda lengths: np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
)


@given(rows_of, st.integers(1, 8))
def test_parts_hold_no_more_than_they_may(indptr: np.ndarray, most: int) -> None:
    cuts = row_cuts(indptr, most)
    assert cuts[0] == 0
    assert cuts[-1] == len(indptr) - 1
    for low, high in pairwise(cuts.tolist()):
        assert 0 < high - low <= most
        assert indptr[high] - indptr[low] <= most or high == low + 1


@given(rows_of, st.integers(1, 8), st.randoms())
def test_coarse_parts_hold_no_more_than_they_may(
    indptr: np.ndarray, most: int, random: object
) -> None:
    n = len(indptr) - 1
    order = [*range(n)]
    random.shuffle(order)  # type: ignore[attr-defined]
    mate = np.arange(n)
    for u, v in zip(order[0::2], order[1::2], strict=False):
        mate[u], mate[v] = v, u
    cuts = coarse_cuts(indptr, mate, most)
    assert cuts[0] == 0
    assert cuts[-1] == n
    degree = np.diff(indptr)
    for low, high in pairwise(cuts.tolist()):
        leads = [u for u in range(low, high) if mate[u] >= u]
        entries = sum(degree[u] + (degree[mate[u]] if mate[u] > u else 0) for u in leads)
        assert 0 < high - low <= most
        assert entries <= most or len(leads) == 1


def test_a_value_that_differs_by_direction_is_found() -> None:
    graph = Graph([0, 2, 5, 7, 8], [1, 2, 0, 1, 2, 0, 1, 3])
    values = np.array([1.0, 2, 1, 9, 3, 2, 3, 9])
    begins = graph.indptr[:-1].copy
    assert first_one_sided(graph.indptr, graph.indices, values, begins()) == (-1, -1)
    values[6] = 4.0
    assert first_one_sided(graph.indptr, graph.indices, values, begins()) == (1, 2)


@pytest.mark.parametrize("length", [0, 1, 1000])
def test_arrays_come_back_from_their_files(length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    values = np.arange(length, dtype=np.int32)
    with ArrayWriter(path, np.int32) as writer:
        for part in np.array_split(values, 3):
            writer.append(part)
    assert np.array_equal(np.load(path), values)
    found = readable(path, (np.int64, np.int32), length)
    release(found)
    assert np.array_equal(found, values)
    assert not found.flags.writeable
    for dtypes, wrong in (((np.int64,), length), ((np.int32,), length + 1)):
        with pytest.raises(ValueError, match="its level has"):
            readable(path, dtypes, wrong)
    other = tmp_path / "b.npy"
    allocated(other, np.float64, length)[:] = 1.5
    writable(other)[: length // 2] = 2.5
    assert np.load(other).tolist() == [2.5] * (length // 2) + [1.5] * (length - length // 2)
    path.write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"a\.npy"):
        mapped(path)


@pytest.mark.parametrize(
    ("text", "number"),
    [("4GB", 4 * 10**9), ("1.5 GiB", 3 * 2**29), ("2000000", 2 * 10**6), (10**6, 10**6)],
)
def test_amounts_are_read_as_people_say_them(text: str | int, number: int) -> None:
    assert as_bytes(text, "memory") == number


@pytest.mark.parametrize(
    "text", ["", "GB", "-4GB", "4 G B", "1e9", "999kB", 0, 2.5, None, "9" * 30]
)
def test_other_amounts_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="memory = "):
        as_bytes(text, "memory")


def test_an_unsorted_row_is_named(tmp_path: Path) -> None:
    writer = LevelWriter(tmp_path / "level", np.int32)
    writer.append(np.array([1, 2]), np.array([1, 0, 2]), np.ones(3))
    with pytest.raises(ValueError, match="columns of row 3 are not increasing"):
        writer.append(np.array([1, 2]), np.array([1, 2, 2]), np.ones(3))
    writer.close()
