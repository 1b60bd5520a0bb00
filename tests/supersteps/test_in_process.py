import numpy as np
import pytest
from folder_by_folder import check_engine
from hypothesis import given, settings
from hypothesis import strategies as st
from level_by_level import PARTITIONS, problems

from multiscale_gcn import CoarseningStalled, Graph, HeavyEdgeMatching, coarsen
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.supersteps.in_process import InProcess

pytestmark = pytest.mark.filterwarnings("ignore:.*makes? the weights exact")


@settings(max_examples=30)
@given(problems(), st.sampled_from(PARTITIONS), st.data())
def test_several_levels_and_exact_sizes(
    problem: tuple[Graph, Constraints, HeavyEdgeMatching], partitions: int, data: st.DataObject
) -> None:
    graph, constraints, method = problem
    options = {name: a for name, a in constraints.arrays().items() if a is not None}
    engine = InProcess(partitions=partitions, fits=0)
    if graph.num_nodes == 0 or data.draw(st.booleans(), label="by steps"):
        check_engine(engine, graph, method, levels=4, **options)
        return
    sizes = data.draw(st.lists(st.integers(1, graph.num_nodes), min_size=1, max_size=3))
    try:
        coarsen(graph, method=method, sizes=sizes, **options)
    except (CoarseningStalled, ValueError):
        return
    check_engine(engine, graph, method, sizes=sizes, **options)


