"""Windows against a walk through time, a step at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from examples.hgn_pose.samples.windows import step_of, windows_around


def walk(row: int, offset: int, run: np.ndarray, number: np.ndarray, step: int) -> int:
    """Where so many steps lead; a step that leads out of the run, or over a gap, is not made."""
    way = 1 if offset > 0 else -1
    for _ in range(abs(offset)):
        near = [
            other
            for other in np.flatnonzero(run == run[row])
            if 0 < way * (number[other] - number[row]) <= step
        ]
        if not near:
            break
        row = int(min(near, key=lambda other: abs(number[other] - number[row])))
    return row


@st.composite
def rows(draw):
    """Takes with gaps, their rows in any order."""
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=30, unique=True
        )
    )
    return np.array(draw(st.permutations(pairs)), dtype=np.int64).T


@given(rows(), st.sampled_from([1, 3, 5, 9]), st.integers(1, 3), st.integers(1, 4), st.data())
def test_windows_are_walks(pair, frames, step, spacing, data):
    run, number = pair
    asked = np.array(data.draw(st.lists(st.integers(0, len(run) - 1), min_size=1, max_size=5)))
    windows = windows_around(asked, run, number, step, frames, spacing)
    found = windows.rows(torch.arange(len(asked))).numpy()
    half = frames // 2
    offsets = [spacing * k for k in range(-half, half + 1)]
    expected = [[walk(a, k, run, number, step) for k in offsets] for a in asked]
    assert found.tolist() == expected
    assert (found[:, half] == asked).all()


@given(rows())
def test_the_usual_step_is_the_most_frequent_one(pair):
    run, number = pair
    steps = [
        later - earlier
        for k in set(run.tolist())
        for earlier, later in zip(
            sorted(number[run == k]), sorted(number[run == k])[1:], strict=False
        )
    ]
    found = step_of(run, number)
    assert found == 1 if not steps else steps.count(found) == max(map(steps.count, steps))


@pytest.mark.parametrize("frames", [0, 2, -1])
def test_windows_have_a_middle(frames):
    with pytest.raises(ValueError, match=rf"frames = {frames} must be odd and positive"):
        windows_around(np.array([0]), np.zeros(3, int), np.arange(3), 1, frames)
