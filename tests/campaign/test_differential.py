"""Numba against the specification, on every path that the compiled code has.

Which of them is taken depends on sizes that small graphs do not reach, so the sizes are made small:
those that Python reads here, for every example; those that are compiled in with SMALL_CHUNKS=1 in
the environment, see conftest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import pytest
from constrained_graphs import constrained_graphs, crowded_graphs, methods, symmetric_cliques
from hypothesis import given
from hypothesis import strategies as st
from tally import tried

from multiscale_gcn import CoarseningStalled, Constraints, Graph, aggregate, coarsen, match
from multiscale_gcn.contraction import on_cpu as contraction
from multiscale_gcn.matching import on_cpu as matching

ANY = constrained_graphs() | crowded_graphs() | symmetric_cliques()
THREADS = (1, 2, 4)


@st.composite
def paths(draw: st.DrawFn) -> dict[str, int]:
    """The sizes between which the code chooses."""
    return {
        "SMALL": draw(st.sampled_from([0, 4, 1 << 14])),
        "PROGRESS": draw(st.sampled_from([1, 16, 10**9])),
        "merged by columns below": draw(st.sampled_from([1, 1 << 16])),
        "ENTRIES_PER_THREAD": draw(st.sampled_from([1, 8])),
        "threads": draw(st.sampled_from(THREADS)),
    }


@contextmanager
def on(path: dict[str, int]) -> Iterator[None]:
    before = numba.get_num_threads()
    numba.set_num_threads(path["threads"])
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(matching, "SMALL", path["SMALL"])
            patch.setattr(matching, "PROGRESS", path["PROGRESS"])
            share = path["ENTRIES_PER_THREAD"]
            patch.setattr(contraction, "SMALL", max(share, path["merged by columns below"]))
            patch.setattr(contraction, "ENTRIES_PER_THREAD", share)
            yield
    finally:
        numba.set_num_threads(before)


@given(ANY, methods(), paths(), st.data())
def test_matchings(drawn, method, path, data) -> None:
    graph, options = drawn
    constraints = Constraints.of(graph, **options)
    members = len(constraints.member_sizes(graph.num_nodes))
    most = st.lists(st.integers(0, 6), min_size=members, max_size=members)
    allowed = data.draw(st.none() | most)
    asked: dict[str, Any] = {
        "constraints": constraints,
        "max_pairs": None if allowed is None else np.array(allowed, np.int64),
    }
    expected = match(graph, method, backend="python", **asked)
    with on(path):
        assert match(graph, method, backend="numba", **asked) == expected
    tried("graphs matched by Numba as by the specification")


@given(ANY, paths(), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_contractions(drawn, path, clusters, seed) -> None:
    graph, _ = drawn
    drawn_ids = np.random.default_rng(seed).integers(0, clusters, graph.num_nodes)
    parent = np.unique(drawn_ids, return_inverse=True)[1]
    expected = aggregate(graph, parent, backend="python")
    with on(path):
        assert aggregate(graph, parent, backend="numba") == expected
    tried("graphs contracted by Numba as by the specification")


def outcome(graph: Graph, options: dict[str, Any]) -> tuple[str, str]:
    """What was said, and the fingerprint of what was found."""
    try:
        return "", coarsen(graph, **options).fingerprint
    except CoarseningStalled as stalled:
        return str(stalled), stalled.hierarchy.fingerprint
    except ValueError as refused:
        return str(refused), ""


@given(ANY, methods(), paths(), st.data())
def test_hierarchies(drawn, method, path, data) -> None:
    graph, options = drawn
    sizes = st.lists(st.integers(1, max(1, graph.num_nodes)), min_size=1, max_size=3)
    how_far = data.draw(
        st.sampled_from([{"levels": 3}, {"min_nodes": 3}, {"levels": 2, "min_nodes": 2}])
        | st.fixed_dictionaries({"sizes": sizes})
    )
    asked = {**options, **how_far, "method": method}
    expected = outcome(graph, {**asked, "backend": "python"})
    with on(path):
        assert outcome(graph, {**asked, "backend": "numba"}) == expected
    tried("hierarchies by Numba as by the specification")


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("constrained", [False, True])
def test_graphs_of_more_than_one_chunk_as_it_ships(threads: int, constrained: bool) -> None:
    """Without changed sizes: more nodes than one thread takes, more entries than its share."""
    n = 40_000
    rng = np.random.default_rng(threads)
    ids = np.unique(np.sort(rng.integers(0, n, (2, 2 * n)), axis=0), axis=1)
    ids = ids[:, ids[0] < ids[1]]
    both = np.concatenate([ids, ids[::-1]], axis=1)
    rows, columns = both[:, np.lexsort((both[1], both[0]))]
    graph = Graph(np.searchsorted(rows, np.arange(n + 1)), columns, 1 + (rows ^ columns) % 3)
    options: dict[str, Any] = {"labels": rng.integers(0, 2, n)} if constrained else {}
    expected = coarsen(graph, levels=1, backend="python", **options)
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        found = coarsen(graph, levels=1, backend="numba", **options)
    finally:
        numba.set_num_threads(before)
    assert found.fingerprint == expected.fingerprint
    tried("graphs of 40,000 nodes coarsened as by the specification")
