"""How the maps between scales begin."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from multiscale_gcn.nn.node_maps import DenseMap, SparseMap

MapStart = Literal["mean", "zero", "given", "published"]


def start_node_map(made: DenseMap | SparseMap, start: MapStart, sources: int, given: bool) -> None:
    """Of a sum over so many sources; the map has begun as its matrix, if one was given."""
    if start == "published":
        return
    nn.init.zeros_(made.bias)
    if start == "zero":
        nn.init.zeros_(made.weight)
    elif not given:
        terms = made.in_features * (sources if start == "mean" else 1)
        _unit_uniform(made.weight, terms)
    elif start == "mean":
        with torch.no_grad():
            made.weight.div_(sources)


def start_channel_map(linear: nn.Linear, start: MapStart) -> None:
    if start == "given":
        nn.init.zeros_(linear.weight)
    elif start != "published":
        _unit_uniform(linear.weight, linear.in_features)


def _unit_uniform(weight: Tensor, terms: int) -> None:
    """A sum of so many terms of mean square 1 has mean square 1."""
    bound = math.sqrt(3 / terms)
    nn.init.uniform_(weight, -bound, bound)
