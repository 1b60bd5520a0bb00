"""Levels that are no contraction: nodes that were chosen, graphs of their own, interpolations."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp

from multiscale_gcn import ClusteringMethod, Constraints, Graph, Hierarchy, Level, as_graph, coarsen
from multiscale_gcn.methods import Step


@dataclass(frozen=True)
class EveryOther(ClusteringMethod):
    """Of a path the nodes with even numbers, joined by new edges of weight 0.1; linear between."""

    honours: ClassVar[frozenset[str]] = frozenset({"batch"})
    wrong: str = ""

    def parents(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> np.ndarray:
        member = constraints.member(graph.num_nodes)
        first = np.flatnonzero(np.diff(member, prepend=-1))[member]
        keys = member * graph.num_nodes + (np.arange(graph.num_nodes) - first) // 2
        return np.unique(keys, return_inverse=True)[1]

    def step(
        self,
        graph: Graph,
        *,
        constraints: Constraints,
        max_merges: np.ndarray | None,
        backend: str,
    ) -> Step:
        parent = self.parents(
            graph, constraints=constraints, max_merges=max_merges, backend=backend
        )
        sampled = np.flatnonzero(np.diff(parent, prepend=-1))
        n, num_coarse = graph.num_nodes, len(sampled)
        member = constraints.member(n)
        next_parent = np.where(
            np.append(member[1:] == member[:-1], False), np.append(parent[1:], 0), parent
        )
        rows = np.arange(n).repeat(2)
        columns = np.stack([parent, next_parent], axis=1).ravel()
        halves = sp.coo_array((np.full(2 * n, 0.5), (rows, columns)), shape=(n, num_coarse))
        ids = np.arange(num_coarse - 1)
        ids = ids[member[sampled][ids] == member[sampled][ids + 1]]
        path = sp.coo_array((np.full(len(ids), 0.1), (ids, ids + 1)), shape=(num_coarse,) * 2)
        coarse = as_graph(sp.csr_array(path + path.T))
        if self.wrong == "graph":
            coarse = as_graph(nx.path_graph(num_coarse + 1))
        if self.wrong == "sampled":
            sampled = sampled + 1
        if self.wrong == "interpolation":
            halves = halves * np.nan
        return Step(parent, coarse, sampled, halves.tocsr())


def path_of(n: int) -> Hierarchy:
    return coarsen(nx.path_graph(n), levels=2, method=EveryOther())


def test_levels_have_what_the_method_made() -> None:
    hierarchy = path_of(9)
    assert hierarchy.sizes == (9, 5, 3)
    assert hierarchy[1].graph.num_edges == 4
    assert np.allclose(hierarchy[1].graph.weights, 0.1)
    assert hierarchy.restrict(list("abcdefghi"), 0, 1, "sampled").tolist() == list("acegi")
    assert hierarchy.restrict(list("abcdefghi"), 0, 2, "sampled").tolist() == list("aei")
    assert hierarchy.coarse_positions(np.arange(9.0)[:, None], 2, "sampled").ravel().tolist() == [
        0.0,
        4.0,
        8.0,
    ]
    assert hierarchy[-1].sampled is None
    assert hierarchy[-1].interpolation is None


def test_the_interpolation_of_several_levels_is_their_product() -> None:
    hierarchy = path_of(9)
    expected = np.zeros((9, 5))
    for u in range(9):
        expected[u, u // 2] += 0.5
        expected[u, (u + 1) // 2 if u < 8 else 4] += 0.5
    found = hierarchy.prolongation(1, 0, "interpolated").toarray()
    assert np.array_equal(found, expected)
    second = hierarchy.prolongation(2, 1, "interpolated").toarray()
    assert np.array_equal(hierarchy.prolongation(2, 0, "interpolated").toarray(), found @ second)


def test_clusters_are_interpolated_as_constants_and_sample_nothing() -> None:
    hierarchy = coarsen(nx.path_graph(8), levels=2)
    constant = hierarchy.prolongation(2, 0).toarray()
    assert np.array_equal(hierarchy.prolongation(2, 0, "interpolated").toarray(), constant)
    with pytest.raises(ValueError, match=r"needs nodes that were chosen, .* take 'mean'"):
        hierarchy.restriction(0, 2, "sampled")


def test_sampling_after_an_interpolation_that_keeps_the_samples_is_the_identity() -> None:
    fine = as_graph(nx.path_graph(5))
    linear = sp.csr_array([[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 1]])
    levels = (
        Level(
            0, fine, np.array([0, 0, 1, 1, 2]), sampled=np.array([0, 2, 4]), interpolation=linear
        ),
        Level(1, as_graph(nx.path_graph(3)), None),
    )
    hierarchy = Hierarchy(levels)
    both = hierarchy.restriction(0, 1, "sampled") @ hierarchy.prolongation(1, 0, "interpolated")
    assert np.array_equal(both.toarray(), np.eye(3))


def test_everything_is_saved(tmp_path: Path) -> None:
    hierarchy = path_of(13)
    hierarchy.save(tmp_path / "h.npz")
    again = Hierarchy.load(tmp_path / "h.npz")
    assert again.fingerprint == hierarchy.fingerprint
    for old, new in zip(hierarchy, again, strict=True):
        assert new.graph == old.graph
        assert new.graph.quantum == old.graph.quantum
        assert repr(new.sampled) == repr(old.sampled)
        assert (new.interpolation is None) == (old.interpolation is None)
        if old.interpolation is not None:
            assert new.interpolation is not None
            assert (new.interpolation != old.interpolation).nnz == 0


def test_pickles_are_the_same_and_nothing_can_be_changed() -> None:
    hierarchy = path_of(9)
    again = pickle.loads(pickle.dumps(hierarchy))
    assert again.fingerprint == hierarchy.fingerprint
    for one in (hierarchy, again):
        with pytest.raises(ValueError, match="read-only"):
            one[0].sampled[0] = 1  # type: ignore[index]
        with pytest.raises(ValueError, match="read-only"):
            one[0].interpolation.data[0] = 1  # type: ignore[union-attr]


def test_the_fingerprint_covers_samples_and_interpolations() -> None:
    level, coarse = coarsen(nx.path_graph(4), levels=1)
    found = {Hierarchy((level, coarse)).fingerprint}
    for sampled in ([0, 2], [1, 2]):
        found.add(Hierarchy((replace(level, sampled=np.array(sampled)), coarse)).fingerprint)
    for at in range(2):
        matrix = sp.csr_array((np.ones(4), ([0, 1, 2, 3], [at, 0, 1, 1])), shape=(4, 2))
        found.add(Hierarchy((replace(level, interpolation=matrix), coarse)).fingerprint)
    assert len(found) == 5


def test_members_of_a_batch_have_their_own() -> None:
    two = nx.disjoint_union(nx.path_graph(9), nx.path_graph(6))
    hierarchy = coarsen(two, levels=2, method=EveryOther(), batch=[0] * 9 + [1] * 6)
    for member, n in zip(hierarchy.members(), (9, 6), strict=True):
        alone = path_of(n)
        assert member.sizes == alone.sizes
        for one, other in zip(member.levels[:-1], alone.levels[:-1], strict=True):
            assert repr(one.sampled) == repr(other.sampled)
            assert one.interpolation is not None
            assert other.interpolation is not None
            assert np.array_equal(one.interpolation.toarray(), other.interpolation.toarray())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("graph", r"EveryOther.step: the graph is Graph\(6 nodes.*parent names 5 coarse nodes"),
        ("sampled", r"levels\[0\].sampled\[4\] = 9 is no node whose parent is 4"),
        ("interpolation", r"levels\[0\].interpolation\[0, 0\] = nan must be finite"),
    ],
)
def test_what_a_method_makes_is_checked(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(9), levels=1, method=EveryOther(wrong))


def test_levels_that_do_not_fit_the_next_are_refused() -> None:
    level, coarse = coarsen(nx.path_graph(4), levels=1)
    for change, message in (
        ({"sampled": np.array([0])}, "sampled has 1 entries, the next level 2 nodes"),
        ({"interpolation": sp.csr_array((4, 3))}, "interpolation has 3 columns, the next level 2"),
    ):
        with pytest.raises(ValueError, match=message):
            Hierarchy((replace(level, **change), coarse))
    with pytest.raises(ValueError, match="with a row for each of the 4 nodes"):
        replace(level, interpolation=sp.csr_array((3, 2)))
    with pytest.raises(ValueError, match="give it beside a parent map"):
        replace(coarse, sampled=np.array([0]))
    with pytest.raises(TypeError, match=r"must be a scipy\.sparse matrix of real numbers"):
        replace(level, interpolation=np.eye(4))


def test_attributes_of_edges_go_to_edges_that_there_are() -> None:
    star = as_graph(nx.star_graph(3))
    levels = (
        Level(0, star, np.array([0, 0, 1, 2])),
        Level(1, as_graph(np.array([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]])), None),
    )
    with pytest.raises(ValueError, match="of level 0 has none to go to in level 1"):
        Hierarchy(levels).restrict_edges(np.ones(6), 0, 1)
