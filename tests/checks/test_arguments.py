"""Numbers as users have them, and what is none."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from multiscale_gcn import (
    AlgebraicDistance,
    HeavyEdgeMatching,
    LocalVariation,
    MetisPartition,
    VisitingOrderMatching,
    as_graph,
    assess,
    coarsen,
)
from multiscale_gcn.checks.arguments import real_number

PATH = nx.path_graph(20)


def of_seed(seed: Any) -> list[str]:
    methods = (
        HeavyEdgeMatching(seed=seed),
        HeavyEdgeMatching(rating=AlgebraicDistance(seed=seed)),
        VisitingOrderMatching(seed=seed),
    )
    return [repr(coarsen(PATH, levels=2, method=method)) for method in methods] + [
        coarsen(PATH, levels=2, method=method).fingerprint for method in methods
    ]


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint64, np.array, torch.tensor])
def test_seeds_of_any_type_of_integer_are_the_same(kind: Any) -> None:
    assert of_seed(kind(5)) == of_seed(5)


@pytest.mark.parametrize(
    "sizes", [np.array([8, 3], dtype=np.int8), torch.tensor([8, 3]), iter([3, 8, 8]), {8, 3}]
)
def test_sizes_of_any_kind_and_order(sizes: Any) -> None:
    assert coarsen(PATH, sizes=sizes).sizes == (20, 10, 8, 4, 3)


def test_levels_and_min_nodes_of_any_type_of_integer() -> None:
    how_far: dict[str, Any] = {"levels": np.uint8(2), "min_nodes": np.int64(3)}
    assert coarsen(PATH, **how_far).sizes == (20, 10, 5)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (coarsen, {"graph": PATH, "levels": 2.5}, "levels = 2.5 must be an integer"),
        (coarsen, {"graph": PATH, "levels": "2"}, "levels = '2' must be an integer"),
        (coarsen, {"graph": PATH, "min_nodes": 3.0}, "min_nodes = 3.0 must be an integer"),
        (coarsen, {"graph": PATH, "sizes": [8, 2.7]}, r"sizes\[1\] = 2.7 must be an integer"),
        (coarsen, {"graph": PATH, "sizes": "48"}, r"sizes\[0\] = '4' must be an integer"),
        (coarsen, {"graph": PATH, "sizes": [[8, 4]]}, r"sizes\[0\] = \[8, 4\] must be an int"),
        (coarsen, {"graph": PATH, "sizes": 8}, r"sizes = 8 must be a list .* sizes=\[8\]"),
        (coarsen, {"graph": PATH, "sizes": [2**70]}, "sizes has 1180591620717411303424, and the"),
        (as_graph, {"source": [(0, 1)], "kind": "edge_list", "num_nodes": 2.0}, "num_nodes = 2.0"),
        (
            as_graph,
            {"source": [(0, 1)], "kind": "edge_list", "num_nodes": -1},
            "must be at least 0",
        ),
        (HeavyEdgeMatching, {"seed": 0.5}, "seed = 0.5 must be an integer"),
        (HeavyEdgeMatching, {"seed": 2**64}, "seed = 18446744073709551616 must be at most"),
        (AlgebraicDistance, {"vectors": 2.5}, "vectors = 2.5 must be an integer"),
        (MetisPartition, {"seed": -1}, "seed = -1 must be at least 0"),
        (LocalVariation, {"k": 3.5}, "k = 3.5 must be an integer"),
        (assess, {"hierarchy": coarsen(PATH, levels=1), "k": 0}, "k = 0 must be at least 1"),
    ],
)
def test_what_is_no_whole_number_is_refused_by_name(
    function: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        function(**arguments)


@pytest.mark.parametrize(
    ("value", "bounds", "demand"),
    [
        (-1e-300, {"least": 0}, "at least 0 and finite"),
        (0, {"above": 0}, "positive and finite"),
        (1.5, {"least": 0, "most": 1}, "at least 0 and at most 1 and finite"),
        (np.nan, {"finite": False}, "a number"),
        (10**400, {"least": 0}, "at least 0 and finite"),
        (np.inf, {}, "finite"),
        ("1", {}, "a number"),
        (True, {}, "a number"),
    ],
)
def test_numbers_outside_are_refused(value: Any, bounds: dict[str, Any], demand: str) -> None:
    with pytest.raises(ValueError, match=rf"x = .* must be {demand}$"):
        real_number(value, "x", **bounds)


@pytest.mark.parametrize("kind", [int, float, np.float32, np.int8, Fraction])
def test_numbers_of_any_type_on_the_border_are_taken(kind: Any) -> None:
    for value in (real_number(kind(2), "x", least=2), real_number(kind(2), "x", most=2)):
        assert type(value) is float
        assert value == 2
