"""Random numbers that follow from a key and a place: the same on every device, without a state."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF


def uniform(
    key: Tensor,  # [...] int64
    place: Tensor,  # [...] int64
    stream: int,
) -> Tensor:  # [...] float32
    """Numbers evenly between 0 and 1, both left out.

    Parameters
    ----------
    key, place : Tensor, int64
        Of shapes that fit together. Of each the lower 32 bits count.
    stream : int
        Other streams have other numbers at the same places.

    Notes
    -----
    A place is mixed, then the key and the stream with it, by the 32-bit function of two
    multiplications that Wellons' search for hash functions found (hash-prospector, 2018). The upper
    23 bits are taken, which float32 holds exactly.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.samples.counted import uniform
    >>> key = torch.tensor([[1], [2]])
    >>> numbers = uniform(key, torch.arange(1000), stream=0)
    >>> numbers.shape, round(float(numbers.mean()), 1)
    (torch.Size([2, 1000]), 0.5)
    """
    mixed = _mixed(_mixed(key & _WORD) ^ _mixed((place + 1) & _WORD))
    upper = _mixed(mixed ^ ((stream + 1) * 0x9E3779B9 & _WORD)) >> 9
    return (upper.to(torch.float32) + 0.5) * 2.0**-23


def normal(
    key: Tensor,  # [...] int64
    place: Tensor,  # [...] int64
    stream: int,
) -> Tensor:  # [...] float32
    """Numbers of the standard normal distribution, as :func:`uniform` has them."""
    return math.sqrt(2) * torch.erfinv(2 * uniform(key, place, stream) - 1)


def _mixed(word: Tensor) -> Tensor:  # 32 bits of int64, in which no product overflows
    word = ((word ^ (word >> 16)) * 0x21F0AAAD) & _WORD
    word = ((word ^ (word >> 15)) * 0x735A2D97) & _WORD
    return word ^ (word >> 15)
