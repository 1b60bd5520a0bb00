from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest
from folder_by_folder import check_engine
from killing import killing

from multiscale_gcn import Graph, HeavyEdgeMatching, Ray, as_graph

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'multiscale-gcn[ray]'")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def graph() -> Graph:
    return as_graph(nx.random_geometric_graph(120, 0.15, seed=1))


def test_several_levels_and_exact_sizes(graph: Graph) -> None:
    method = HeavyEdgeMatching(max_node_weight=40)
    assert check_engine(Ray(partitions=3, fits=0), graph, method=method, sizes=[40, 12]) == 6


def test_a_worker_that_is_killed_changes_nothing(graph: Graph, tmp_path: Path) -> None:
    method = HeavyEdgeMatching(rating=killing(tmp_path / "killed"))
    assert check_engine(Ray(partitions=2, fits=0), graph, method=method, levels=1) == 2
    assert (tmp_path / "killed").exists()
