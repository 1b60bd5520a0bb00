import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from examples.hgn_pose.samples.counted import normal, uniform

KEYS = torch.arange(200)[:, None] * 7919
PLACES = torch.arange(-300, 300)


def literally(key, place, stream):
    """In Python's own whole numbers, cut to 32 bits."""

    def mixed(word):
        word = (word ^ word >> 16) * 0x21F0AAAD % 2**32
        word = (word ^ word >> 15) * 0x735A2D97 % 2**32
        return word ^ word >> 15

    word = mixed(key % 2**32) ^ mixed((place + 1) % 2**32)
    return ((mixed(mixed(word) ^ (stream + 1) * 0x9E3779B9 % 2**32) >> 9) + 0.5) / 2**23


def test_it_is_what_whole_numbers_of_any_size_give():
    random = np.random.default_rng(0)
    for key, place, stream in random.integers(-(2**40), 2**40, (200, 3)).tolist():
        stream = stream % 100
        found = float(uniform(torch.tensor(key), torch.tensor(place), stream))
        assert found == literally(key, place, stream)


@pytest.mark.parametrize("stream", [0, 1, 10])
def test_they_are_evenly_between_and_know_nothing_of_each_other(stream):
    numbers = uniform(KEYS, PLACES, stream).double().numpy()
    assert 0 < numbers.min() < numbers.max() < 1
    assert kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    apart = 4 / math.sqrt(numbers.size)
    others = uniform(KEYS, PLACES, stream + 1).double().numpy()
    for one, other in (
        (numbers[1:], numbers[:-1]),
        (numbers[:, 1:], numbers[:, :-1]),
        (numbers[:, 34:], numbers[:, :-34]),
        (numbers, others),
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < apart


def test_normal_numbers_are_normal_and_finite():
    numbers = normal(KEYS, PLACES, 3).double().numpy()
    assert kstest(numbers.ravel(), "norm").pvalue > 1e-3
    ends = 2 * torch.tensor([0.5, 2**23 - 0.5]) * 2.0**-23 - 1
    assert torch.erfinv(ends).isfinite().all()
