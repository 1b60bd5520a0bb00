import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn import Constraints
from multiscale_gcn.methods.keeping import (
    first_of_each,
    numbered,
    spread_over_each,
    still_missing,
)

MEMBERS = st.lists(st.integers(0, 3), min_size=1, max_size=30).map(sorted).map(np.array)


def test_numbers_follow_the_kept_nodes() -> None:
    parent, sampled = numbered(np.array([2, 1, 2, 4, 4, 1]))
    assert sampled.tolist() == [1, 2, 4]
    assert parent.tolist() == [1, 0, 1, 2, 2, 0]


def test_each_member_misses_its_own() -> None:
    of_nodes = Constraints(batch=np.array([0, 0, 0, 1, 1, 1])).per_node(6)
    kept = np.array([True, False, False, True, True, True])
    assert still_missing(kept, of_nodes, None).tolist() == [0, 0]
    assert still_missing(kept, of_nodes, np.array([0, 1])).tolist() == [2, 0]
    assert still_missing(kept, of_nodes, np.array([1, 3])).tolist() == [1, 0]


@given(MEMBERS, st.data())
def test_so_many_of_each_member(member: np.ndarray, data) -> None:
    nodes = np.array(data.draw(st.permutations(range(len(member)))))
    sizes = np.bincount(member, minlength=4)
    count = np.array([data.draw(st.integers(0, size)) for size in sizes.tolist()])
    for choose in (first_of_each, spread_over_each):
        chosen = choose(nodes, member, count)
        assert np.bincount(member[chosen], minlength=4).tolist() == count.tolist()
        assert len(set(chosen.tolist())) == len(chosen)
    for m in range(4):
        expected = [u for u in nodes.tolist() if member[u] == m][: count[m]]
        first = first_of_each(nodes, member, count)
        assert first[member[first] == m].tolist() == expected


def test_what_is_spread_has_even_gaps() -> None:
    chosen = spread_over_each(np.arange(100), np.zeros(100, dtype=int), np.array([7]))
    assert set(np.diff(chosen)) <= {14, 15}
