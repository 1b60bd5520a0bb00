from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest
from killing import check_with_killed_workers

from multiscale_gcn import Ray, as_graph

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'multiscale-gcn[ray]'")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False
    )
    yield
    ray.shutdown()


@pytest.mark.usefixtures("cluster")
def test_levels_are_those_of_memory_though_a_worker_is_killed(tmp_path: Path) -> None:
    """In one test, so that there is one cluster wherever tests run."""
    graph = as_graph(nx.random_geometric_graph(120, 0.15, seed=1))
    check_with_killed_workers(
        lambda partitions: Ray(partitions=partitions, fits=0), graph, 40, tmp_path
    )
