import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from folder_by_folder import check_engine
from killing import boundless, killing

from multiscale_gcn import HeavyEdgeMatching, Spark, as_graph, coarsen

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
    method = HeavyEdgeMatching(max_node_weight=40)
    engine = Spark(session, partitions=3, fits=0)
    assert check_engine(engine, graph, method=method, sizes=[22]) == 3
    method = HeavyEdgeMatching(rating=killing(tmp_path / "killed"))
    assert check_engine(Spark(session, partitions=2, fits=0), graph, method=method, levels=1) == 2
    assert (tmp_path / "killed").exists()
    with pytest.raises(ValueError, match=r"^Boundless\(\) rates the edge \(\d+, \d+\) as inf"):
        coarsen(
            graph, levels=1, method=HeavyEdgeMatching(rating=boundless()), engine=engine,
            out=tmp_path / "levels",
        )  # fmt: skip


def test_what_is_no_session_is_refused() -> None:
    with pytest.raises(TypeError, match=r"session = 'local' must be a pyspark.sql.SparkSession"):
        Spark("local", partitions=2)
