import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from killing import check_with_killed_workers

from multiscale_gcn import Spark, as_graph

sql = pytest.importorskip("pyspark.sql", reason="needs Spark: pip install 'multiscale-gcn[spark]'")
pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")


@pytest.fixture
def session() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = (
            sql.SparkSession.builder.master("local[2,4]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.ansi.enabled", "true")
            .config("spark.driver.memory", "512m")
            .getOrCreate()
        )
        yield session
        session.stop()


@pytest.mark.slow
def test_levels_are_those_of_memory_though_a_worker_is_killed(session: Any, tmp_path: Path) -> None:
    """In one test, so that there is one session wherever tests run."""
    graph = as_graph(nx.random_geometric_graph(60, 0.2, seed=1))
    check_with_killed_workers(
        lambda partitions: Spark(session, partitions=partitions, fits=0), graph, 22, tmp_path
    )


def test_what_is_no_session_is_refused() -> None:
    with pytest.raises(TypeError, match=r"session = 'local' must be a pyspark.sql.SparkSession"):
        Spark("local", partitions=2)
