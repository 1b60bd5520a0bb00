from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from folder_by_folder import check_engine
from killing import boundless, killing

from multiscale_gcn import Dask, HeavyEdgeMatching, as_graph, coarsen

distributed = pytest.importorskip(
    "distributed", reason="needs Dask: pip install 'multiscale-gcn[dask]'"
)


@pytest.fixture
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_levels_are_those_of_memory_though_a_worker_is_killed(client: Any, tmp_path: Path) -> None:
    """In one test, so that there is one cluster wherever tests run."""
    graph = as_graph(nx.random_geometric_graph(120, 0.15, seed=1))
    method = HeavyEdgeMatching(max_node_weight=40)
    engine = Dask(client, partitions=3, fits=0)
    assert check_engine(engine, graph, method=method, sizes=[40]) == 3
    method = HeavyEdgeMatching(rating=killing(tmp_path / "killed"))
    assert check_engine(Dask(client, partitions=2, fits=0), graph, method=method, levels=1) == 2
    assert (tmp_path / "killed").exists()
    with pytest.raises(ValueError, match=r"^Boundless\(\) rates the edge \(\d+, \d+\) as inf"):
        coarsen(
            graph, levels=1, method=HeavyEdgeMatching(rating=boundless()), engine=engine,
            out=tmp_path / "levels",
        )  # fmt: skip


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(TypeError, match=r"client = 'tcp://.* must be a dask.distributed.Client"):
        Dask("tcp://scheduler:8786", partitions=2)
