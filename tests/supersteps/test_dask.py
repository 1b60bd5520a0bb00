from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from killing import check_with_killed_workers

from multiscale_gcn import Dask, as_graph

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
    check_with_killed_workers(
        lambda partitions: Dask(client, partitions=partitions, fits=0), graph, 40, tmp_path
    )


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(TypeError, match=r"client = 'tcp://.* must be a dask.distributed.Client"):
        Dask("tcp://scheduler:8786", partitions=2)
