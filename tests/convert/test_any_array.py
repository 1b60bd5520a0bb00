"""Arrays of any type and shape under any options: a valid graph, or a refusal of our own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tally import tried

from multiscale_gcn import Graph, as_graph
from multiscale_gcn.convert import UnreferencedNodes

small = st.integers(-2, 6)
dtypes = st.one_of(
    hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes(),
    hnp.boolean_dtypes(), hnp.complex_number_dtypes(), hnp.datetime64_dtypes(),
    hnp.unicode_string_dtypes(), hnp.byte_string_dtypes(),
)  # fmt: skip
shapes = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    st.tuples(st.just(2), st.integers(0, 6)),
    st.tuples(st.integers(0, 6), st.sampled_from([2, 3])),
)
wild = st.tuples(dtypes, shapes).flatmap(lambda form: hnp.arrays(*form))
tame = shapes.flatmap(
    lambda shape: st.sampled_from([np.int8, np.int64, np.uint8, np.float32, np.float64]).flatmap(
        lambda dtype: hnp.arrays(np.int64, shape, elements=st.integers(0, 4)).map(
            lambda array: array.astype(dtype)
        )
    )
)
numbers = st.one_of(st.none(), hnp.arrays(float, st.integers(0, 6), elements=st.floats(0, 2)), wild)
options = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from([None, "dense", "edge_index", "edge_list", "faces"]),
        "weights": numbers,
        "node_weights": numbers,
        "num_nodes": st.one_of(st.none(), st.integers(-1, 9)),
        "symmetrize": st.sampled_from([False, True, "mirror", "max", "mean", "sum"]),
    },
)


def outcome(source: Any, **options: Any) -> Graph | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreferencedNodes)
        try:
            graph = as_graph(source, **options)
        except (ValueError, TypeError) as error:
            refusal = error
        else:
            # The constructor checks all that was taken for granted.
            assert graph == Graph(graph.indptr, graph.indices, graph.weights, graph.node_weights)
            return graph
    message = str(refusal)
    assert type(refusal) in (ValueError, TypeError), repr(refusal)
    assert any(sign in message for sign in (";", ":", "must")), message
    return None


@given(st.one_of(wild, tame), options)
def test_arrays(array: np.ndarray, options: dict[str, Any]) -> None:
    graph = outcome(array, **options)
    if array.dtype in (np.int64, np.float64) and array.size and array.ndim:
        assert outcome(array.tolist(), **options) == graph
        assert outcome(torch.tensor(array), **options) == graph
    tried("arrays given as graphs")


@given(
    hnp.arrays(float, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=4)),
    st.sampled_from(["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]),
    options,
)
def test_sparse_matrices(array: np.ndarray, form: str, options: dict[str, Any]) -> None:
    if 0 in array.shape and form in ("bsr", "dia"):
        return
    outcome(sp.csr_array(array).asformat(form), **options)
    tried("sparse matrices given as graphs")


@pytest.mark.filterwarnings("ignore:Sparse ... tensor support is in beta:UserWarning")
@given(st.data())
def test_compressed_matrices_with_any_pointers(data: st.DataObject) -> None:
    """Which compiled code would follow out of the arrays."""
    form = data.draw(st.sampled_from(["csr", "csc"]))
    matrix = sp.csr_array(np.ones((3, 3))).asformat(form)
    wanted = st.sampled_from([-(2**40), -1, 0, 1, 2, 3, 6, 9, 2**40])
    matrix.indptr = data.draw(hnp.arrays(np.int64, st.integers(0, 5), elements=wanted))
    matrix.indices = data.draw(hnp.arrays(np.int64, st.integers(0, 10), elements=wanted))
    outcome(matrix)
    tried("sparse matrices with wrong pointers")
    make = torch.sparse_csr_tensor if form == "csr" else torch.sparse_csc_tensor
    parts = (torch.tensor(matrix.indptr), torch.tensor(matrix.indices), torch.ones(9))
    try:
        tensor = make(*parts, (3, 3), check_invariants=False)
    except RuntimeError:  # torch looks at the lengths at least
        return
    outcome(tensor)
