"""Maps by distance, pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiscale_gcn.nn import CrossScaleFusion, DenseMap, DistanceTransfer, ScaleSum
from multiscale_gcn.nn.distance_transfer import spacing

places = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2), min_size=n, max_size=n
    )
)


@given(places, places, st.floats(0.01, 1e4))
def test_shares_fall_with_the_distance(one, other, length):
    transfer = DistanceTransfer([one, other], length)
    found = transfer(1, 0)
    assert found.shape == (len(one), len(other))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for i, place in enumerate(one):
        nearest = min(math.dist(place, q) for q in other)
        terms = [math.exp((nearest - math.dist(place, q)) / length) for q in other]
        expected = [term / sum(terms) for term in terms]
        np.testing.assert_allclose(found[i], expected, rtol=1e-6, atol=1e-9)


def test_the_length_is_that_between_nodes_of_the_source():
    near, far = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [10.0]])
    assert spacing(near) == pytest.approx(4 / 3)
    own = DistanceTransfer([near, far])
    np.testing.assert_array_equal(own(0, 1), DistanceTransfer([near, far], 4 / 3)(0, 1))
    np.testing.assert_array_equal(own(1, 0), DistanceTransfer([near, far], 10)(1, 0))
    assert spacing(np.zeros((3, 2))) == spacing(np.zeros((1, 2))) == 1


def test_a_fusion_begins_as_the_maps():
    transfer = DistanceTransfer([np.eye(3), np.ones((2, 3))])
    fusion = CrossScaleFusion([3, 2], transfer=transfer, channels=[4, 5], start="given")
    for k, source in ((0, 1), (1, 0)):
        scale_sum = fusion.sums[str(k)]
        assert isinstance(scale_sum, ScaleSum)
        node_map = scale_sum.maps[0]
        assert isinstance(node_map, DenseMap)
        weight = node_map.weight.detach().numpy()
        np.testing.assert_allclose(weight, transfer(source, k), rtol=1e-6)


def test_mirrored_places_give_mirrored_maps():
    rng = np.random.default_rng(0)
    left = rng.normal(size=(4, 3))
    turned = left * [-1, 1, 1]
    one, other = np.concatenate([left, turned]), np.array([[1.0, 2, 3], [0, 1, 1], [-1, 2, 3]])
    image, to = np.r_[4:8, 0:4], [2, 1, 0]
    found = DistanceTransfer([one, other])(0, 1)
    np.testing.assert_allclose(found[to][:, image], found)


def test_places_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"positions\[1\] has 2 coordinates, positions\[0\] has 3"):
        DistanceTransfer([np.ones((2, 3)), np.ones((2, 2))])
    with pytest.raises(ValueError, match=r"positions\[0\]\[1\] = \[nan, 1.0\] must be finite"):
        DistanceTransfer([[[0.0, 1.0], [float("nan"), 1.0]]])
    with pytest.raises(ValueError, match="source = 2"):
        DistanceTransfer([np.ones((2, 3))])(2, 0)
