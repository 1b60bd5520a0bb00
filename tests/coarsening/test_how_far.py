"""How far users may ask to coarsen."""

from __future__ import annotations

from itertools import count
from typing import Any

import networkx as nx
import pytest

from multiscale_gcn import HeavyEdgeMatching, coarsen, compare
from multiscale_gcn.pyg import Coarsen


@pytest.mark.parametrize("sizes", [range(10**12), count(1), [1] * 10**6])
def test_lists_without_an_end_are_not_read_to_it(sizes: Any) -> None:
    with pytest.raises(ValueError, match="sizes has more than 1000 entries; name each"):
        coarsen(nx.path_graph(9), sizes=sizes)
    with pytest.raises(ValueError, match="sizes has more than 1000 entries"):
        compare(nx.path_graph(9), [HeavyEdgeMatching()], sizes=sizes)
    with pytest.raises(ValueError, match="sizes has more than 1000 entries"):
        Coarsen(sizes=sizes)


def test_every_size_of_a_graph_may_be_named() -> None:
    assert coarsen(nx.path_graph(30), sizes=range(1, 31)).sizes == tuple(range(30, 0, -1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": 3}, r"sizes = 3 must be a list of them; say sizes=\[3\]"),
        ({"sizes": "34"}, r"sizes\[0\] = '3' must be an integer"),
        ({"sizes": [3, 2.5]}, r"sizes\[1\] = 2.5 must be an integer"),
        ({"sizes": [True]}, r"sizes\[0\] = True must be an integer"),
        ({"levels": 1.5}, "levels = 1.5 must be an integer"),
        ({"levels": -1}, "levels = -1 must be at least 0"),
        ({"min_nodes": "3"}, "min_nodes = '3' must be an integer"),
    ],
)
def test_wishes_that_are_none_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coarsen(nx.path_graph(9), **options)


def test_a_transform_repeats_levels_only_so_often() -> None:
    with pytest.raises(ValueError, match="levels = 2147483648 must be at most 1000"):
        Coarsen(levels=2**31)


def test_methods_to_compare_are_methods() -> None:
    with pytest.raises(TypeError, match=r"methods\[0\] = 'HEM' must be a ClusteringMethod"):
        compare(nx.path_graph(9), ["HEM"], sizes=[3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="methods = 3 must be a list of them"):
        compare(nx.path_graph(9), 3, sizes=[3])  # type: ignore[arg-type]
