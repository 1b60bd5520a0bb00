from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest
from folder_by_folder import check_engine
from killing import boundless, killing

from multiscale_gcn import HeavyEdgeMatching, Ray, as_graph, coarsen

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
    method = HeavyEdgeMatching(max_node_weight=40)
    engine = Ray(partitions=3, fits=0)
    assert check_engine(engine, graph, method=method, sizes=[40]) == 3
    method = HeavyEdgeMatching(rating=killing(tmp_path / "killed"))
    assert check_engine(Ray(partitions=2, fits=0), graph, method=method, levels=1) == 2
    assert (tmp_path / "killed").exists()
    with pytest.raises(ValueError, match=r"^Boundless\(\) rates the edge \(\d+, \d+\) as inf"):
        coarsen(
            graph, levels=1, method=HeavyEdgeMatching(rating=boundless()), engine=engine,
            out=tmp_path / "levels",
        )  # fmt: skip
