import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from level_by_level import PARTITIONS, made, problems

from multiscale_gcn import Graph, HeavyEdgeMatching, contract, match
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.supersteps import cutting, level
from multiscale_gcn.supersteps.task import LevelTask

pytestmark = pytest.mark.filterwarnings("ignore:.*makes? the weights exact")


@settings(max_examples=150)
@given(problems(), st.sampled_from(PARTITIONS), st.data())
def test_partitions_make_the_level_that_memory_makes(
    problem: tuple[Graph, Constraints, HeavyEdgeMatching], num_partitions: int, data: st.DataObject
) -> None:
    graph, constraints, method = problem
    matching = match(graph, method, constraints=constraints)
    max_pairs = None
    if matching.num_pairs > 1 and data.draw(st.booleans(), label="cut"):
        max_pairs = data.draw(st.integers(1, matching.num_pairs), label="pairs")
        matching = match(graph, method, constraints=constraints, max_pairs=max_pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(level, "FEW", data.draw(st.sampled_from([1, 16, 1000]), label="few"))
        patch.setattr(cutting, "SAMPLE", data.draw(st.sampled_from([1, 3, 4096]), label="sample"))
        result = made(graph, LevelTask(method, max_pairs), constraints, num_partitions)
    if matching.num_pairs == 0:
        assert result is None
        return
    assert result is not None
    coarse, parent = result
    expected, expected_parent = contract(graph, matching)
    assert np.array_equal(parent, expected_parent)
    assert parent.dtype == expected_parent.dtype
    assert coarse == expected
    assert coarse.indices.dtype == expected.indices.dtype
