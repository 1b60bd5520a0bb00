from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from folder_by_folder import check_engine
from hypothesis import given, settings
from hypothesis import strategies as st
from level_by_level import PARTITIONS, problems

from multiscale_gcn import (
    AlgebraicDistance,
    Graph,
    HeavyEdgeMatching,
    NormalizedCut,
    VisitingOrderMatching,
    as_graph,
    coarsen,
)
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.ratings import Rating
from multiscale_gcn.supersteps.in_process import InProcess
from multiscale_gcn.supersteps.level import take
from multiscale_gcn.supersteps.messages import message
from multiscale_gcn.supersteps.partition import Partition, divided
from multiscale_gcn.supersteps.sources import InMemory
from multiscale_gcn.supersteps.task import LevelTask

pytestmark = pytest.mark.filterwarnings("ignore:.*makes? the weights exact")


@settings(max_examples=40)
@given(problems(), st.sampled_from(PARTITIONS), st.data())
def test_several_levels_and_exact_sizes(
    problem: tuple[Graph, Constraints, HeavyEdgeMatching], partitions: int, data: st.DataObject
) -> None:
    graph, constraints, method = problem
    options = {name: a for name, a in constraints.arrays().items() if a is not None}
    engine = InProcess(partitions=partitions, fits=0)
    if data.draw(st.booleans(), label="by steps"):
        least = data.draw(st.none() | st.integers(0, 10), label="min_nodes")
        check_engine(engine, graph, method=method, levels=4, min_nodes=least, **options)
    else:
        size = st.integers(1, max(graph.num_nodes, 1))
        sizes = data.draw(st.lists(size, min_size=1, max_size=3), label="sizes")
        check_engine(engine, graph, method=method, sizes=sizes, **options)


def test_a_level_that_fits_is_one_partition(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    graph = as_graph(nx.path_graph(64))
    engine = InProcess(partitions=7, fits=70)
    hierarchy = coarsen(graph, levels=2, out=tmp_path / "levels", engine=engine, progress=True)
    assert hierarchy.fingerprint == coarsen(graph, levels=2).fingerprint
    told = capsys.readouterr().err
    assert "level 1 superstep 1 describe: " in told
    assert "0.00 MB exchanged" in told
    assert "level 2 superstep" in told


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (VisitingOrderMatching(), "does not run VisitingOrderMatching"),
        (HeavyEdgeMatching(rating=AlgebraicDistance()), "looks at more than an edge"),
        (HeavyEdgeMatching(isolated="nearest", positions=np.zeros((4, 2))), "isolated='nearest'"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    method: HeavyEdgeMatching, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=words):
        coarsen(
            nx.path_graph(4), levels=1, method=method, out=tmp_path / "levels",
            engine=InProcess(partitions=2),
        )  # fmt: skip


def test_symmetry_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not run symmetry"):
        coarsen(
            nx.path_graph(4), levels=1, symmetry=[3, 2, 1, 0], out=tmp_path / "levels",
            engine=InProcess(partitions=2),
        )  # fmt: skip


class Lopsided(Rating):
    def edge(self, weight, u, v, terms):
        return weight * terms.degree[u]


class Boundless(Rating):
    def edge(self, weight, u, v, terms):
        return weight * np.inf


@pytest.mark.parametrize(
    ("rating", "words"),
    [(Lopsided(), r"edge \(0, 1\) as .* same rating"), (Boundless(), r"\(0, 1\) as inf")],
)
def test_ratings_are_checked(rating: Rating, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        coarsen(
            nx.path_graph(6), levels=1, method=HeavyEdgeMatching(rating=rating),
            out=tmp_path / "levels", engine=InProcess(partitions=2, fits=0),
        )  # fmt: skip


def test_a_missing_reverse_edge_is_named() -> None:
    graph = as_graph(nx.path_graph(4))
    bounds = np.array([0, 2, 4])
    first, _ = divided(graph, Constraints(), 2, bounds)
    columns = np.array([3, 2], np.int32)
    lame = Partition(1, bounds, np.array([0, 1, 2]), columns, np.ones(2), np.ones(2))
    task = LevelTask(HeavyEdgeMatching(rating=NormalizedCut()))
    answers = [take("describe", task, [InMemory(part)], None, {}, []) for part in (first, lame)]
    mail = {1: answers[1].mail.get(0, message(neighbours=np.array([1, 1])))}
    with pytest.raises(ValueError, match="reverse edge is missing"):
        take("look", task, [InMemory(first), answers[0].fixed], None, mail, [])
